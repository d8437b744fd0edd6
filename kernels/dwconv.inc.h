/* Body of dwconv__ISA.c: depthwise convolutions.  Each tap is a loop over channels that the compiler vectorises for the
 * file's CPU; output channel c*M + m reads input channel c. */
#include <string.h>

#include "kernels/isa.h"
#include "kernels/window.h"

/* y[c*M+m] += x[c] * w[c*M+m] */
INLINE void tap_forward(int c, int M, const float *restrict x, const float *restrict w, float *restrict y)
{
    if (M == 1) {
#pragma omp simd
        for (int i = 0; i < c; i++) y[i] += x[i] * w[i];
    } else
        for (int i = 0; i < c; i++)
            for (int m = 0; m < M; m++) y[i * M + m] += x[i] * w[i * M + m];
}

INLINE void tap_forward_codes(int c, int M, const ConvInput *in, const int8_t *restrict q, const float *restrict w,
                              float *restrict y)
{
    const float scale = in->scale;
    const int z = in->zero_point;
    if (M == 1) {
#pragma omp simd
        for (int i = 0; i < c; i++) y[i] += scale * (float)(q[i] - z) * w[i];
    } else
        for (int i = 0; i < c; i++)
            for (int m = 0; m < M; m++) y[i * M + m] += scale * (float)(q[i] - z) * w[i * M + m];
}

void ISA(dwconv_f32_forward)(const ConvGeom *g, int images, ConvInput x, const float *w, float *y)
{
    const int M = g->o / g->c;
    for (int n = 0; n < images; n++)
        for (int oy = 0; oy < g->oh; oy++) {
            const Taps rows = rows_inside(g, oy);
            for (int ox = 0; ox < g->ow; ox++, y += g->o) {
                const Taps columns = columns_inside(g, ox);
                memset(y, 0, (size_t)g->o * sizeof *y);
                FOR_EACH_TAP(g, rows, columns, tap, cell)
                {
                    const ptrdiff_t at = n * image_count(g) + cell;
                    if (x.x != NULL)
                        tap_forward(g->c, M, x.x + at, w + tap * g->o, y);
                    else
                        tap_forward_codes(g->c, M, &x, x.codes + at, w + tap * g->o, y);
                }
            }
        }
}

void ISA(dwconv_f32_backward_data)(const ConvGeom *g, int images, const float *dy, const float *w, float *dx)
{
    const int M = g->o / g->c;
    for (int n = 0; n < images; n++, dx += image_count(g))
        for (int oy = 0; oy < g->oh; oy++) {
            const Taps rows = rows_inside(g, oy);
            for (int ox = 0; ox < g->ow; ox++, dy += g->o) {
                const Taps columns = columns_inside(g, ox);
                FOR_EACH_TAP(g, rows, columns, tap, cell)
                {
                    const float *wt = w + tap * g->o;
                    float *d = dx + cell;
                    if (M == 1) {
#pragma omp simd
                        for (int i = 0; i < g->c; i++) d[i] += dy[i] * wt[i];
                    } else
                        for (int i = 0; i < g->c; i++)
                            for (int m = 0; m < M; m++) d[i] += dy[i * M + m] * wt[i * M + m];
                }
            }
        }
}

void ISA(dwconv_f32_backward_weights)(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw)
{
    const int M = g->o / g->c;
    for (int n = 0; n < images; n++)
        for (int oy = 0; oy < g->oh; oy++) {
            const Taps rows = rows_inside(g, oy);
            for (int ox = 0; ox < g->ow; ox++, dy += g->o) {
                const Taps columns = columns_inside(g, ox);
                FOR_EACH_TAP(g, rows, columns, tap, cell)
                {
                    const ptrdiff_t at = n * image_count(g) + cell;
                    if (x.x != NULL)
                        tap_forward(g->c, M, x.x + at, dy, dw + tap * g->o);
                    else
                        tap_forward_codes(g->c, M, &x, x.codes + at, dy, dw + tap * g->o);
                }
            }
        }
}

/* |q - zx| <= 255 and |w| <= 128: the product fits 16 bits. */
void ISA(dwconv_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int zx, const int8_t *w, int32_t *acc)
{
    const int M = g->o / g->c;
    const int16_t z = (int16_t)zx;
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++) {
            const Taps rows = rows_inside(g, oy);
            for (int ox = 0; ox < g->ow; ox++, acc += g->o) {
                const Taps columns = columns_inside(g, ox);
                memset(acc, 0, (size_t)g->o * sizeof *acc);
                FOR_EACH_TAP(g, rows, columns, tap, cell)
                {
                    const int8_t *restrict q = x + cell, *restrict wt = w + tap * g->o;
                    int32_t *restrict sum = acc;
                    if (M == 1) {
#pragma omp simd
                        for (int i = 0; i < g->c; i++) sum[i] += (int16_t)((int16_t)(q[i] - z) * wt[i]);
                    } else
                        for (int i = 0; i < g->c; i++)
                            for (int m = 0; m < M; m++) sum[i * M + m] += (q[i] - z) * wt[i * M + m];
                }
            }
        }
}
