/* Float convolutions: forward, backward data, backward weights (kernels/strip.h tells how the work is cut). */
#include "kernels/strip.h"
#include "kernels/window.h"

/* Weight gradients of so few channels that a run of the kernel's row would leave vector lanes empty: the outputs go
 * across the lanes instead, into the transpose of dw. */
static bool outputs_across(const ConvGeom *g)
{
    const Strip s = strip_make(g);
    return s.taps_per_run * (g->c / g->groups) < 16 && g->o / g->groups >= 8;
}

static ptrdiff_t weight_count(const ConvGeom *g) { return (ptrdiff_t)g->o * g->kh * g->kw * (g->c / g->groups); }

size_t conv_scratch_bytes(const ConvGeom *g)
{
    ConvGeom wide = *g, rest;
    int count;
    strip_pointwise(g, 1, &wide, &count, &rest);
    const Strip s = strip_make(&wide);
    const ptrdiff_t strip = s.height * s.width * g->c + 1, across = outputs_across(g) ? weight_count(g) : 0;
    return (size_t)(strip + across) * sizeof(float) + 2 * ALIGN_BYTES;
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
    strip_fill_f32(g, s, first, strip_height(g, rows), x, strip);
    return (View){strip, s->width};
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

static int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

/* dx[iy, ox*sw + ...] += sum over the kernel rows i that meet input row iy in some output row, and over the outputs, of
 * dy * w[i, j]: for each kernel column j, over the ox whose cell is inside. */
static void backward_row(const ConvGeom *g, int iy, const float *dy, const float *w, float *dx)
{
    const int cg = g->c / g->groups, og = g->o / g->groups, divisor = common_divisor(g->sh, g->dh);
    const int step = g->sh / divisor; /* of kernel rows; output rows go the other way */
    const ptrdiff_t K = (ptrdiff_t)g->kh * g->kw * cg, row = (ptrdiff_t)g->ow * g->o;
    int first = 0, taps = 0;
    for (int i = g->kh - 1; i >= 0; i--) {
        const int at = iy + g->pt - i * g->dh;
        if (at >= 0 && at % g->sh == 0 && at / g->sh < g->oh) first = i, taps++;
    }
    if (taps == 0) return;
    GemmF32 p = {.n = cg,
                 .rows = taps,
                 .runs = 1,
                 .k = og,
                 .am = g->o,
                 .arow = -(g->dh / divisor) * row,
                 .ak = 1,
                 .bpanel = F32_PANEL,
                 .brun = (ptrdiff_t)step * g->kw * cg,
                 .bk = K,
                 .ldc = (ptrdiff_t)g->sw * g->c,
                 .accumulate = true};
    dy += (iy + g->pt - first * g->dh) / g->sh * row;
    dx += (ptrdiff_t)iy * g->w * g->c;
    for (int j = 0; j < g->kw; j++) {
        const Taps across = outputs_inside(g, j);
        const ptrdiff_t ix = across.first + across.from * g->sw;
        p.m = across.to - across.from;
        for (int group = 0; group < g->groups && p.m > 0; group++) {
            p.a = dy + (ptrdiff_t)across.from * g->o + group * og;
            p.b = w + group * og * K + (first * g->kw + j) * cg;
            p.c = dx + ix * g->c + group * cg;
            kernels()->gemm_runs_f32(&p);
        }
    }
}

static void backward_data_images(const ConvGeom *g, int images, const float *dy, const float *w, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g), dy += output_count(g, g->o))
        for (int iy = 0; iy < g->h; iy++) backward_row(g, iy, dy, w, dx);
}

void conv_f32_backward_data(const ConvGeom *g, int images, const float *dy, const float *w, float *dx)
{
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    backward_data_images(&wide, count, dy, w, dx);
    if (pointwise && rest.w > 0)
        backward_data_images(&rest, 1, dy + count * output_count(&wide, g->o), w, dx + count * image_count(&wide));
}

/* dw [O,K] to or from its transpose [K,O/groups] of each group. */
static void transpose_weights(const ConvGeom *g, float *dw, float *transposed, bool back)
{
    const int og = g->o / g->groups, K = g->kh * g->kw * (g->c / g->groups);
    for (int group = 0; group < g->groups; group++)
        for (int k = 0; k < K; k++)
            for (int o = 0; o < og; o++, transposed++) {
                float *const at = dw + (ptrdiff_t)(group * og + o) * K + k;
                if (back)
                    *at = *transposed;
                else
                    *transposed = *at;
            }
}

/* The same sums in the same order as below, with rows and columns of the product exchanged. */
static void weights_across(const ConvGeom *g, const Strip *s, const View *v, const float *dy, int rows,
                           float *transposed)
{
    const int cg = g->c / g->groups, og = g->o / g->groups, run = s->taps_per_run * cg;
    GemmF32 p = {.m = run,
                 .n = og,
                 .rows = 1,
                 .runs = rows,
                 .k = g->ow,
                 .am = 1,
                 .arun = g->sh * v->width * g->c,
                 .ak = (ptrdiff_t)g->sw * g->c,
                 .bpanel = F32_PANEL,
                 .brun = (ptrdiff_t)g->ow * g->o,
                 .bk = g->o,
                 .c = transposed,
                 .ldc = og,
                 .accumulate = true};
    for (int group = 0; group < g->groups; group++)
        for (int i = 0; i < g->kh; i++)
            for (int j = 0; j < s->runs; j++, p.c += (ptrdiff_t)run * og) {
                p.a = v->at + (i * g->dh * v->width + j * g->dw) * g->c + group * cg;
                p.b = dy + group * og;
                kernels()->gemm_runs_f32(&p);
            }
}

static void backward_weights_images(const ConvGeom *g, int images, const ConvInput *input, const float *dy, float *dw,
                                    float *strip)
{
    const Strip s = strip_make(g);
    const int cg = g->c / g->groups, og = g->o / g->groups, run = s.taps_per_run * cg;
    const ptrdiff_t K = (ptrdiff_t)g->kh * g->kw * cg;
    float *const transposed = outputs_across(g) ? strip : NULL;
    if (transposed != NULL) {
        transpose_weights(g, dw, transposed, false);
        strip = scratch_align(strip + weight_count(g));
    }
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
            if (transposed != NULL) {
                weights_across(g, &s, &v, dy + (ptrdiff_t)oy * g->ow * g->o, p.runs, transposed);
                continue;
            }
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
    if (transposed != NULL) transpose_weights(g, dw, transposed, true);
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
