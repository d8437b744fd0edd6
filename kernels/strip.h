/* How the convolution drivers cut their work.
 *
 * A block is R output rows of one image.  Where no window of the geometry reaches over the image's border, floats are
 * read in place, and so are codes where the product takes bytes.  Otherwise the rows it needs are copied to a strip in
 * scratch:
 *     strip[Hs, Ws, C],  Hs = (R-1)*sh + (kh-1)*dh + 1,  Ws = (ow-1)*sw + (kw-1)*dw + 1
 * with zeros outside the image.  R is a function of the geometry alone.
 *
 * A 1x1 convolution with stride 1 and no padding does not care about rows: its images become one long row, cut into
 * images of 1 x PIXELS and a rest.
 */
#ifndef BITFOLD_KERNELS_STRIP_H
#define BITFOLD_KERNELS_STRIP_H

#include "base/align.h"
#include "kernels/kernels.h"

enum { STRIP_BYTES = 64 * 1024, PIXELS = 96 };

typedef struct {
    bool in_place;           /* no window leaves the image: floats, and codes for a product on bytes, need no strip */
    int rows;                /* R */
    ptrdiff_t height, width; /* Hs, Ws */
    int taps_per_run, runs;  /* the kernel's row is `runs` runs of taps_per_run*C/groups contiguous values */
} Strip;

Strip strip_make(const ConvGeom *g);
/* The input rows under `rows` output rows. */
static inline int strip_height(const ConvGeom *g, int rows) { return (rows - 1) * g->sh + (g->kh - 1) * g->dh + 1; }

/* Strip row r holds input row first + r from column -pl on; a row outside the image is zeros.  16 bits hold q - zx;
 * 8 bits hold q, and zx in place of zeros. */
void strip_fill_f32(const ConvGeom *g, const Strip *s, int first, int height, const ConvInput *x, float *strip);
void strip_fill_s16(const ConvGeom *g, const Strip *s, int first, int height, const int8_t *x, int zx, int16_t *strip);
void strip_fill_s8(const ConvGeom *g, const Strip *s, int first, int height, const int8_t *x, int zx, int8_t *strip);

static inline bool is_pointwise(const ConvGeom *g)
{
    return g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && g->pt == 0 && g->pl == 0 && g->oh == g->h &&
           g->ow == g->w;
}
/* Pointwise: the geometry as images of 1 x PIXELS. False: not pointwise, *wide is g and *rest unused. */
bool strip_pointwise(const ConvGeom *g, int images, ConvGeom *wide, int *wide_images, ConvGeom *rest);

static inline void *scratch_align(void *scratch) { return (char *)scratch + (-(uintptr_t)scratch & (ALIGN_BYTES - 1)); }

#endif
