/* Float convolutions: forward, backward data, backward weights (kernels/strip.h tells how the work is cut). */
#include "kernels/strip.h"
#include "kernels/window.h"

/* Backward data with so few channels that a tap alone would leave vector lanes empty: a kernel row at a time, through a
 * tile, because the windows of neighbours overlap. */
static bool overlapping(const ConvGeom *g) { return g->groups == 1 && g->dw == 1 && g->kw > 1 && g->c < 16; }

size_t conv_scratch_bytes(const ConvGeom *g)
{
    ConvGeom wide = *g, rest;
    int count;
    strip_pointwise(g, 1, &wide, &count, &rest);
    const Strip s = strip_make(&wide);
    const ptrdiff_t strip = s.height * s.width * g->c + 1, tile = overlapping(g) ? (ptrdiff_t)g->ow * g->kw * g->c : 0;
    return (size_t)(strip > tile ? strip : tile) * sizeof(float) + SCRATCH_ALIGN;
}

/* Columns of a packed panel: a group's outputs, in panels of 32 (filled up with zeros) when there are more. */
static int panel_width(const ConvGeom *g)
{
    const int og = g->o / g->groups;
    return og < F32_PANEL ? og : F32_PANEL;
}

static size_t packed_group_count(const ConvGeom *g)
{
    const int width = panel_width(g), panels = (g->o / g->groups + width - 1) / width;
    return (size_t)panels * (size_t)width * (size_t)(g->kh * g->kw * (g->c / g->groups));
}

size_t conv_f32_packed_count(const ConvGeom *g) { return (size_t)g->groups * packed_group_count(g); }

/* Per group and panel the transpose [K, width]: rows of gemm's b that follow each other in memory. */
void conv_f32_pack(const ConvGeom *g, const float *w, float *packed)
{
    const int K = g->kh * g->kw * (g->c / g->groups), og = g->o / g->groups, width = panel_width(g);
    for (int group = 0; group < g->groups; group++, w += (ptrdiff_t)og * K)
        for (int panel = 0; panel < og; panel += width)
            for (int k = 0; k < K; k++)
                for (int o = panel; o < panel + width; o++) *packed++ = o < og ? w[(ptrdiff_t)o * K + k] : 0.0f;
}

/* The rows that output rows from oy on read: in place or through the strip. */
typedef struct {
    const float *at;
    ptrdiff_t width;
} View;

static View view_block(const ConvGeom *g, const Strip *s, int oy, int rows, const ConvInput *x, float *strip)
{
    const int first = oy * g->sh - g->pt;
    if (s->in_place && x->x != NULL) return (View){x->x + (ptrdiff_t)first * g->w * g->c, g->w};
    strip_fill_f32(g, s, first, (rows - 1) * g->sh + (g->kh - 1) * g->dh + 1, x, strip);
    return (View){strip, s->width};
}

static ConvInput input_at(const ConvInput *x, ptrdiff_t offset)
{
    ConvInput at = *x;
    if (x->x != NULL) at.x += offset;
    if (x->codes != NULL) at.codes += offset;
    return at;
}

static void forward_images(const ConvGeom *g, int images, const ConvInput *input, const float *packed, float *y,
                           float *strip)
{
    const Strip s = strip_make(g);
    const int cg = g->c / g->groups, og = g->o / g->groups, run = s.taps_per_run * cg;
    GemmF32 p = {.m = g->ow,
                 .n = og,
                 .rows = g->kh,
                 .runs = s.runs,
                 .k = run,
                 .am = (ptrdiff_t)g->sw * g->c,
                 .arun = (ptrdiff_t)g->dw * g->c,
                 .ak = 1,
                 .bk = panel_width(g),
                 .ldc = g->o};
    p.brun = run * p.bk;
    p.bpanel = p.rows * p.runs * p.brun;
    for (int n = 0; n < images; n++) {
        const ConvInput x = input_at(input, n * image_count(g));
        View v = {NULL, 0};
        for (int oy = 0; oy < g->oh; oy++, y += (ptrdiff_t)g->ow * g->o) {
            const int r = oy % s.rows;
            if (r == 0) v = view_block(g, &s, oy, g->oh - oy < s.rows ? g->oh - oy : s.rows, &x, strip);
            p.arow = g->dh * v.width * g->c;
            for (int group = 0; group < g->groups; group++) {
                p.a = v.at + r * g->sh * v.width * g->c + group * cg;
                p.b = packed + (size_t)group * packed_group_count(g);
                p.c = y + group * og;
                kernels()->gemm_runs_f32(&p);
            }
        }
    }
}

void conv_f32_forward(const ConvGeom *g, int images, ConvInput x, const float *packed, float *y, void *scratch)
{
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    forward_images(&wide, count, &x, packed, y, scratch_align(scratch));
    if (!pointwise || rest.w == 0) return;
    x = input_at(&x, count * image_count(&wide));
    forward_images(&rest, 1, &x, packed, y + count * output_count(&wide, g->o), scratch_align(scratch));
}

/* For output row oy and one tap (i, j): dx[iy, ox*sw + ...] += dy[oy, ox] * w[tap], over the ox whose cell is inside.
 * */
