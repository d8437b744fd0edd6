/* Convolution in integer simulation; see int_ops.h.
 *   forward:  q_y = clamp(z_y + R(sum (q_x - z_x) q_w + q_b))
 *   backward: of y = clip(bn_scale * conv(x, w) + b) with the rounding passed straight through:
 *     g = dy * inside;  db = sum g;  dV = corr(x, g);  dbn_scale = <w, dV>;  dw = bn_scale * dV;
 *     dx = convT(g, bn_scale * w) */
#include "autograd/norm.h"
#include "quant/int_ops.h"
#include "quant/epilogue.h"

#include <string.h>

#include "base/align.h"
#include "base/batch_share.h"
#include "base/parallel.h"

typedef struct {
    ConvGeom g;
    bool depthwise;
    const ConvS8 *s8;
    ConvInt fold;
    RequantRows requant;
    const QuantParams *x, *y;
    const int8_t *x_codes;
    void *packed;
    int8_t *codes;
    Rounding rounding;
    int chunks;
    unsigned char *scratch;
    size_t scratch_bytes; /* per thread: an image of accumulators, then the kernel's own */
    size_t acc_bytes;
    GridBackward grid;
    const int32_t *bias; /* tables of autograd/norm.h: v = factor * (acc + bias) */
    const float *factor;
    size_t period;
    const float *dy; /* backward */
    ChannelSums db;
    const GradientQuant *gradient; /* NULL: none */
} ConvIntNode;

/* In training, from accumulators: where the gradient passes and what the learned step sees. */
static void keep_gates(const ConvIntNode *c, const int32_t *acc, size_t first, size_t count)
{
    float v[EPILOGUE_BLOCK];
    for (size_t at = 0, n; at < count; at += n) {
        n = epilogue_piece((size_t)c->g.o, at, count);
        const size_t channel = at % (size_t)c->g.o;
        kernels()->scale_acc(n, c->period, c->bias + channel, c->factor + channel, acc + at, v);
        grid_mark(&c->grid, (long)(first + at), (long)n, v);
    }
}

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const ConvIntNode *c = context;
    const ConvGeom *g = &c->g;
    int32_t *acc = (int32_t *)(c->scratch + (size_t)rows->thread * c->scratch_bytes);
    void *scratch = (unsigned char *)acc + c->acc_bytes;
    const size_t in = in_image(g), out = out_image(g);
    const int zx = c->x->zero_point;
    if (!grid_kept(&c->grid)) {
        c->s8->codes(g, (int)rows->n, c->x_codes + (size_t)rows->first * in, zx, c->packed, &c->requant,
                     c->codes + (size_t)rows->first * out, scratch);
        return;
    }
    /* Dense layers go through in one call: an image of theirs is a single row. */
    const long at_once = out == (size_t)g->o ? rows->n : 1;
    for (long i = rows->first; i < rows->last; i += at_once) {
        const int8_t *x = c->x_codes + (size_t)i * in;
        c->s8->sums(g, (int)at_once, x, zx, c->packed, acc, scratch);
        kernels()->requantize_rows(&c->requant, (size_t)at_once * out, acc, c->codes + (size_t)i * out);
        keep_gates(c, acc, (size_t)i * out, (size_t)at_once * out);
    }
}

/* to = from * bn_scale[channel], or to +=; bn_scale NULL: 1. */
static void scale_by_channel(const float *from, const float *bn_scale, const Tensor *w, float *to, bool add)
{
    const ChannelView v = channel_view(w->shape, w->qp->axis == 0);
    for (long r = 0; r < v.runs; r++, from += v.run, to += v.run) {
        const float *factor = bn_scale == NULL ? NULL : v.outermost ? bn_scale + r : bn_scale;
        const long step = v.outermost ? 0 : 1;
#pragma omp simd
        for (long i = 0; i < v.run; i++) {
            const float scaled = from[i] * (factor == NULL ? 1.0f : factor[i * step]);
            to[i] = add ? to[i] + scaled : scaled;
        }
    }
}

/* g, and its sums over the channels for the bias. */
static void fill_gated(void *context, int chunk, long first, long images, float *g)
{
    ConvIntNode *c = context;
    const long at = first * (long)out_image(&c->g), n = images * (long)out_image(&c->g);
    grid_gate(&c->grid, chunk, at, n, c->dy + at, g);
    if (c->gradient != NULL) gradient_quantize(c->gradient, first, images, out_image(&c->g), g);
    if (c->db.c > 0) channel_sums_add(&c->db, chunk, g, n / c->g.o);
}

