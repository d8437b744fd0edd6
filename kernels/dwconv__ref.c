#define ISA_NAME ref
#include "kernels/dwconv.inc.h"
