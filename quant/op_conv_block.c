/* Convolution, batch norm, activation and quantizer in one op; see fused_ops.h. */
#include <math.h>
#include <string.h>

#include "autograd/images.h"
#include "autograd/norm.h"
#include "base/align.h"
#include "quant/fake_quant.h"
#include "quant/fused_ops.h"

typedef struct {
    ConvRun *run;
    Norm *norm;       /* NULL: none */
    ChannelSums sums; /* forward: moments of the batch; backward: the bias' gradient */
    Epilogue *epilogue;
    const GradientQuant *gradient; /* NULL: none */
    const float *scale, *shift;    /* tables, z = scale * conv + shift; NULL: z = conv */
    size_t period;
    float *conv; /* of the whole batch; NULL: a group at a time, in group_conv */
    unsigned char *group_conv;
    size_t group_bytes; /* per thread */
    const float *dy;
} Block;

/* z of the values at .. at + n - 1, a piece (quant/epilogue.h); conv itself when nothing changes it. */
static const float *piece_z(const Block *b, size_t at, size_t n, const float *conv, float *z)
{
    if (b->scale == NULL) return conv;
    const size_t channel = at % (size_t)b->run->g.o;
    kernels()->scale_shift(n, b->period, b->scale + channel, b->shift + channel, conv, z);
    return z;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void finish(const Block *b, int chunk, size_t first, size_t count, const float *conv)
{
    float *y = b->epilogue->y->x;
    float block[EPILOGUE_BLOCK];
    for (size_t at = 0, n; at < count; at += n) {
        n = epilogue_piece((size_t)b->run->g.o, at, count);
        /* cppcheck-suppress legacyUninitvar ; only its address is taken */
        float *z = y != NULL ? y + first + at : block;
        epilogue_values(b->epilogue, chunk, first + at, n, piece_z(b, at, n, conv + at, z));
    }
}

static void convolve_group(void *context, int chunk, int thread, long first, long images)
{
    Block *b = context;
    const ConvGeom *g = &b->run->g;
    const size_t at = (size_t)first * out_image(g);
    float *conv = b->conv != NULL ? b->conv + at : (void *)(b->group_conv + (size_t)thread * b->group_bytes);
    conv_run_images(b->run, first, images, thread, conv);
    if (b->sums.c > 0)
        channel_moments_add(&b->sums, chunk, conv, images * g->oh * g->ow);
    else
        finish(b, chunk, at, (size_t)images * out_image(g), conv);
}

static void finish_chunk(void *context, const ParallelRows *rows)
{
    const Block *b = context;
    const size_t image = out_image(&b->run->g), at = (size_t)rows->first * image;
    finish(b, rows->chunk, at, (size_t)rows->n * image, b->conv + at);
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

static void add_step(const Block *b, int chunk, size_t first, size_t count)
{
    float block[EPILOGUE_BLOCK];
    for (size_t at = 0, n; at < count; at += n) {
        n = epilogue_piece((size_t)b->run->g.o, at, count);
        epilogue_params_add(b->epilogue, chunk, n, piece_z(b, at, n, b->conv + first + at, block), b->dy + first + at);
    }
}

static void sums_group(void *context, int chunk, int thread, long first, long images)
{
    (void)thread;
    const Block *b = context;
    const ConvGeom *g = &b->run->g;
    const size_t at = (size_t)first * out_image(g);
    norm_sums_add(b->norm, chunk, b->conv + at, b->dy + at, images * g->oh * g->ow);
    if (epilogue_learns(b->epilogue)) add_step(b, chunk, at, (size_t)images * out_image(g));
}

static void fill_normalized(void *context, int chunk, long first, long images, float *dy)
{
    (void)chunk;
    const Block *b = context;
    const ConvGeom *g = &b->run->g;
    const size_t at = (size_t)first * out_image(g);
    norm_backward(b->norm, b->conv + at, b->dy + at, images * g->oh * g->ow, dy);
    if (b->gradient != NULL) gradient_quantize(b->gradient, first, images, out_image(g), dy);
}

/* Without norm the gradient of the convolution is the gated one.  Floats are gated by y, which is inside the activation
 * where z is. */
static void fill_gated(void *context, int chunk, long first, long images, float *dy)
{
    Block *b = context;
    const ConvGeom *g = &b->run->g;
    const size_t start = (size_t)first * out_image(g), count = (size_t)images * out_image(g);
    const float *y = b->epilogue->y->x;
    float block[EPILOGUE_BLOCK];
    for (size_t at = 0, n; at < count; at += n) {
        n = epilogue_piece((size_t)b->run->g.o, at, count);
        const float *z = y != NULL ? y + start + at : piece_z(b, at, n, b->conv + start + at, block);
        if (epilogue_learns(b->epilogue)) epilogue_params_add(b->epilogue, chunk, n, z, b->dy + start + at);
        epilogue_gate(b->epilogue, n, z, b->dy + start + at, dy + at);
    }
    if (b->gradient != NULL) gradient_quantize(b->gradient, first, images, out_image(g), dy);
    if (b->sums.c > 0) channel_sums_add(&b->sums, chunk, dy, images * g->oh * g->ow);
}

static void block_backward(Tape *t, TapeNode *node)
{
    Block *b = node->saved;
    const ConvRun *r = b->run;
    b->dy = node->out->dx;
    float *dbias = tensor_grad(t, node->in[2]);
    b->sums = (ChannelSums){0};
    if (dbias != NULL) b->sums = channel_sums_make(t->arena, r->g.o, r->chunks);
    if (b->norm != NULL) {
        b->norm->pass.lo = b->epilogue->lo, b->norm->pass.hi = b->epilogue->hi;
        norm_sums_begin(t, b->norm, r->chunks);
        parallel_image_groups(r->g.n, sizeof(float) * out_image(&r->g), sums_group, b);
        norm_sums_end(t, b->norm, node->in[3], node->in[4]);
    }
    const ConvGradient dy = {.fill = b->norm != NULL ? fill_normalized : fill_gated, .context = b};
    conv_backward(t, &r->g, r->depthwise, node->in[0], node->in[1], &dy);
    if (dbias != NULL) channel_sums_join(&b->sums, dbias);
    if (epilogue_learns(b->epilogue)) epilogue_params_end(b->epilogue);
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

static const OpType types[] = {
    [CONV_FULL] = {"conv2d", "x[N,H,W,C] w[O,K,L,D] b[O]? gamma[O]? beta[O]? learned[A]? -> y[N,P,Q,O]",
                   block_backward},
    [CONV_DEPTHWISE] = {"depthwise_conv2d", "x[N,H,W,C] w[A,K,L,O] b[O]? gamma[O]? beta[O]? learned[B]? -> y[N,P,Q,O]",
                        block_backward},
    [CONV_DENSE] = {"dense", "x[N,I] w[O,I] b[O]? gamma[O]? beta[O]? learned[A]? -> y[N,O]", block_backward},
};

/* Where conv(x, w) goes.  It is kept when the backward pass, or the second forward pass, reads it. */
static void place_conv(Tape *t, Block *b, bool kept)
{
    const size_t image = sizeof(float) * out_image(&b->run->g);
    const bool floats = b->epilogue->q == NULL;
    if (kept) {
        b->conv = tape_buffer(t, image * (size_t)b->run->g.n);
    } else if (floats) {
        b->conv = b->epilogue->y->x;
    } else {
        /* Aligned for each thread, and no line of the cache is two threads'. */
        b->group_bytes = align_up(image * (size_t)image_group_most(b->run->g.n, image));
        b->group_conv = tape_buffer(t, b->group_bytes * (size_t)parallel_threads());
    }
}

/* Where the quantizer has a backward pass of its own: the block in float, and then it. */
static Tensor *composed(Tape *t, Tensor *x, Tensor *w, const ConvBlock *c)
{
    const EpilogueConfig *epilogue = &c->epilogue;
    ConvBlock plain = *c;
    plain.epilogue = (EpilogueConfig){.act = {.limit = INFINITY}};
    plain.defer = false;
    Tensor *z = op_conv_block(t, x, w, &plain);
    return z == NULL ? NULL : op_fake_quant(t, z, epilogue->q, epilogue->act, epilogue->learn);
}

Tensor *op_conv_block(Tape *t, Tensor *x, Tensor *w, const ConvBlock *c)
{
    const EpilogueConfig *epilogue = &c->epilogue;
    if (!epilogue_is_fused(epilogue)) return composed(t, x, w, c);
    if (epilogue->q != NULL && !grid_ready(t, epilogue->q)) return NULL;
    Tensor *in[] = {x, w, c->bias, c->gamma, c->beta, epilogue->q == NULL ? NULL : learned_leaf(t, epilogue->q)};
    const OpType *type = &types[c->kind];
    if (!tape_contract(t, type, 6, in)) return NULL;
    ASSERT(c->norm == NULL || c->bias == NULL);
    ConvGeom g;
    Shape shape;
    if (!conv_geom_make(t, c->kind, x, w, c->geom, &g, &shape)) return NULL;
    Block *b = arena_zalloc(t->arena, sizeof *b);
    b->gradient = c->gradient;
    b->epilogue = epilogue_make(t, type->name, shape, epilogue);
    b->run = conv_run_make(t, x, w, &g, c->kind == CONV_DEPTHWISE);
    b->period = tile_period(g.o);
    const size_t image_bytes = sizeof(float) * out_image(&g);
    const bool two_passes = c->norm != NULL && c->batch_statistics;
    const bool defer = c->defer && two_passes && epilogue->q == NULL && !epilogue->act.relu;
    place_conv(t, b, !defer && (two_passes || (t->grad && (c->norm != NULL || epilogue->q != NULL))));
    if (c->bias != NULL) {
        float *ones = arena_alloc(t->arena, sizeof(float) * (size_t)g.o);
        for (int o = 0; o < g.o; o++) ones[o] = 1.0f;
        b->scale = tile_channels(t->arena, g.o, ones);
        b->shift = tile_channels(t->arena, g.o, c->bias->x);
    }
    if (two_passes) {
        b->sums = channel_sums_make(t->arena, g.o, b->run->chunks);
        parallel_image_groups(g.n, image_bytes, convolve_group, b);
    }
    if (c->norm != NULL) {
        b->norm = norm_make(t, c->gamma, c->beta, c->norm, two_passes ? &b->sums : NULL, (long)g.n * g.oh * g.ow);
        b->scale = b->norm->pass.scale, b->shift = b->norm->pass.shift;
    }
    if (defer) {
        DeferredNorm *deferred_norm = arena_alloc(t->arena, sizeof *deferred_norm);
        *deferred_norm = (DeferredNorm){b->scale, b->shift, b->period};
        b->epilogue->y->deferred_norm = deferred_norm;
    } else if (two_passes) {
        parallel_rows(b->run->g.n, b->run->chunks, finish_chunk, b);
    } else {
        parallel_image_groups(g.n, image_bytes, convolve_group, b);
    }
    conv_run_done(t, b->run, w);
    tape_release(t, b->group_conv);
    TapeNode *node = epilogue_done(t, b->epilogue) ? tape_record(t, type, 6, in, b->epilogue->y) : NULL;
    if (b->conv != b->epilogue->y->x) node_keep(t, node, b->conv);
    if (node != NULL) node->saved = b;
    return tape_failed(t) ? NULL : b->epilogue->y;
}
