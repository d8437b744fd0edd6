/* The packed layout that the integer products share: panels of 16 columns; in a panel, for each run, for each pair of
 * k, 16 pairs (one 512-bit register).  Columns beyond n and the odd k are 0. */
#ifndef BITFOLD_KERNELS_GEMM_S16_H
#define BITFOLD_KERNELS_GEMM_S16_H

#include <stddef.h>
#include <stdint.h>

enum { S16_PANEL = 16 };

/* int16 values in one panel of `runs` runs of k. */
static inline ptrdiff_t s16_panel_count(int runs, int k) { return (ptrdiff_t)runs * ((k + 1) / 2) * (2 * S16_PANEL); }

/* b^T [n, ldb], where run r of k values starts at r*k of each row. */
size_t gemm_s16_packed_runs_count(int n, int runs, int k);
void gemm_s16_pack_runs(int n, int runs, int k, const int8_t *bt, ptrdiff_t ldb, int16_t *packed);

#endif
