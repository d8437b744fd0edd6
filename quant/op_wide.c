/* int16 codes; see wide_ops.h. */
#include <math.h>

#include "autograd/ops.h"
#include "base/batch_share.h"
#include "kernels/requant_s16.h"
#include "quant/wide_ops.h"

typedef struct {
    const QuantParams *qp;
    const float *x, *dy;
    float *y, *dx;
    int16_t *codes;
} Wide;

static void round_rows(void *context, const ParallelRows *rows)
{
    const Wide *w = context;
    const float scale = w->qp->scale[0];
    for (long i = rows->first; i < rows->last; i++) {
        w->codes[i] = (int16_t)quantize_value(w->x[i], scale, 0, w->qp->qmin, w->qp->qmax);
        w->y[i] = scale * (float)w->codes[i];
    }
}

static void gradient_rows(void *context, const ParallelRows *rows)
{
    const Wide *w = context;
    const float scale = w->qp->scale[0], lo = (float)w->qp->qmin, hi = (float)w->qp->qmax;
    for (long i = rows->first; i < rows->last; i++) {
        const float v = w->x[i] / scale;
        w->dx[i] += v >= lo && v <= hi ? w->dy[i] : 0.0f;
    }
}

static void wide_backward(Tape *t, TapeNode *node)
{
    Wide *w = node->saved;
    w->dy = node->out->dx, w->dx = tensor_grad(t, node->in[0]);
    parallel_rows(tensor_elements(node->out), PARALLEL_CHUNKS, gradient_rows, w);
}

static const OpType wide_type = {"wide", "x[...] -> y[...]", wide_backward};

Tensor *op_wide_on(Tape *t, Tensor *x, const QuantParams *grid)
{
    if (!tape_contract(t, &wide_type, 1, &x)) return NULL;
    Tensor *y = tape_wide(t, "wide", x->shape, grid);
    Wide *w = arena_zalloc(t->arena, sizeof *w);
    *w = (Wide){.qp = grid, .x = tensor_values(t, x), .y = y->x, .codes = y->wide};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, round_rows, w);
    TapeNode *node = tape_record(t, &wide_type, 1, &x, y);
    tensor_values_keep(t, node, x, w->x);
    if (node != NULL) node->saved = w;
    return y;
}

Tensor *op_wide(Tape *t, Tensor *x, Quantizer *q, bool learn)
{
    if (tape_failed(t) || !grid_ready(t, q)) return NULL;
    ASSERT(x->x != NULL);
    float min = 0.0f, max = 0.0f;
    Status status = values_extremes(x->x, (size_t)tensor_elements(x), &min, &max);
    for (int step = 1; step < batch_ranks(); step *= 2) {
        const Extremes own = {min, max, status != STATUS_OK};
        Extremes other;
        batch_exchange(step, &own, &other, sizeof own);
        if (other.min < min || (other.min == min && signbit(other.min))) min = other.min;
        if (other.max > max || (other.max == max && !signbit(other.max))) max = other.max;
        if (status == STATUS_OK && other.not_finite)
            status = status_fail(STATUS_NUMERIC, "a value is not finite; finite activations are required");
    }
    if (status != STATUS_OK) {
        tape_fail(t, status_prefix(status, "%s", q->name));
        return NULL;
    }
    Tensor *y = op_wide_on(t, x, grid_of_step(t, q));
    if (y != NULL && learn) quantizer_learn_extremes(t, q, min, max, (Activation){.limit = INFINITY});
    return tape_failed(t) ? NULL : y;
}

static void quantize_rows(void *context, const ParallelRows *rows)
{
    const Wide *w = context;
    quantize_reals_s16((size_t)rows->n, w->x + rows->first, w->qp->scale[0], w->qp->qmin, w->qp->qmax,
                       w->codes + rows->first);
}

Tensor *op_wide_quantize(Tape *t, Tensor *x, Quantizer *q)
{
    Tensor *y = op_wide(t, x, q, false);
    if (y == NULL) return NULL;
    Wide w = {.qp = y->qp, .x = x->x, .codes = y->wide};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, quantize_rows, &w);
    tensor_dequantize(y, y->x);
    return y;
}

/* ---- from int8 codes and back ------------------------------------------------------------------------------------ */

typedef struct {
    const Tensor *x;
    Tensor *y;
    Rounding rounding; /* of the narrowing, and its multiplier */
    Multiplier M;
} Recode;

static void widen_rows(void *context, const ParallelRows *rows)
{
    const Recode *r = context;
    const int8_t *x = r->x->codes;
    const int zero_point = r->x->qp->zero_point;
    int16_t *y = r->y->wide;
    for (long i = rows->first; i < rows->last; i++) y[i] = (int16_t)((x[i] - zero_point) * S16_WIDENED);
}

static void narrow_rows(void *context, const ParallelRows *rows)
{
    const Recode *r = context;
    const QuantParams *qp = r->y->qp;
    for (long i = rows->first; i < rows->last; i++)
        r->y->codes[i] =
            (int8_t)clamp_int(qp->zero_point + rescale_s16(r->rounding, r->x->wide[i], r->M), qp->qmin, qp->qmax);
}

static void pass_backward(Tape *t, TapeNode *node) { tensor_grad_pass(t, node->in[0], node->out); }

static const OpType widen_type = {"widen", "x[...] -> y[...]", pass_backward};

static QuantParams *widened_grid(Tape *t, const QuantParams *x)
{
    QuantParams *qp = arena_alloc(t->arena, sizeof *qp);
    *qp = (QuantParams){.bits = QUANT_WIDE_BITS,
                        .is_signed = true,
                        .qmin = S16_MIN,
                        .qmax = S16_MAX,
                        .axis = -1,
                        .n = 1,
                        .scale = arena_alloc(t->arena, sizeof(float))};
    qp->scale[0] = x->scale[0] / S16_WIDENED;
    return qp;
}

Tensor *op_widen(Tape *t, Tensor *x)
{
    if (!tape_contract(t, &widen_type, 1, &x)) return NULL;
    Tensor *y = tape_wide(t, "widen", x->shape, widened_grid(t, x->qp));
    Recode r = {.x = x, .y = y};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, widen_rows, &r);
    tensor_dequantize(y, y->x);
    tape_record(t, &widen_type, 1, &x, y);
    return y;
}

Tensor *op_narrow(Tape *t, Tensor *x, Quantizer *q, Rounding rounding)
{
    Tensor *y = op_fake_quant(t, x, q, (Activation){.limit = INFINITY}, false);
    if (y == NULL) return NULL;
    Recode r = {x, y, rounding, multiplier_s16((double)x->qp->scale[0] / (double)y->qp->scale[0])};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, narrow_rows, &r);
    return y;
}
