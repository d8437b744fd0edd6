/* Body of gemm_s16__ISA.c: a register tile of up to MR rows by 2 vectors of LANES int32 columns.
 *
 * The file defines ISA_NAME, V, LANES, MR, ROWS(X), Mask, and
 *     v_zero() v_pair(p) (the int16 pair at p in every lane) v_load(p) v_dot(acc, a, b) = acc + a.lo*b.lo + a.hi*b.hi
 *     mask_make(lanes) v_store(p, v) v_store_mask(p, v, mask)
 */
#include "kernels/gemm_s16.h"
#include "kernels/isa.h"

#define GEMM_PRAGMA(x) _Pragma(#x)
#define UNROLL GEMM_PRAGMA(GCC unroll 16)

INLINE void tile(const int mr, const int nv, const GemmS16 *g, const int16_t *a, const int16_t *b, ptrdiff_t panel,
                 int32_t *c, int last)
{
    V acc[MR][2];
    const ptrdiff_t am = g->am, am2 = 2 * am, am3 = 3 * am, ldc = g->ldc;
    /* Vector 1 is in the same panel of 16 columns (LANES 8) or in the next one (LANES 16). */
    const ptrdiff_t next = LANES < S16_PANEL ? 2 * LANES : panel;
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_zero();
    for (int row = 0; row < g->rows; row++)
        for (int run = 0; run < g->runs; run++) {
            const int16_t *a0 = a + row * g->arow + run * g->arun;
            const int16_t *a4 = a0 + (mr > 4 ? 4 * am : 0), *a8 = a0 + (mr > 8 ? 8 * am : 0);
            for (int k = 0; k < g->k; k += 2) {
                V bv[2];
                UNROLL for (int j = 0; j < nv; j++) bv[j] = v_load(b + j * next);
                UNROLL for (int i = 0; i < mr; i++)
                {
                    const int16_t *p = i < 4 ? a0 : i < 8 ? a4 : a8;
                    const V av = v_pair(p + (i % 4 == 0 ? 0 : i % 4 == 1 ? am : i % 4 == 2 ? am2 : am3));
                    UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_dot(acc[i][j], av, bv[j]);
                }
                a0 += 2, a4 += 2, a8 += 2, b += 2 * S16_PANEL;
            }
        }
    const Mask mask = mask_make(last);
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int j = 0; j < nv; j++)
        {
            if (j == nv - 1 && last < LANES)
                v_store_mask(c + i * ldc + j * LANES, acc[i][j], mask);
            else
                v_store(c + i * ldc + j * LANES, acc[i][j]);
        }
}

typedef void Tile(const GemmS16 *, const int16_t *, const int16_t *, ptrdiff_t, int32_t *, int);
#define TILE(mr, nv)                                                                                                   \
    static void tile_##mr##_##nv(const GemmS16 *g, const int16_t *a, const int16_t *b, ptrdiff_t panel, int32_t *c,    \
                                 int last)                                                                             \
    {                                                                                                                  \
        tile(mr, nv, g, a, b, panel, c, last);                                                                         \
    }
#define TILES(mr) TILE(mr, 1) TILE(mr, 2)
ROWS(TILES)

#define ENTRIES(mr) {tile_##mr##_1, tile_##mr##_2},
static Tile *const tiles[MR][2] = {ROWS(ENTRIES)};

void ISA(gemm_runs_s16)(const GemmS16 *g)
{
    const int row_tiles = (g->m + MR - 1) / MR;
    const ptrdiff_t panel = s16_panel_count(g->rows * g->runs, g->k);
    for (int n = 0; n < g->n; n += 2 * LANES) {
        const int left = g->n - n, columns = left < 2 * LANES ? left : 2 * LANES;
        const int nv = columns > LANES ? 2 : 1, last = columns - (nv - 1) * LANES;
        const int16_t *b = g->b + n / S16_PANEL * panel;
        for (int t = 0, m = 0; t < row_tiles; t++) {
            const int end = (int)((long)g->m * (t + 1) / row_tiles);
            tiles[end - m - 1][nv - 1](g, g->a + m * g->am, b, panel, g->c + m * g->ldc + n, last);
            m = end;
        }
    }
}

void ISA(gemm_s16)(int m, int n, int k, const int16_t *a, ptrdiff_t lda, const int16_t *b, int32_t *c, ptrdiff_t ldc)
{
    const GemmS16 g = {.m = m, .n = n, .rows = 1, .runs = 1, .k = k, .a = a, .am = lda, .b = b, .c = c, .ldc = ldc};
    ISA(gemm_runs_s16)(&g);
}
