#include "kernels/gemm_s16.h"

size_t gemm_s16_packed_runs_count(int n, int runs, int k)
{
    return (size_t)((n + S16_PANEL - 1) / S16_PANEL) * (size_t)s16_panel_count(runs, k);
}

void gemm_s16_pack_runs(int n, int runs, int k, const int8_t *bt, ptrdiff_t ldb, int16_t *packed)
{
    for (int n0 = 0; n0 < n; n0 += S16_PANEL)
        for (int run = 0; run < runs; run++)
            for (int k0 = 0; k0 < k; k0 += 2, packed += 2 * S16_PANEL)
                for (int j = 0; j < S16_PANEL; j++) {
                    const int8_t *p = bt + (n0 + j) * ldb + (ptrdiff_t)run * k + k0;
                    packed[2 * j] = n0 + j < n ? p[0] : 0;
                    packed[2 * j + 1] = n0 + j < n && k0 + 1 < k ? p[1] : 0;
                }
}
