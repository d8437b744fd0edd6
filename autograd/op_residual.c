/* Losses of residuals r = z - target; see ops.h.   mse: dz = 2 r / (N K).   huber: dz = clamp(r, -delta, delta) / (N
 * K). */
#include "autograd/ops.h"

#include <math.h>

#include "base/parallel.h"
#include "base/tree_sum.h"

static void residual_backward(Tape *t, TapeNode *node)
{
    const float *slope = node->saved; /* [N,K] d loss / d z, the mean's 1 / (N K) left out */
    const long n = tensor_elements(node->in[0]);
    const float dloss = node->out->dx[0] / (float)n;
    bool fresh;
    float *dz = tensor_grad_fresh(t, node->in[0], &fresh);
    for (long i = 0; i < n; i++) dz[i] = (fresh ? 0.0f : dz[i]) + dloss * slope[i];
}

static const OpType mse_type = {"mse", "z[N,K] -> loss[A]", residual_backward};
static const OpType huber_type = {"huber", "z[N,K] -> loss[A]", residual_backward};

typedef struct {
    const float *x, *target;
    float *slope;
    double delta, share, sum[PARALLEL_CHUNKS];
} Residual;

static void residual_chunk(void *context, const ParallelRows *rows)
{
    Residual *of = context;
    double sum = 0;
    for (long i = rows->first; i < rows->last; i++) {
        const double r = (double)of->x[i] - (double)of->target[i], inside = fmax(fmin(r, of->delta), -of->delta);
        sum += of->share * inside * (2 * r - inside); /* r^2; outside delta (2 |r| - delta) */
        of->slope[i] = (float)(2 * of->share * inside);
    }
    of->sum[rows->chunk] = sum;
}

/* The mean of f(r), f = r^2 within delta of 0 and the line that goes on from there outside, times `share`. */
static Tensor *residual_loss(Tape *t, const OpType *type, Tensor *z, const float *target, double delta, double share)
{
    if (!tape_contract(t, type, 1, &z)) return NULL;
    const long n = tensor_elements(z);
    const float *x = tensor_values(t, z);
    float *slope = tape_buffer(t, sizeof(float) * (size_t)n);
    Residual r = {.x = x, .target = target, .slope = slope, .delta = delta, .share = share};
    parallel_images(z->shape.dim[0], z->shape.dim[1], residual_chunk, &r);
    tree_sum_f64(PARALLEL_CHUNKS, 1, r.sum);
    tensor_values_release(t, z, x);
    Tensor *y = tape_tensor(t, "loss", shape_1(1));
    y->x[0] = (float)(r.sum[0] / (double)n);
    TapeNode *node = tape_record(t, type, 1, &z, y);
    if (node != NULL) node->saved = slope;
    node_keep(t, node, slope);
    return y;
}

Tensor *op_mse(Tape *t, Tensor *z, const float *target)
{
    return residual_loss(t, &mse_type, z, target, (double)INFINITY, 1.0);
}

Tensor *op_huber(Tape *t, Tensor *z, const float *target, float delta)
{
    return residual_loss(t, &huber_type, z, target, (double)delta, 0.5);
}
