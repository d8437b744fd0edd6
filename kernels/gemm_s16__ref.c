/* Any CPU: one row by one panel of 16 columns. */
#define ISA_NAME ref

#include <string.h>

#include "kernels/gemm_s16.h"
#include "kernels/isa.h"

static void row_by_panel(const GemmS16 *g, const int16_t *a, const int16_t *restrict b, int32_t *restrict sum)
{
    memset(sum, 0, S16_PANEL * sizeof *sum);
    for (int row = 0; row < g->rows; row++)
        for (int run = 0; run < g->runs; run++) {
            const int16_t *p = a + row * g->arow + run * g->arun;
            for (int k = 0; k < g->k; k += 2, b += 2 * S16_PANEL) {
                const int32_t a0 = p[k], a1 = p[k + 1];
#pragma omp simd
                for (int j = 0; j < S16_PANEL; j++) sum[j] += a0 * b[2 * j] + a1 * b[2 * j + 1];
            }
        }
}

void ISA(gemm_runs_s16)(const GemmS16 *g)
{
    const ptrdiff_t panel = s16_panel_count(g->rows * g->runs, g->k);
    for (int n = 0; n < g->n; n += S16_PANEL)
        for (int m = 0; m < g->m; m++) {
            int32_t sum[S16_PANEL];
            row_by_panel(g, g->a + m * g->am, g->b + n / S16_PANEL * panel, sum);
            const int columns = g->n - n < S16_PANEL ? g->n - n : S16_PANEL;
            memcpy(g->c + m * g->ldc + n, sum, (size_t)columns * sizeof *sum);
        }
}

void ISA(gemm_s16)(int m, int n, int k, const int16_t *a, ptrdiff_t lda, const int16_t *b, int32_t *c, ptrdiff_t ldc)
{
    const GemmS16 g = {.m = m, .n = n, .rows = 1, .runs = 1, .k = k, .a = a, .am = lda, .b = b, .c = c, .ldc = ldc};
    ISA(gemm_runs_s16)(&g);
}
