#define ISA_NAME ref
#define LANES 4
#include "kernels/maxpool.inc"
