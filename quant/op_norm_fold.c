/* Batch norm with running statistics as a factor and a shift per channel; see int_ops.h. */
#include "quant/int_ops.h"

#include <math.h>

#include "base/parallel.h"

static const float SMALLEST_FACTOR = 1e-8f;

static float inverse_deviation(const BatchNormState *s, int c)
{
    return (float)(1.0 / sqrt((double)s->var[c] + (double)s->epsilon));
}

/* dgamma = du / sqrt(var + epsilon), also where |u| was lifted: gamma must be able to leave 0. */
static void scale_backward(Tape *t, TapeNode *node)
{
    const float *inv = node->saved;
    float *dgamma = tensor_grad(t, node->in[0]);
    for (int c = 0; c < node->out->shape.dim[0]; c++) dgamma[c] += node->out->dx[c] * inv[c];
}

static const OpType scale_type = {"norm_scale", "gamma[C] -> u[C]", scale_backward};

Tensor *op_norm_scale(Tape *t, Tensor *gamma, const BatchNormState *state)
{
    if (!tape_contract(t, &scale_type, 1, &gamma)) return NULL;
    const int C = gamma->shape.dim[0];
    Tensor *u = tape_tensor(t, "norm_scale", gamma->shape);
    float *inv = arena_alloc(t->arena, sizeof(float) * (size_t)C);
    for (int c = 0; c < C; c++) {
        inv[c] = inverse_deviation(state, c);
        u->x[c] = gamma->x[c] * inv[c];
        if (fabsf(u->x[c]) < SMALLEST_FACTOR) u->x[c] = copysignf(SMALLEST_FACTOR, gamma->x[c]);
    }
    TapeNode *node = tape_record(t, &scale_type, 1, &gamma, u);
    if (node != NULL) node->saved = inv;
    return u;
}

/* b = beta - mean * u:  dbeta = db, du = - db * mean. */
static void shift_backward(Tape *t, TapeNode *node)
{
    const float *mean = node->saved, *db = node->out->dx;
    float *du = tensor_grad(t, node->in[0]), *dbeta = tensor_grad(t, node->in[1]);
    for (int c = 0; c < node->out->shape.dim[0]; c++) {
        if (du != NULL) du[c] -= db[c] * mean[c];
        if (dbeta != NULL) dbeta[c] += db[c];
    }
}

static const OpType shift_type = {"norm_shift", "u[C] beta[C] -> b[C]", shift_backward};

Tensor *op_norm_shift(Tape *t, Tensor *u, Tensor *beta, const BatchNormState *state)
{
    Tensor *in[] = {u, beta};
    if (!tape_contract(t, &shift_type, 2, in)) return NULL;
    const int C = beta->shape.dim[0];
    Tensor *b = tape_tensor(t, "norm_shift", beta->shape);
    for (int c = 0; c < C; c++) b->x[c] = beta->x[c] - state->mean[c] * u->x[c];
    TapeNode *node = tape_record(t, &shift_type, 2, in, b);
    if (node != NULL) node->saved = state->mean; /* constant while the running statistics are in use */
    return b;
}

/* y = w * u[channel]:  dw = dy * u, du = sum dy * w. */
static void scale_weights_backward(Tape *t, TapeNode *node)
{
    const Tensor *w = node->in[0], *u = node->in[1];
    const ChannelView *v = node->saved;
    float *dw = tensor_grad(t, node->in[0]), *du = tensor_grad(t, node->in[1]);
    for (long i = 0; i < v->n; i++) {
        const long c = channel_at(v, i);
        if (dw != NULL) dw[i] += node->out->dx[i] * u->x[c];
        if (du != NULL) du[c] += node->out->dx[i] * w->x[i];
    }
}

static const OpType scale_weights_type = {"scale_weights", "w[...] u[C] -> y[...]", scale_weights_backward};

Tensor *op_scale_weights(Tape *t, Tensor *w, Tensor *u, bool outermost)
{
    Tensor *in[] = {w, u};
    if (!tape_contract(t, &scale_weights_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "scale_weights", w->shape);
    ChannelView *v = arena_alloc(t->arena, sizeof *v);
    *v = channel_view(w->shape, outermost);
    for (long i = 0; i < v->n; i++) y->x[i] = w->x[i] * u->x[channel_at(v, i)];
    TapeNode *node = tape_record(t, &scale_weights_type, 2, in, y);
    if (node != NULL) node->saved = v;
    return y;
}

typedef struct {
    const float *from, *u;
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
        for (int c = 0; c < s->c; c++) to[c] = (s->add ? to[c] : 0.0f) + from[c] / s->u[c];
    }
}

/* y = x / u:  dx = dy / u, du = - sum dy * y / u. */
static void unscale_backward(Tape *t, TapeNode *node)
{
    const Tensor *y = node->out, *u = node->in[1];
    const int C = u->shape.dim[0];
    const long rows = tensor_elements(y) / C;
    Unscale s = {.from = y->dx, .u = u->x, .to = tensor_grad(t, node->in[0]), .rows = rows, .c = C, .add = true};
    if (s.to != NULL) parallel_rows(rows, parallel_chunks(rows), unscale_chunk, &s);
    float *du = tensor_grad(t, node->in[1]);
    for (int c = 0; du != NULL && c < C; c++) {
        double sum = 0;
        for (long r = 0; r < rows; r++) sum += (double)y->dx[r * C + c] * (double)y->x[r * C + c];
        du[c] -= (float)(sum / (double)u->x[c]);
    }
}

static const OpType unscale_type = {"unscale", "x[N,H,W,C] u[C] -> y[N,H,W,C]", unscale_backward};

Tensor *op_unscale(Tape *t, Tensor *x, Tensor *u)
{
    Tensor *in[] = {x, u};
    if (!tape_contract(t, &unscale_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "unscale", x->shape);
    const int C = u->shape.dim[0];
    Unscale s = {.from = tensor_values(t, x), .u = u->x, .to = y->x, .rows = tensor_elements(y) / C, .c = C};
    parallel_rows(s.rows, parallel_chunks(s.rows), unscale_chunk, &s);
    tensor_values_release(t, x, s.from);
    tape_record(t, &unscale_type, 2, in, y);
    return y;
}
