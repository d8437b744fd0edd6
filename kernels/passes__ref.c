#define ISA_NAME ref
#include "kernels/passes.inc"
