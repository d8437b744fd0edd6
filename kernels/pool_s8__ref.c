#define ISA_NAME ref
#include "kernels/pool_s8.inc"
