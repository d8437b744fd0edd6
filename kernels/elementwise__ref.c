#define ISA_NAME ref
#include "kernels/elementwise.inc"
