/* Where the window of an output pixel lies in the image; kernels of this room only. */
#ifndef BITFOLD_KERNELS_WINDOW_H
#define BITFOLD_KERNELS_WINDOW_H

#include "kernels/kernels.h"

/* The taps t in [from, to) whose cell first + t*step lies in [0, size). */
typedef struct {
    int first, from, to;
} Taps;

/* ceil(a / b) for a >= 0; b is mostly 1, and a division costs as much as a few taps. */
static inline int ceil_div(int a, int b) { return b == 1 ? a : (a + b - 1) / b; }

static inline Taps taps_inside(int first, int step, int count, int size)
{
    if (first >= 0 && first + (count - 1) * step < size) return (Taps){first, 0, count};
    int from = first >= 0 ? 0 : ceil_div(-first, step);
    int to = first >= size ? 0 : ceil_div(size - first, step);
    if (to > count) to = count;
    if (from > to) from = to;
    return (Taps){first, from, to};
}

static inline Taps rows_inside(const ConvGeom *g, int oy)
{
    return taps_inside(oy * g->sh - g->pt, g->dh, g->kh, g->h);
}
static inline Taps columns_inside(const ConvGeom *g, int ox)
{
    return taps_inside(ox * g->sw - g->pl, g->dw, g->kw, g->w);
}

/* The other way round: the ox whose cell under column tap j is inside; first + ox*sw is its column. */
static inline Taps outputs_inside(const ConvGeom *g, int j)
{
    return taps_inside(j * g->dw - g->pl, g->sw, g->ow, g->w);
}

static inline ptrdiff_t image_count(const ConvGeom *g) { return (ptrdiff_t)g->h * g->w * g->c; }
static inline ptrdiff_t output_count(const ConvGeom *g, int channels) { return (ptrdiff_t)g->oh * g->ow * channels; }

/* Index of the cell under tap (i, j) in its image. */
static inline ptrdiff_t cell_index(const ConvGeom *g, Taps rows, Taps columns, int i, int j)
{
    return ((ptrdiff_t)(rows.first + i * g->dh) * g->w + (columns.first + j * g->dw)) * g->c;
}

/* One output pixel's taps that lie inside the image, in order; the body sees tap (index in the kernel) and cell (index
 * in the image's input). */
#define FOR_EACH_TAP(g, rows, columns, tap, cell)                                                                      \
    for (int i_ = (rows).from; i_ < (rows).to; i_++)                                                                   \
        for (ptrdiff_t tap = i_ * (g)->kw + (columns).from, cell = cell_index(g, rows, columns, i_, (columns).from),   \
                       end_ = i_ * (g)->kw + (columns).to, step_ = (ptrdiff_t)(g)->dw * (g)->c;                        \
             tap < end_; tap++, cell += step_)
#define FOR_EACH_CELL(g, rows, columns, cell) FOR_EACH_TAP(g, rows, columns, tap_, cell)

#endif
