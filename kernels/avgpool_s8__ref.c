#define ISA_NAME ref
#include "kernels/avgpool_s8.inc"
