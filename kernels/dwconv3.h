/* What the 3x3 depthwise kernels (kernels/dwconv3_lanes.inc) are told about a row; files of this room only. */
#ifndef BITFOLD_KERNELS_DWCONV3_H
#define BITFOLD_KERNELS_DWCONV3_H

#include "kernels/window.h"

/* A row of outputs from the input rows x, x + row, ...; all strides in values. */
typedef struct {
    ConvInput x;
    ptrdiff_t row, step; /* to the next input row, to the next column of input and output */
    int width, left;     /* columns of the input; zeros before them */
    const float *w;
    ptrdiff_t wrow, wcolumn;
    float *y;
    ptrdiff_t yrow;
    int count; /* columns of the output */
} Slide;

/* The part of dw that `rows` input rows give, all over the same kernel rows. */
typedef struct {
    ConvInput x;
    ptrdiff_t row, step;
    int rows, width, left;
    const float *dy;          /* the row under the first kernel row */
    ptrdiff_t dy_row, dy_tap; /* to the dy row of the next input row, of the next kernel row */
    int count;                /* columns of dy */
    float *dw;
    ptrdiff_t wrow;
} Gather;

/* Every window starts inside the image or at most its own padding before it, so each has a tap inside. */
static inline bool dwconv3_fits(const ConvGeom *g)
{
    return g->kh == 3 && g->kw == 3 && g->dh == 1 && g->dw == 1 && g->sh == g->sw && (g->sh == 1 || g->sh == 2) &&
           g->o == g->c && g->pt <= 2 && g->pl <= (g->sw == 1 ? 2 : 1) && (g->oh - 1) * g->sh - g->pt < g->h &&
           (g->ow - 1) * g->sw - g->pl < g->w;
}

/* The kernel rows first, first + sh, ... that meet input row iy in some output row; to - from of them. */
static inline Taps kernel_rows_over(const ConvGeom *g, int iy)
{
    const int shift = iy + g->pt, stride = g->sh;
    int first = shift % stride, count = 0;
    while (first < g->kh && shift - first >= g->oh * stride) first += stride;
    for (int i = first; i < g->kh && i <= shift; i += stride) count++;
    return (Taps){first, 0, count};
}

#endif
