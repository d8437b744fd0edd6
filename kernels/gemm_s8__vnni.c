/* Codes by weights with vpdpbusd: unsigned by signed bytes, four products and the addition in one, without saturation.
 * The codes are flipped to q + 128 as they are broadcast, and 128 times the column's sum is taken off beforehand. */
#ifdef __AVX512VNNI__
#define ISA_NAME vnni

#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8.h"
#include "kernels/isa.h"

/* A tile has up to 12 rows by 2 panels or 5 rows by 4: at most 24 accumulators, leaving room for the panels. */
enum { MR = 12, NV = 4, FEW_ROWS = 5 };

INLINE __m512i quad(const int8_t *p, __m512i flip)
{
    int codes;
    memcpy(&codes, p, sizeof codes);
    return _mm512_xor_si512(_mm512_set1_epi32(codes), flip);
}

INLINE void tile(const int mr, const int nv, const GemmS8 *g, const int8_t *a, int column)
{
    __m512i acc[12][4];
    const __m512i flip = _mm512_set1_epi8(-128);
    const ptrdiff_t am = g->am, am2 = 2 * am, am3 = 3 * am, ldc = g->ldc;
    const ptrdiff_t panel = s8_panel_bytes(g->rows * g->runs, g->k);
    const int8_t *b = g->b + column / S8_PANEL * panel;
    UNROLL
    for (int j = 0; j < nv; j++) {
        const __m512i sums = _mm512_loadu_si512(g->sums + column + j * S8_PANEL);
        const __m512i start = _mm512_loadu_si512(g->start + column + j * S8_PANEL);
        acc[0][j] = _mm512_sub_epi32(start, _mm512_slli_epi32(sums, 7));
        UNROLL
        for (int i = 1; i < mr; i++) acc[i][j] = acc[0][j];
    }
    for (int row = 0; row < g->rows; row++)
        for (int run = 0; run < g->runs; run++) {
            const int8_t *a0 = a + row * g->arow + run * g->arun;
            const int8_t *a4 = a0 + (mr > 4 ? 4 * am : 0), *a8 = a0 + (mr > 8 ? 8 * am : 0);
            for (int k = 0; k < g->k; k += S8_QUAD) {
                __m512i bv[4];
                UNROLL
                for (int j = 0; j < nv; j++) bv[j] = _mm512_loadu_si512(b + j * panel);
                UNROLL
                for (int i = 0; i < mr; i++) {
                    const int8_t *p = i < 4 ? a0 : i < 8 ? a4 : a8;
                    const __m512i av = quad(p + (i % 4 == 0 ? 0 : i % 4 == 1 ? am : i % 4 == 2 ? am2 : am3), flip);
                    UNROLL
                    for (int j = 0; j < nv; j++) acc[i][j] = _mm512_dpbusd_epi32(acc[i][j], av, bv[j]);
                }
                a0 += S8_QUAD, a4 += S8_QUAD, a8 += S8_QUAD, b += S8_QUAD * S8_PANEL;
            }
        }
    const int last = g->n - column - (nv - 1) * S8_PANEL;
    const __mmask16 mask = (__mmask16)(last < S8_PANEL ? (1u << last) - 1 : 0xffff);
    int32_t *c = g->c + column;
    UNROLL
    for (int i = 0; i < mr; i++, c += ldc) {
        UNROLL
        for (int j = 0; j < nv - 1; j++) _mm512_storeu_si512(c + j * S8_PANEL, acc[i][j]);
        _mm512_mask_storeu_epi32(c + (nv - 1) * S8_PANEL, mask, acc[i][nv - 1]);
    }
}

/* c points at the tile's first row. */
typedef void Tile(const GemmS8 *, const int8_t *, int);
#define TILE(mr, nv)                                                                                                   \
    static void tile_##mr##_##nv(const GemmS8 *g, const int8_t *a, int column) { tile(mr, nv, g, a, column); }
#define FEW(X) X(1) X(2) X(3) X(4) X(5)
#define MANY(X) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define TILES_4(mr) TILE(mr, 1) TILE(mr, 2) TILE(mr, 3) TILE(mr, 4)
#define TILES_2(mr) TILE(mr, 1) TILE(mr, 2)
FEW(TILES_4)
MANY(TILES_2)

#define ENTRIES_4(mr) {tile_##mr##_1, tile_##mr##_2, tile_##mr##_3, tile_##mr##_4},
#define ENTRIES_2(mr) {tile_##mr##_1, tile_##mr##_2},
static Tile *const tiles[MR][NV] = {FEW(ENTRIES_4) MANY(ENTRIES_2)};

void ISA(gemm_runs_s8)(const GemmS8 *g)
{
    const int row_tiles = (g->m + MR - 1) / MR, panels = g->m <= FEW_ROWS ? 4 : 2;
    for (int n = 0; n < g->n; n += panels * S8_PANEL) {
        const int left = s8_columns(g->n - n) / S8_PANEL, nv = left < panels ? left : panels;
        GemmS8 p = *g;
        for (int t = 0, m = 0; t < row_tiles; t++) {
            const int end = (int)((long)g->m * (t + 1) / row_tiles);
            p.c = g->c + m * g->ldc;
            tiles[end - m - 1][nv - 1](&p, g->a + m * g->am, n);
            m = end;
        }
    }
}
#endif
