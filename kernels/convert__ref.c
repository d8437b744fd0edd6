#define ISA_NAME ref
#include "kernels/convert.inc"
