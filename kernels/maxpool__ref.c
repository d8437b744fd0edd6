#define ISA_NAME ref
#include "kernels/maxpool.inc"
