/* Depthwise rows with vpdpbusd: 64 cells of an output row at once.
 *
 * The three taps of a kernel row are interleaved to quads by two rounds of unpacking; quad k of 128-bit lane l then
 * belongs to channels 16 l + 4 k .. + 3, and so do the sums.  Packing sums to codes undoes exactly that order. */
#ifdef __AVX512VNNI__
#define ISA_NAME vnni

#include "kernels/dwconv_s8.h"
#include "kernels/isa.h"
#include "kernels/requant_512.h"

/* Four vectors of 16, as they lie in memory, to the order of the sums and back: the transpose of 4 x 4 lanes. */
INLINE void reorder(__m512i v[4])
{
    const __m512i a = _mm512_shuffle_i32x4(v[0], v[1], 0x44), b = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
    const __m512i c = _mm512_shuffle_i32x4(v[2], v[3], 0x44), d = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
    v[0] = _mm512_shuffle_i32x4(a, c, 0x88), v[1] = _mm512_shuffle_i32x4(a, c, 0xdd);
    v[2] = _mm512_shuffle_i32x4(b, d, 0x88), v[3] = _mm512_shuffle_i32x4(b, d, 0xdd);
}

INLINE void load_ordered(const void *table, __m512i v[4])
{
    UNROLL
    for (int k = 0; k < 4; k++) v[k] = _mm512_loadu_si512((const char *)table + 64 * k);
    reorder(v);
}

INLINE void quads(const DwRowsS8 *g, const uint8_t *x, __m512i q[4])
{
    const __m512i a = _mm512_loadu_si512(x + g->tap[0]), b = _mm512_loadu_si512(x + g->tap[1]);
    const __m512i c = _mm512_loadu_si512(x + g->tap[2]);
    const __m512i ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b);
    const __m512i cc = _mm512_unpacklo_epi8(c, c), CC = _mm512_unpackhi_epi8(c, c);
    q[0] = _mm512_unpacklo_epi16(ab, cc), q[1] = _mm512_unpackhi_epi16(ab, cc);
    q[2] = _mm512_unpacklo_epi16(AB, CC), q[3] = _mm512_unpackhi_epi16(AB, CC);
}

INLINE __m512i weights(const int8_t *w, int row, int k)
{
    return _mm512_loadu_si512(w + DW_BLOCK_BYTES * row + 64 * k);
}

/* What becomes of the sums of one block of cells. */
typedef struct {
    __m512i f[4], zero_point, lo;
    __m512 high;
    __mmask64 cells;
} Finish;

INLINE void finish(const bool codes, const DwRowsS8 *g, const Finish *f, ptrdiff_t at, __m512i sum[4])
{
    if (codes) {
        UNROLL
        for (int k = 0; k < 4; k++) sum[k] = scaled_512(sum[k], _mm512_castsi512_ps(f->f[k]), f->high);
        _mm512_mask_storeu_epi8(g->y + at, f->cells, narrowed_512(sum, f->zero_point, f->lo));
        return;
    }
    reorder(sum);
    UNROLL
    for (int k = 0; k < 4; k++)
        _mm512_mask_storeu_epi32(g->acc + at + 16 * k, (__mmask16)(f->cells >> (16 * k)), sum[k]);
}

/* Kernel rows that follow each other, stride 1: each input row is interleaved once and met by three output rows. */
INLINE void slide(const bool codes, const DwRowsS8 *g, int cell, const int8_t *w, const __m512i start[4],
                  const Finish *f)
{
    __m512i w0[4], w1[4], w2[4], one[4], two[4], q[4];
    UNROLL
    for (int k = 0; k < 4; k++) {
        w0[k] = weights(w, 0, k), w1[k] = weights(w, 1, k), w2[k] = weights(w, 2, k);
        one[k] = two[k] = start[k];
    }
    const uint8_t *x = g->x + cell;
    for (int y = -2; y < g->outputs; y++, x += g->row) {
        quads(g, x, q);
        __m512i done[4];
        UNROLL
        for (int k = 0; k < 4; k++) {
            done[k] = _mm512_dpbusd_epi32(two[k], q[k], w2[k]);
            two[k] = _mm512_dpbusd_epi32(one[k], q[k], w1[k]);
            one[k] = _mm512_dpbusd_epi32(start[k], q[k], w0[k]);
        }
        if (y >= 0) finish(codes, g, f, y * g->ld + cell, done);
    }
}

INLINE void each(const bool codes, const DwRowsS8 *g, int cell, const int8_t *w, const __m512i start[4],
                 const Finish *f)
{
    for (int y = 0; y < g->outputs; y++) {
        const uint8_t *x = g->x + y * g->step + cell;
        __m512i sum[4], q[4];
        UNROLL
        for (int k = 0; k < 4; k++) sum[k] = start[k];
        for (int row = 0; row < g->rows; row++, x += g->row) {
            quads(g, x, q);
            UNROLL
            for (int k = 0; k < 4; k++) sum[k] = _mm512_dpbusd_epi32(sum[k], q[k], weights(w, row, k));
        }
        finish(codes, g, f, y * g->ld + cell, sum);
    }
}

INLINE void blocks(const bool codes, const bool slides, const DwRowsS8 *g)
{
    const RequantRows *r = g->requant;
    Finish f = {.cells = ~(__mmask64)0};
    if (codes) {
        f.zero_point = _mm512_set1_epi16((short)r->zero_point), f.lo = _mm512_set1_epi8((char)r->lo);
        f.high = _mm512_set1_ps((float)(r->hi - r->zero_point));
    }
    for (int cell = 0, at = 0; cell < g->cells; cell += DW_BLOCK, at += DW_BLOCK) {
        if (at == g->period) at = 0;
        __m512i start[4];
        load_ordered(g->start + at, start);
        if (codes) load_ordered(r->f + at, f.f);
        if (g->cells - cell < DW_BLOCK) f.cells = ((__mmask64)1 << (g->cells - cell)) - 1;
        const int8_t *w = g->w + (ptrdiff_t)at / DW_BLOCK * g->rows * DW_BLOCK_BYTES;
        (slides ? slide : each)(codes, g, cell, w, start, &f);
    }
}

void ISA(dwconv_rows_s8)(const DwRowsS8 *g)
{
    const bool slides = g->rows == 3 && g->row == g->step;
    if (g->requant != NULL)
        slides ? blocks(true, true, g) : blocks(true, false, g);
    else
        slides ? blocks(false, true, g) : blocks(false, false, g);
}
#endif
