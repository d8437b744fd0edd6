/* Integer convolution: the strip holds q - zx in 16 bits and zeros outside the image (kernels/strip.h). */
#include "kernels/gemm_s16.h"
#include "kernels/strip.h"
#include "kernels/window.h"

static size_t group_count(const ConvGeom *g, const Strip *s)
{
    return gemm_s16_packed_runs_count(g->o / g->groups, g->kh * s->runs, s->taps_per_run * (g->c / g->groups));
}

size_t conv_s8_packed_count(const ConvGeom *g)
{
    const Strip s = strip_make(g);
    return (size_t)g->groups * group_count(g, &s);
}

void conv_s8_pack(const ConvGeom *g, const int8_t *w, int16_t *packed)
{
    const Strip s = strip_make(g);
    const int cg = g->c / g->groups, og = g->o / g->groups;
    const ptrdiff_t K = (ptrdiff_t)g->kh * g->kw * cg;
    for (int group = 0; group < g->groups; group++, w += og * K, packed += group_count(g, &s))
        gemm_s16_pack_runs(og, g->kh * s.runs, s.taps_per_run * cg, w, K, packed);
}

static void forward_images(const ConvGeom *g, int images, const int8_t *x, int zx, const int16_t *packed, int32_t *acc,
                           int16_t *strip)
{
    const Strip s = strip_make(g);
    const int cg = g->c / g->groups, og = g->o / g->groups;
    GemmS16 p = {.m = g->ow,
                 .n = og,
                 .rows = g->kh,
                 .runs = s.runs,
                 .k = s.taps_per_run * cg,
                 .am = (ptrdiff_t)g->sw * g->c,
                 .arow = g->dh * s.width * g->c,
                 .arun = (ptrdiff_t)g->dw * g->c,
                 .ldc = g->o};
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++, acc += (ptrdiff_t)g->ow * g->o) {
            const int r = oy % s.rows, rows = g->oh - oy < s.rows ? g->oh - oy : s.rows;
            if (r == 0)
                strip_fill_s16(g, &s, oy * g->sh - g->pt, (rows - 1) * g->sh + (g->kh - 1) * g->dh + 1, x, zx, strip);
            for (int group = 0; group < g->groups; group++) {
                p.a = strip + r * g->sh * s.width * g->c + group * cg;
                p.b = packed + (size_t)group * group_count(g, &s);
                p.c = acc + group * og;
                kernels()->gemm_runs_s16(&p);
            }
        }
}

void conv_s8_forward(const ConvGeom *g, int images, const int8_t *x, int zx, const int16_t *packed, int32_t *acc,
                     void *scratch)
{
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    forward_images(&wide, count, x, zx, packed, acc, scratch_align(scratch));
    if (pointwise && rest.w > 0)
        forward_images(&rest, 1, x + count * image_count(&wide), zx, packed, acc + count * output_count(&wide, g->o),
                       scratch_align(scratch));
}