static void backward_row(const ConvGeom *g, int oy, const float *dy, const float *w, float *dx)
{
    const Taps rows = rows_inside(g, oy);
    const int cg = g->c / g->groups, og = g->o / g->groups;
    const ptrdiff_t K = (ptrdiff_t)g->kh * g->kw * cg;
    GemmF32 p = {.n = cg,
                 .rows = 1,
                 .runs = 1,
                 .k = og,
                 .am = g->o,
                 .ak = 1,
                 .bpanel = F32_PANEL,
                 .bk = K,
                 .ldc = (ptrdiff_t)g->sw * g->c,
                 .accumulate = true};
    for (int i = rows.from; i < rows.to; i++)
        for (int j = 0; j < g->kw; j++) {
            const Taps across = outputs_inside(g, j);
            const ptrdiff_t iy = rows.first + i * g->dh, ix = across.first + across.from * g->sw;
            p.m = across.to - across.from;
            for (int group = 0; group < g->groups && p.m > 0; group++) {
                p.a = dy + (ptrdiff_t)across.from * g->o + group * og;
                p.b = w + group * og * K + (i * g->kw + j) * cg;
                p.c = dx + (iy * g->w + ix) * g->c + group * cg;
                kernels()->gemm_runs_f32(&p);
            }
        }
}

/* The same for all taps of a kernel row: tile[ow, kw*C] = dy * w, then each of its rows is added to the window it
 * covers. */
static void backward_row_tiled(const ConvGeom *g, int oy, const float *dy, const float *w, float *dx, float *tile)
{
    const Taps rows = rows_inside(g, oy);
    const int run = g->kw * g->c;
    GemmF32 p = {.m = g->ow,
                 .n = run,
                 .rows = 1,
                 .runs = 1,
                 .k = g->o,
                 .a = dy,
                 .am = g->o,
                 .ak = 1,
                 .bpanel = F32_PANEL,
                 .bk = (ptrdiff_t)g->kh * run,
                 .c = tile,
                 .ldc = run};
    for (int i = rows.from; i < rows.to; i++) {
        float *row = dx + (ptrdiff_t)(rows.first + i * g->dh) * g->w * g->c;
        p.b = w + (ptrdiff_t)i * run;
        kernels()->gemm_runs_f32(&p);
        for (int ox = 0; ox < g->ow; ox++) {
            const Taps columns = columns_inside(g, ox);
            const float *restrict from = tile + (ptrdiff_t)ox * run + columns.from * g->c;
            float *restrict to = row + (ptrdiff_t)(columns.first + columns.from) * g->c;
            const int count = (columns.to - columns.from) * g->c;
#pragma omp simd
            for (int k = 0; k < count; k++) to[k] += from[k];
        }
    }
}

static void backward_data_images(const ConvGeom *g, int images, const float *dy, const float *w, float *dx, float *tile)
{
    const bool tiled = overlapping(g);
    for (int n = 0; n < images; n++, dx += image_count(g))
        for (int oy = 0; oy < g->oh; oy++, dy += (ptrdiff_t)g->ow * g->o)
            if (tiled)
                backward_row_tiled(g, oy, dy, w, dx, tile);
            else
                backward_row(g, oy, dy, w, dx);
}

void conv_f32_backward_data(const ConvGeom *g, int images, const float *dy, const float *w, float *dx, void *scratch)
{
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    backward_data_images(&wide, count, dy, w, dx, scratch_align(scratch));
    if (pointwise && rest.w > 0)
        backward_data_images(&rest, 1, dy + count * output_count(&wide, g->o), w, dx + count * image_count(&wide),
                             scratch_align(scratch));
}

static void backward_weights_images(const ConvGeom *g, int images, const ConvInput *input, const float *dy, float *dw,
                                    float *strip)
{
    const Strip s = strip_make(g);
    const int cg = g->c / g->groups, og = g->o / g->groups, run = s.taps_per_run * cg;
    const ptrdiff_t K = (ptrdiff_t)g->kh * g->kw * cg;
    GemmF32 p = {.m = og,
                 .n = run,
                 .rows = 1,
                 .k = g->ow,
                 .am = 1,
                 .arun = (ptrdiff_t)g->ow * g->o,
                 .ak = g->o,
                 .bpanel = F32_PANEL,
                 .bk = (ptrdiff_t)g->sw * g->c,
                 .ldc = K,
                 .accumulate = true};
    for (int n = 0; n < images; n++) {
        const ConvInput x = input_at(input, n * image_count(g));
        for (int oy = 0; oy < g->oh; oy += s.rows) {
            p.runs = g->oh - oy < s.rows ? g->oh - oy : s.rows; /* pixels in order: output rows, then columns */
            const View v = view_block(g, &s, oy, p.runs, &x, strip);
            p.brun = g->sh * v.width * g->c;
            for (int group = 0; group < g->groups; group++)
                for (int i = 0; i < g->kh; i++)
                    for (int j = 0; j < s.runs; j++) {
                        p.a = dy + (ptrdiff_t)oy * g->ow * g->o + group * og;
                        p.b = v.at + (i * g->dh * v.width + j * g->dw) * g->c + group * cg;
                        p.c = dw + group * og * K + (i * g->kw + j * s.taps_per_run) * cg;
                        kernels()->gemm_runs_f32(&p);
                    }
        }
        dy += output_count(g, g->o);
    }
}

void conv_f32_backward_weights(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw, void *scratch)
{
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    backward_weights_images(&wide, count, &x, dy, dw, scratch_align(scratch));
    if (!pointwise || rest.w == 0) return;
    x = input_at(&x, count * image_count(&wide));
    backward_weights_images(&rest, 1, &x, dy + count * output_count(&wide, g->o), dw, scratch_align(scratch));
}
