/* Codes to floats and back, and floats of fewer bits; see format_ops.h. */
#include <math.h>

#include "autograd/ops.h"
#include "base/parallel.h"
#include "quant/format_ops.h"
#include "quant/int_ops.h"
#include "quant/split_weights.h"

/* ---- codes to floats --------------------------------------------------------------------------------------------- */

static void dequantize_backward(Tape *t, TapeNode *node) { tensor_grad_pass(t, node->in[0], node->out); }

static const OpType dequantize_type = {"dequantize", "x[...] -> y[...]", dequantize_backward};

Tensor *op_dequantize(Tape *t, Tensor *x)
{
    if (!tape_contract(t, &dequantize_type, 1, &x)) return NULL;
    Tensor *y = tape_tensor(t, "dequantize", x->shape);
    tensor_dequantize(x, y->x);
    tape_record(t, &dequantize_type, 1, &x, y);
    return y;
}

/* ---- floats to codes --------------------------------------------------------------------------------------------- */

typedef struct {
    Rounding rounding;
    QuantizeGrid grid;
    const float *x;
    int8_t *codes;
} Quantize;

static void quantize_rows(void *context, const ParallelRows *rows)
{
    const Quantize *q = context;
    quantize_reals(q->rounding, (size_t)rows->n, q->x + rows->first, &q->grid, q->codes + rows->first);
}

Tensor *op_quantize(Tape *t, Tensor *x, Quantizer *q, Rounding rounding)
{
    Tensor *y = op_fake_quant(t, x, q, (Activation){.limit = INFINITY}, false);
    if (y == NULL) return NULL;
    const QuantParams *qp = y->qp;
    Quantize r = {rounding, {qp->scale[0], qp->zero_point, qp->qmin, qp->qmax}, x->x, y->codes};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, quantize_rows, &r);
    return y;
}

/* ---- floats of fewer bits ---------------------------------------------------------------------------------------- */

typedef struct {
    Format format;
    const float *x, *dy;
    float *y, *dx;
} Round;

static void round_rows(void *context, const ParallelRows *rows)
{
    const Round *r = context;
    format_round(r->format, (size_t)rows->n, r->x + rows->first, r->y + rows->first);
}

static void gradient_rows(void *context, const ParallelRows *rows)
{
    const Round *r = context;
    const float most = format_largest(r->format);
    for (long i = rows->first; i < rows->last; i++) r->dx[i] += fabsf(r->x[i]) <= most ? r->dy[i] : 0.0f;
}

static void round_backward(Tape *t, TapeNode *node)
{
    Round *r = node->saved;
    r->dy = node->out->dx, r->dx = tensor_grad(t, node->in[0]);
    parallel_rows(tensor_elements(node->out), PARALLEL_CHUNKS, gradient_rows, r);
}

static const OpType round_type = {"round", "x[...] -> y[...]", round_backward};

Tensor *op_round(Tape *t, Tensor *x, Format format)
{
    if (tape_failed(t) || format == FORMAT_FLOAT32) return x;
    if (!tape_contract(t, &round_type, 1, &x)) return NULL;
    Tensor *y = tape_tensor(t, "round", x->shape);
    Round *r = arena_zalloc(t->arena, sizeof *r);
    *r = (Round){.format = format, .x = x->x, .y = y->x};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, round_rows, r);
    TapeNode *node = tape_record(t, &round_type, 1, &x, y);
    if (node != NULL) node->saved = r;
    return y;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

Tensor *op_deployed_weights(Tape *t, Tensor *w, Tensor *bn_scale)
{
    if (tape_failed(t)) return NULL;
    const ChannelView v = channel_view(w->shape, w->qp->axis == 0);
    Tensor *y = op_scale_weights(t, w, bn_scale, v.outermost);
    if (y == NULL) return NULL;
    for (long i = 0; i < v.n; i++) {
        const long c = channel_at(&v, i);
        const long s = weight_scale_at(w->qp, &v, i);
        const float scale = w->qp->scale[s] * fabsf(bn_scale->x[c]);
        y->x[i] = scale * (float)(w->codes[i] - grid_zero(w->qp, s));
    }
    return y;
}
