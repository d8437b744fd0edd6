#define ISA_NAME ref
#include "kernels/requantize.inc"
