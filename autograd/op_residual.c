/* Losses of residuals r = z - target; see ops.h.   mse: dz = 2 r / (N K).   huber: dz = clamp(r, -delta, delta) / (N
 * K).   wing: dz = sign(r) w / (e + |r|) / (N K) where |r| < w, sign(r) / (N K) elsewhere. */
#include "autograd/ops.h"

#include <math.h>

#include "base/batch_share.h"
#include "base/parallel.h"

static void residual_backward(Tape *t, TapeNode *node)
{
    const float *slope = node->saved; /* [N,K] d loss / d z, the mean's 1 / (N K) left out */
    const long n = tensor_elements(node->in[0]);
    const float dloss = node->out->dx[0] / (float)batch_rows(n);
    bool fresh;
    float *dz = tensor_grad_fresh(t, node->in[0], &fresh);
    for (long i = 0; i < n; i++) dz[i] = (fresh ? 0.0f : dz[i]) + dloss * slope[i];
}

static const OpType mse_type = {"mse", "z[N,K] -> loss[A]", residual_backward};
static const OpType huber_type = {"huber", "z[N,K] -> loss[A]", residual_backward};
static const OpType wing_type = {"wing", "z[N,K] -> loss[A]", residual_backward};

typedef struct {
    const float *x, *target;
    float *slope;
    double delta, share;     /* mse, huber */
    double width, curvature; /* wing */
    double sum[PARALLEL_CHUNKS];
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

static void wing_chunk(void *context, const ParallelRows *rows)
{
    Residual *of = context;
    const double w = of->width, e = of->curvature, behind = w - w * log1p(w / e);
    double sum = 0;
    for (long i = rows->first; i < rows->last; i++) {
        const double r = (double)of->x[i] - (double)of->target[i], size = fabs(r);
        const double slope = size == 0 ? 0 : size < w ? w / (e + size) : 1;
        sum += size < w ? w * log1p(size / e) : size - behind;
        of->slope[i] = (float)copysign(slope, r);
    }
    of->sum[rows->chunk] = sum;
}

/* The mean of what `chunk` sums, whose slopes it leaves for the backward. */
static Tensor *residual_loss(Tape *t, const OpType *type, Tensor *z, ParallelRowsFn *chunk, Residual r)
{
    if (!tape_contract(t, type, 1, &z)) return NULL;
    const long n = tensor_elements(z);
    r.x = tensor_values(t, z);
    r.slope = tape_buffer(t, sizeof(float) * (size_t)n);
    parallel_images(z->shape.dim[0], z->shape.dim[1], chunk, &r);
    batch_sum_f64(PARALLEL_CHUNKS, 1, r.sum);
    tensor_values_release(t, z, r.x);
    Tensor *y = tape_tensor(t, "loss", shape_1(1));
    y->x[0] = (float)(r.sum[0] / (double)batch_rows(n));
    TapeNode *node = tape_record(t, type, 1, &z, y);
    if (node != NULL) node->saved = r.slope;
    node_keep(t, node, r.slope);
    return y;
}

Tensor *op_mse(Tape *t, Tensor *z, const float *target)
{
    const Residual r = {.target = target, .delta = (double)INFINITY, .share = 1.0};
    return residual_loss(t, &mse_type, z, residual_chunk, r);
}

Tensor *op_huber(Tape *t, Tensor *z, const float *target, float delta)
{
    const Residual r = {.target = target, .delta = (double)delta, .share = 0.5};
    return residual_loss(t, &huber_type, z, residual_chunk, r);
}

Tensor *op_wing(Tape *t, Tensor *z, const float *target, float width, float curvature)
{
    const Residual r = {.target = target, .width = (double)width, .curvature = (double)curvature};
    return residual_loss(t, &wing_type, z, wing_chunk, r);
}
