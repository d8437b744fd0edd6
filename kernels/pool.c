/* Average pools of floats: for each output pixel, for each cell of its window inside the image, one loop over the
 * channels. */
#include <string.h>

#include "kernels/window.h"

static int window_count(Taps rows, Taps columns) { return (rows.to - rows.from) * (columns.to - columns.from); }

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

void avgpool_backward(const ConvGeom *g, int images, const float *dy, bool fresh, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g)) {
        if (fresh) memset(dx, 0, (size_t)image_count(g) * sizeof *dx);
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
}
