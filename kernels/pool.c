/* Pools: for each output pixel, for each cell of its window inside the image, one loop over the channels. */
#include <string.h>

#include "kernels/window.h"

static int window_count(Taps rows, Taps columns) { return (rows.to - rows.from) * (columns.to - columns.from); }

#define T float
#define LINKAGE
#define POOL maxpool_f32_forward
#include "kernels/maxpool.inc"

#define T int8_t
#define LINKAGE static
#define POOL maxpool_s8_indexed
#include "kernels/maxpool.inc"

void maxpool_s8_forward(const ConvGeom *g, int images, const int8_t *x, int8_t *y, int32_t *argmax)
{
    if (argmax == NULL && g->w * g->c <= MAXPOOL_ROW_BYTES)
        kernels()->maxpool_rows_s8(g, images, x, y);
    else
        maxpool_s8_indexed(g, images, x, y, argmax);
}

void maxpool_backward(const ConvGeom *g, int images, const float *dy, const int32_t *argmax, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g)) {
        const ptrdiff_t count = output_count(g, g->c);
        for (ptrdiff_t i = 0; i < count; i++)
            if (argmax[i] >= 0) dx[argmax[i]] += dy[i];
        dy += count, argmax += count;
    }
}

static void add(int c, const float *restrict x, float *restrict y)
{
#pragma omp simd
    for (int i = 0; i < c; i++) y[i] += x[i];
}

void avgpool_f32_forward(const ConvGeom *g, int images, const float *x, float *y)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const int count = window_count(rows, columns);
                memset(y, 0, (size_t)g->c * sizeof *y);
                FOR_EACH_CELL(g, rows, columns, cell) add(g->c, x + cell, y);
                for (int i = 0; count > 0 && i < g->c; i++) y[i] /= (float)count;
            }
}

void avgpool_backward(const ConvGeom *g, int images, const float *dy, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, dy += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const float count = (float)window_count(rows, columns);
                FOR_EACH_CELL(g, rows, columns, cell)
                {
                    float *restrict d = dx + cell;
                    const float *restrict e = dy;
#pragma omp simd
                    for (int i = 0; i < g->c; i++) d[i] += e[i] / count;
                }
            }
}

void avgpool_s8_forward(const ConvGeom *g, int images, const int8_t *x, int lo, int hi, int8_t *y)
{
    kernels()->avgpool_codes(g, images, x, lo, hi, y);
}
