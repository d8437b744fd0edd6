#define ISA_NAME ref
#include "kernels/conv_s16.inc"
