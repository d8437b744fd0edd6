/* The packed layout of gemm_runs_s8: panels of 16 columns; in a panel, for each run, for each quad of k, 16 quads (one
 * 512-bit register).  Columns beyond n and the k beyond a run's end are 0. */
#ifndef BITFOLD_KERNELS_GEMM_S8_H
#define BITFOLD_KERNELS_GEMM_S8_H

#include <stddef.h>
#include <stdint.h>

enum { S8_PANEL = 16, S8_QUAD = 4 /* a run is read in whole quads */ };

static inline int s8_columns(int n) { return (n + S8_PANEL - 1) / S8_PANEL * S8_PANEL; }

/* Bytes of one panel of `runs` runs of k. */
static inline ptrdiff_t s8_panel_bytes(int runs, int k)
{
    return (ptrdiff_t)runs * ((k + S8_QUAD - 1) / S8_QUAD) * (S8_QUAD * S8_PANEL);
}

static inline ptrdiff_t s8_panels_bytes(int n, int runs, int k)
{
    return s8_columns(n) / S8_PANEL * s8_panel_bytes(runs, k);
}

/* b^T [n, ldb], where run r of k values starts at r*k of each row; sums[s8_columns(n)] = the sum of each column. */
void gemm_s8_pack_runs(int n, int runs, int k, const int8_t *bt, ptrdiff_t ldb, int8_t *packed, int32_t *sums);

#endif
