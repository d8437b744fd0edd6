/* Body of gemm_f32__ISA.c: a register tile of up to MR rows by 2 vectors of LANES columns.
 *
 * The file defines ISA_NAME, V, LANES, MR, ROWS(X) = X(1) .. X(MR), Mask, and
 *     v_zero() v_set1(x) v_load(p) v_store(p, v) v_fma(a, b, c) = a*b + c
 *     mask_make(lanes) v_load_mask(p, mask) v_store_mask(p, v, mask)
 * Accumulators have literal sizes and every loop over them a literal bound, so they live in registers.
 */
#include "kernels/isa.h"

#define GEMM_PRAGMA(x) _Pragma(#x)
#define UNROLL GEMM_PRAGMA(GCC unroll 16)

/* One tile: rows i < mr, columns of nv vectors, of which the last has the lanes of `mask` when `tail`. */
INLINE void tile(const int mr, const int nv, const bool tail, const GemmF32 *g, const float *a, const float *b, float *c,
                 Mask mask)
{
    V acc[MR][2];
    const ptrdiff_t am = g->am, am2 = 2 * am, am3 = 3 * am, ak = g->ak, bk = g->bk, ldc = g->ldc;
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int j = 0; j < nv; j++)
        {
            const float *p = c + i * ldc + j * LANES;
            acc[i][j] = !g->accumulate ? v_zero() : tail && j == nv - 1 ? v_load_mask(p, mask) : v_load(p);
        }
    for (int row = 0; row < g->rows; row++)
        for (int run = 0; run < g->runs; run++, b += g->brun) {
            const float *a0 = a + row * g->arow + run * g->arun; /* 4 rows per pointer: offsets 0, am, 2am, 3am */
            const float *a4 = a0 + (mr > 4 ? 4 * am : 0), *a8 = a0 + (mr > 8 ? 8 * am : 0), *bp = b;
            for (int k = 0; k < g->k; k++) {
                V bv[2];
                UNROLL for (int j = 0; j < nv; j++)
                    bv[j] = tail && j == nv - 1 ? v_load_mask(bp + j * LANES, mask) : v_load(bp + j * LANES);
                UNROLL for (int i = 0; i < mr; i++)
                {
                    const float *p = i < 4 ? a0 : i < 8 ? a4 : a8;
                    const V av = v_set1(p[i % 4 == 0 ? 0 : i % 4 == 1 ? am : i % 4 == 2 ? am2 : am3]);
                    UNROLL for (int j = 0; j < nv; j++) acc[i][j] = v_fma(av, bv[j], acc[i][j]);
                }
                a0 += ak, a4 += ak, a8 += ak, bp += bk;
            }
        }
    UNROLL for (int i = 0; i < mr; i++)
        UNROLL for (int j = 0; j < nv; j++)
        {
            float *p = c + i * ldc + j * LANES;
            if (tail && j == nv - 1)
                v_store_mask(p, acc[i][j], mask);
            else
                v_store(p, acc[i][j]);
        }
}

typedef void Tile(const GemmF32 *, const float *, const float *, float *, Mask);
#define TILE(mr, nv, tail)                                                                                             \
    static void tile_##mr##_##nv##_##tail(const GemmF32 *g, const float *a, const float *b, float *c, Mask mask)       \
    {                                                                                                                  \
        tile(mr, nv, tail, g, a, b, c, mask);                                                                          \
    }
#define TILES(mr) TILE(mr, 1, 0) TILE(mr, 1, 1) TILE(mr, 2, 0) TILE(mr, 2, 1)
ROWS(TILES)

#define ENTRIES(mr) {{tile_##mr##_1_0, tile_##mr##_1_1}, {tile_##mr##_2_0, tile_##mr##_2_1}},
static Tile *const tiles[MR][2][2] = {ROWS(ENTRIES)};

void ISA(gemm_runs_f32)(const GemmF32 *g)
{
    /* Equal tiles: 16 rows are 8 + 8, not 12 + 4.  Every row's sums are the same in any tile. */
    const int row_tiles = (g->m + MR - 1) / MR;
    for (int n = 0; n < g->n; n += 2 * LANES) {
        const int left = g->n - n, columns = left < 2 * LANES ? left : 2 * LANES;
        const int nv = columns > LANES ? 2 : 1, last = columns - (nv - 1) * LANES;
        const Mask mask = mask_make(last);
        for (int t = 0, m = 0; t < row_tiles; t++) {
            const int end = (int)((long)g->m * (t + 1) / row_tiles);
            tiles[end - m - 1][nv - 1][last < LANES](g, g->a + m * g->am, g->b + n, g->c + m * g->ldc + n, mask);
            m = end;
        }
    }
}

void ISA(gemm_f32)(int m, int n, int k, const float *a, ptrdiff_t ra, ptrdiff_t ca, const float *b, ptrdiff_t ldb,
                   float *c, ptrdiff_t ldc, bool accumulate)
{
    const GemmF32 g = {.m = m, .n = n, .rows = 1, .runs = 1, .k = k, .a = a, .am = ra, .ak = ca, .b = b, .bk = ldb,
                       .c = c, .ldc = ldc, .accumulate = accumulate};
    ISA(gemm_runs_f32)(&g);
}
