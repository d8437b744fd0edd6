#include "kernels/gemm_s8.h"

#include <string.h>

/* One column of one run into its lane of each quad; returns the sum. */
static int32_t pack_column(int k, const int8_t *from, int8_t *to)
{
    int32_t sum = 0;
    for (int i = 0; i < k; i++) {
        to[i / S8_QUAD * (S8_QUAD * S8_PANEL) + i % S8_QUAD] = from[i];
        sum += from[i];
    }
    return sum;
}

void gemm_s8_pack_runs(int n, int runs, int k, const int8_t *bt, ptrdiff_t ldb, int8_t *packed, int32_t *sums)
{
    memset(packed, 0, (size_t)s8_panels_bytes(n, runs, k));
    memset(sums, 0, (size_t)s8_columns(n) * sizeof *sums);
    for (int j = 0; j < n; j++) {
        int8_t *lane = packed + j / S8_PANEL * s8_panel_bytes(runs, k) + j % S8_PANEL * S8_QUAD;
        for (int run = 0; run < runs; run++)
            sums[j] += pack_column(k, bt + j * ldb + (ptrdiff_t)run * k, lane + s8_panel_bytes(run, k));
    }
}
