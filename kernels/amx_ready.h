/* Whether AMX can be used: what the CPU has, what the operating system permits, what the tiles compute. */
#ifndef BITFOLD_KERNELS_AMX_READY_H
#define BITFOLD_KERNELS_AMX_READY_H

#include "kernels/kernels.h"

/* The instructions exist, the system saves tiles, and they have the shape the kernels are written for. */
bool amx_present(void);
/* Asks Linux for permission, for the whole process: before the first use and only if AMX is to be used, for signal
 * stacks have to be larger afterwards. */
bool amx_permitted(void);
/* A known product by the kernel equals plain C, as it must on real and on emulated CPUs.  Only once permitted. */
bool amx_exact(void (*gemm_runs_s8)(const GemmS8 *g));

#endif
