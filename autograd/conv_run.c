#include "autograd/conv_run.h"

#include <string.h>

#include "autograd/images.h"
#include "autograd/norm.h"
#include "base/align.h"
#include "base/batch_share.h"
#include "base/parallel.h"

static ConvInput image_of(const ConvInput *x, const ConvGeom *g, long image)
{
    return input_at(x, image * (ptrdiff_t)in_image(g));
}

static ConvInput conv_input(const Tensor *x)
{
    ASSERT(x->deferred_norm == NULL);
    if (x->codes == NULL) return (ConvInput){.x = x->x};
    return (ConvInput){.codes = x->codes, .scale = x->qp->scale[0], .zero_point = x->qp->zero_point};
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

ConvRun *conv_run_make(Tape *t, const Tensor *x, const Tensor *w, const ConvGeom *g, bool depthwise)
{
    ConvRun *r = arena_zalloc(t->arena, sizeof *r);
    *r = (ConvRun){.g = *g, .depthwise = depthwise, .x = conv_input(x), .chunks = batch_chunks(g->n)};
    const bool integers = x->codes != NULL && w->codes != NULL;
    if (integers) r->s8 = conv_s8_of(depthwise);
    r->scratch_bytes = align_up((integers ? r->s8->scratch_bytes : conv_scratch_bytes)(g));
    r->scratch = tape_buffer(t, r->scratch_bytes * (size_t)parallel_threads());
    if (integers) {
        float *scale = arena_alloc(t->arena, sizeof(float) * (size_t)g->o);
        for (int o = 0; o < g->o; o++)
            scale[o] = x->qp->scale[0] * w->qp->scale[w->qp->n == 1 ? 0 : o] * (w->sign == NULL ? 1.0f : w->sign[o]);
        r->scale = tile_channels(t->arena, g->o, scale);
        r->scale_period = tile_period(g->o);
        r->packed8 = tape_buffer(t, r->s8->packed_bytes(g));
        r->s8->pack(g, w->codes, r->packed8);
        return r;
    }
    r->w = tensor_values(t, w);
    if (depthwise) return r;
    r->packed = tape_buffer(t, sizeof(float) * conv_f32_packed_count(g));
    conv_f32_pack(g, r->w, r->packed);
    return r;
}

void conv_run_done(Tape *t, ConvRun *r, const Tensor *w)
{
    tape_release(t, r->scratch);
    tape_release(t, r->packed);
    tape_release(t, r->packed8);
    if (r->s8 == NULL) tensor_values_release(t, w, r->w);
    r->scratch = NULL, r->packed = NULL, r->packed8 = NULL, r->w = NULL;
}

void conv_run_images(const ConvRun *r, long first, long images, int thread, float *y)
{
    const ConvGeom *g = &r->g;
    void *scratch = r->scratch + (size_t)thread * r->scratch_bytes;
    const ConvInput x = image_of(&r->x, g, first);
    const int n = (int)images;
    if (r->s8 == NULL) {
        if (r->depthwise)
            kernels()->dwconv_f32_forward(g, n, x, r->w, y);
        else
            conv_f32_forward(g, n, x, r->packed, y, scratch);
        return;
    }
    int32_t *sums = (void *)y; /* same size; turned into floats in place */
    r->s8->sums(g, n, x.codes, x.zero_point, r->packed8, sums, scratch);
    kernels()->scale_channels((size_t)images * out_image(g), r->scale_period, r->scale, y);
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

typedef struct {
    ConvGeom g;
    bool depthwise;
    ConvInput x;
    const float *w;
    ConvGradient dy;
    float *dx, *dw; /* dw: [chunks][weights], partial sums; NULL: not wanted */
    bool fresh;     /* dx holds nothing yet */
    long weights;
    int chunks;
    unsigned char *scratch;
    size_t scratch_bytes, conv_bytes; /* per thread: the kernels' own, then a group of dy */
} Backward;

static void backward_group(void *context, int chunk, int thread, long first, long images)
{
    const Backward *b = context;
    const ConvGeom *g = &b->g;
    unsigned char *scratch = b->scratch + (size_t)thread * b->scratch_bytes;
    const float *dy;
    if (b->dy.dy != NULL) {
        dy = b->dy.dy + (size_t)first * out_image(g);
    } else {
        float *made = (void *)(scratch + b->conv_bytes);
        b->dy.fill(b->dy.context, chunk, first, images, made);
        dy = made;
    }
    const int n = (int)images;
    if (b->dw != NULL) {
        float *dw = b->dw + (size_t)chunk * (size_t)b->weights;
        const ConvInput x = image_of(&b->x, g, first);
        if (b->depthwise)
            kernels()->dwconv_f32_backward_weights(g, n, x, dy, dw);
        else
            conv_f32_backward_weights(g, n, x, dy, dw, scratch);
    }
    if (b->dx == NULL) return;
    float *dx = b->dx + (size_t)first * in_image(g);
    if (b->fresh) memset(dx, 0, sizeof(float) * (size_t)images * in_image(g));
    if (b->depthwise)
        kernels()->dwconv_f32_backward_data(g, n, dy, b->w, dx);
    else
        conv_f32_backward_data(g, n, dy, b->w, dx);
}

static void backward_chunk(void *context, int chunk, int thread)
{
    const Backward *b = context;
    if (b->dw != NULL) memset(b->dw + (size_t)chunk * (size_t)b->weights, 0, sizeof(float) * (size_t)b->weights);
    for_image_groups(b->g.n, sizeof(float) * out_image(&b->g), chunk, thread, backward_group, context);
}

void conv_backward(Tape *t, const ConvGeom *g, bool depthwise, Tensor *x, Tensor *w, const ConvGradient *dy)
{
    Backward b = {.g = *g,
                  .depthwise = depthwise,
                  .x = conv_input(x),
                  .w = tensor_values(t, w),
                  .dy = *dy,
                  .weights = tensor_elements(w),
                  .chunks = batch_chunks(g->n)};
    b.dx = tensor_grad_fresh(t, x, &b.fresh);
    float *dw = tensor_grad(t, w);
    if (dw != NULL) b.dw = tape_buffer(t, sizeof(float) * (size_t)b.weights * (size_t)b.chunks);
    const size_t image = sizeof(float) * out_image(g);
    const size_t group = dy->dy != NULL ? 0 : image * (size_t)image_group_most(g->n, image);
    b.conv_bytes = align_up(conv_scratch_bytes(g));
    b.scratch_bytes = b.conv_bytes + align_up(group);
    b.scratch = tape_buffer(t, b.scratch_bytes * (size_t)parallel_threads());
    parallel_for(b.chunks, backward_chunk, &b);
    if (dw != NULL) {
        batch_sum_f32(b.chunks, (size_t)b.weights, b.dw);
#pragma omp simd
        for (long i = 0; i < b.weights; i++) dw[i] += b.dw[i];
    }
    tape_release(t, b.scratch);
    tape_release(t, b.dw);
    tensor_values_release(t, w, b.w);
}