static void conv_int_backward(Tape *t, TapeNode *node)
{
    ConvIntNode *c = node->saved;
    Tensor *x = node->in[0], *w = node->in[1], *bn_scale = node->in[2], *b = node->in[3];
    const long nw = tensor_elements(w);
    float *db = tensor_grad(t, b);
    c->dy = node->out->dx;
    c->db = (ChannelSums){0};
    if (db != NULL) c->db = channel_sums_make(t->arena, c->g.o, c->chunks);
    /* A stand-in for w that carries bn_scale * w forward and collects dV. */
    Tensor scaled = {.shape = w->shape, .needs_grad = true};
    scaled.x = arena_alloc(t->arena, sizeof(float) * (size_t)nw);
    scaled.dx = arena_zalloc(t->arena, sizeof(float) * (size_t)nw);
    scale_by_channel(w->x, bn_scale == NULL ? NULL : bn_scale->x, w, scaled.x, false);
    conv_backward(t, &c->g, c->depthwise, x, &scaled, &(ConvGradient){.fill = fill_gated, .context = c});
    grid_gate_end(&c->grid);
    if (db != NULL) channel_sums_join(&c->db, db);
    float *dw = tensor_grad(t, w), *dbn_scale = tensor_grad(t, bn_scale);
    if (dw != NULL) scale_by_channel(scaled.dx, bn_scale == NULL ? NULL : bn_scale->x, w, dw, true);
    if (dbn_scale == NULL) return;
    const ChannelView v = channel_view(w->shape, w->qp->axis == 0);
    for (long o = 0; o < v.channels; o++) {
        double sum = 0;
        const long first = v.outermost ? o * v.run : o, step = v.outermost ? 1 : v.run;
        for (long k = 0, i = first; k < channel_elements(&v); k++, i += step)
            sum += (double)w->x[i] * (double)scaled.dx[i];
        dbn_scale[o] += (float)sum;
    }
}

static void make_tables(Tape *t, ConvIntNode *c)
{
    const int O = c->g.o;
    c->period = tile_period(O);
    float *factor = arena_alloc(t->arena, sizeof(float) * (size_t)O);
    for (int o = 0; o < O; o++) factor[o] = c->x->scale[0] * c->fold.real_scale[o] / c->y->scale[0];
    c->factor = tile_channels(t->arena, O, factor);
    int32_t *bias = arena_alloc(t->arena, sizeof(int32_t) * c->period);
    for (size_t i = 0; i < c->period; i++) bias[i] = c->fold.bias[i % (size_t)O];
    c->bias = bias;
}

static const OpType conv_int_type = {"conv_int", "x[...] w[...] bn_scale[O]? b[O]? learned[A]? -> y[...]",
                                     conv_int_backward};

Tensor *op_conv_int(Tape *t, Tensor *x, Tensor *w, Tensor *bn_scale, Tensor *b, const ConvIntConfig *config)
{
    Quantizer *q = config->out;
    if (tape_failed(t)) return NULL;
    Tensor *step = learned_leaf(t, q);
    Tensor *in[] = {x, w, bn_scale, b, step};
    if (!tape_contract(t, &conv_int_type, 5, in)) return NULL;
    ASSERT(x->codes != NULL && w->codes != NULL);
    if (!grid_ready(t, q)) return NULL;
    ConvIntNode *c = arena_zalloc(t->arena, sizeof *c);
    Shape shape;
    if (!conv_geom_make(t, config->kind, x, w, config->geom, &c->g, &shape)) return NULL;
    QuantParams *qp = grid_of_step(t, q);
    Tensor *y = tape_codes(t, q->name, shape, qp);
    c->gradient = config->gradient;
    c->depthwise = config->kind == CONV_DEPTHWISE;
    c->x = x->qp, c->y = qp, c->x_codes = x->codes, c->codes = y->codes, c->rounding = config->rounding;
    c->chunks = batch_chunks(c->g.n);
    const Status status = conv_int_fold(t->arena, q->name, x->qp, w, bn_scale == NULL ? NULL : bn_scale->x,
                                        b == NULL ? NULL : b->x, qp, config->act, config->rounding, false, &c->fold);
    if (status != STATUS_OK) return tape_fail(t, status), NULL;
    c->s8 = conv_s8_of(c->depthwise);
    c->packed = tape_buffer(t, c->s8->packed_bytes(&c->g));
    c->s8->pack(&c->g, c->fold.weights, c->packed);
    const int O = c->g.o;
    c->requant = requant_rows_make(c->rounding, O, c->fold.bias, c->fold.multiplier, qp->zero_point, c->fold.lo,
                                   c->fold.hi, arena_alloc(t->arena, requant_rows_bytes(O)));
    const long per_chunk = (c->g.n + c->chunks - 1) / c->chunks;
    const size_t acc_count = out_image(&c->g) * (size_t)(out_image(&c->g) == (size_t)O ? per_chunk : 1);
    c->acc_bytes = align_up(sizeof(int32_t) * acc_count);
    c->scratch_bytes = c->acc_bytes + align_up(c->s8->scratch_bytes(&c->g));
    c->scratch = tape_buffer(t, c->scratch_bytes * (size_t)parallel_threads());
    grid_make(t, &c->grid, q, y, gate_of(qp, config->act));
    make_tables(t, c);
    parallel_rows(c->g.n, c->chunks, forward_chunk, c);
    tape_release(t, c->scratch);
    tape_release(t, c->packed);
    TapeNode *node = tape_record(t, &conv_int_type, 5, in, y);
    grid_keep(t, &c->grid, node);
    if (node != NULL) node->saved = c;
    return y;
}
