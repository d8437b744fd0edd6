#define ISA_NAME ref
#define WIDEST 4
#include "kernels/dwconv.inc"
