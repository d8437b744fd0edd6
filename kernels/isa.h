/* For the files NAME__ISA.c: they define ISA_NAME and include a body NAME.inc, whose functions are then NAME__ISA. */
#ifndef BITFOLD_KERNELS_ISA_H
#define BITFOLD_KERNELS_ISA_H

#include "kernels/kernels.h"

#define ISA_JOIN_(name, isa) name##__##isa
#define ISA_JOIN(name, isa) ISA_JOIN_(name, isa)
#define ISA(name) ISA_JOIN(name, ISA_NAME)

#define INLINE static inline __attribute__((always_inline))

/* Before a loop over accumulators: unrolled early enough for them to become registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define KERNEL(name)                                                                                                   \
    extern __typeof__(*((Kernels *)0)->name) name##__ref;                                                              \
    extern __typeof__(*((Kernels *)0)->name) name##__avx2;                                                             \
    extern __typeof__(*((Kernels *)0)->name) name##__avx512;                                                           \
    extern __typeof__(*((Kernels *)0)->name) name##__vnni;
#include "kernels/kernels.def"
#undef KERNEL
void gemm_runs_s8__vnni(const GemmS8 *g);
void gemm_runs_s8__amx(const GemmS8 *g);
void dwconv_rows_s8__vnni(const DwRowsS8 *g);

#endif
