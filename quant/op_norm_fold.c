/* Batch norm with running statistics as a factor and a shift per channel; see int_ops.h. */
#include "quant/int_ops.h"

#include <math.h>

#include "base/batch_share.h"
#include "base/parallel.h"

static const float SMALLEST_FACTOR = 1e-8f;

static float inverse_deviation(const BatchNormState *s, int c)
{
    return (float)(1.0 / sqrt((double)s->var[c] + (double)s->epsilon));
}

float norm_scale(const BatchNormState *s, const float *gamma, int c)
{
    const float scale = gamma[c] * inverse_deviation(s, c);
    return fabsf(scale) < SMALLEST_FACTOR ? copysignf(SMALLEST_FACTOR, gamma[c]) : scale;
}

/* dgamma = dbn_scale / sqrt(var + epsilon), also where |bn_scale| was lifted: gamma must be able to leave 0. */
static void scale_backward(Tape *t, TapeNode *node)
{
    const float *inv = node->saved;
    float *dgamma = tensor_grad(t, node->in[0]);
    for (int c = 0; c < node->out->shape.dim[0]; c++) dgamma[c] += node->out->dx[c] * inv[c];
}

static const OpType scale_type = {"norm_scale", "gamma[C] -> bn_scale[C]", scale_backward};

Tensor *op_norm_scale(Tape *t, Tensor *gamma, const BatchNormState *state)
{
    if (!tape_contract(t, &scale_type, 1, &gamma)) return NULL;
    const int C = gamma->shape.dim[0];
    Tensor *bn_scale = tape_tensor(t, "norm_scale", gamma->shape);
    float *inv = arena_alloc(t->arena, sizeof(float) * (size_t)C);
    for (int c = 0; c < C; c++) {
        inv[c] = inverse_deviation(state, c);
        bn_scale->x[c] = norm_scale(state, gamma->x, c);
    }
    TapeNode *node = tape_record(t, &scale_type, 1, &gamma, bn_scale);
    if (node != NULL) node->saved = inv;
    return bn_scale;
}

/* b = beta - mean * bn_scale:  dbeta = db, dbn_scale = - db * mean. */
static void shift_backward(Tape *t, TapeNode *node)
{
    const float *mean = node->saved, *db = node->out->dx;
    float *dbn_scale = tensor_grad(t, node->in[0]), *dbeta = tensor_grad(t, node->in[1]);
    for (int c = 0; c < node->out->shape.dim[0]; c++) {
        if (dbn_scale != NULL) dbn_scale[c] -= db[c] * mean[c];
        if (dbeta != NULL) dbeta[c] += db[c];
    }
}

static const OpType shift_type = {"norm_shift", "bn_scale[C] beta[C] -> b[C]", shift_backward};

Tensor *op_norm_shift(Tape *t, Tensor *bn_scale, Tensor *beta, const BatchNormState *state)
{
    Tensor *in[] = {bn_scale, beta};
    if (!tape_contract(t, &shift_type, 2, in)) return NULL;
    const int C = beta->shape.dim[0];
    Tensor *b = tape_tensor(t, "norm_shift", beta->shape);
    for (int c = 0; c < C; c++) b->x[c] = beta->x[c] - state->mean[c] * bn_scale->x[c];
    TapeNode *node = tape_record(t, &shift_type, 2, in, b);
    if (node != NULL) node->saved = state->mean; /* constant while the running statistics are in use */
    return b;
}

/* y = w * bn_scale[channel]:  dw = dy * bn_scale, dbn_scale = sum dy * w. */
static void scale_weights_backward(Tape *t, TapeNode *node)
{
    const Tensor *w = node->in[0], *bn_scale = node->in[1];
    const ChannelView *v = node->saved;
    float *dw = tensor_grad(t, node->in[0]), *dbn_scale = tensor_grad(t, node->in[1]);
    for (long i = 0; i < v->n; i++) {
        const long c = channel_at(v, i);
        if (dw != NULL) dw[i] += node->out->dx[i] * bn_scale->x[c];
        if (dbn_scale != NULL) dbn_scale[c] += node->out->dx[i] * w->x[i];
    }
}

static const OpType scale_weights_type = {"scale_weights", "w[...] bn_scale[C] -> y[...]", scale_weights_backward};

Tensor *op_scale_weights(Tape *t, Tensor *w, Tensor *bn_scale, bool outermost)
{
    Tensor *in[] = {w, bn_scale};
    if (!tape_contract(t, &scale_weights_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "scale_weights", w->shape);
    ChannelView *v = arena_alloc(t->arena, sizeof *v);
    *v = channel_view(w->shape, outermost);
    for (long i = 0; i < v->n; i++) y->x[i] = w->x[i] * bn_scale->x[channel_at(v, i)];
    TapeNode *node = tape_record(t, &scale_weights_type, 2, in, y);
    if (node != NULL) node->saved = v;
    return y;
}

typedef struct {
    const float *from, *bn_scale;
    float *to;
    long rows;
    int c;
    bool add;
} Unscale;

static void unscale_chunk(void *context, const ParallelRows *rows)
{
    const Unscale *s = context;
    for (long r = rows->first; r < rows->last; r++) {
        const float *from = s->from + r * s->c;
        float *to = s->to + r * s->c;
#pragma omp simd
        for (int c = 0; c < s->c; c++) to[c] = (s->add ? to[c] : 0.0f) + from[c] / s->bn_scale[c];
    }
}

/* y = x / bn_scale:  dx = dy / bn_scale, dbn_scale = - sum dy * y / bn_scale. */
static void unscale_backward(Tape *t, TapeNode *node)
{
    const Tensor *y = node->out, *bn_scale = node->in[1];
    const int C = bn_scale->shape.dim[0];
    const long rows = tensor_elements(y) / C;
    Unscale s = {
        .from = y->dx, .bn_scale = bn_scale->x, .to = tensor_grad(t, node->in[0]), .rows = rows, .c = C, .add = true};
    if (s.to != NULL) parallel_rows(rows, parallel_chunks(rows), unscale_chunk, &s);
    float *dbn_scale = tensor_grad(t, node->in[1]);
    if (dbn_scale == NULL) return;
    const size_t bytes = sizeof(double) * (size_t)C;
    double *sum = arena_zalloc(t->arena, bytes);
    batch_in_turn_begin(sum, bytes);
    for (int c = 0; c < C; c++)
        for (long r = 0; r < rows; r++) sum[c] += (double)y->dx[r * C + c] * (double)y->x[r * C + c];
    batch_in_turn_end(sum, bytes);
    for (int c = 0; c < C; c++) dbn_scale[c] -= (float)(sum[c] / (double)bn_scale->x[c]);
}

static const OpType unscale_type = {"unscale", "x[N,H,W,C] bn_scale[C] -> y[N,H,W,C]", unscale_backward};

Tensor *op_unscale(Tape *t, Tensor *x, Tensor *bn_scale)
{
    Tensor *in[] = {x, bn_scale};
    if (!tape_contract(t, &unscale_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "unscale", x->shape);
    const int C = bn_scale->shape.dim[0];
    Unscale s = {
        .from = tensor_values(t, x), .bn_scale = bn_scale->x, .to = y->x, .rows = tensor_elements(y) / C, .c = C};
    parallel_rows(s.rows, parallel_chunks(s.rows), unscale_chunk, &s);
    tensor_values_release(t, x, s.from);
    tape_record(t, &unscale_type, 2, in, y);
    return y;
}
