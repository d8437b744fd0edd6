/* How far the distribution of outputs is from that of another network; see ops.h.   dz = T (q - p) / N. */
#include "autograd/ops.h"

#include <math.h>

#include "base/batch_share.h"
#include "base/parallel.h"

static void divergence_backward(Tape *t, TapeNode *node)
{
    const float *slope = node->saved; /* [N,K] d loss / d z, the mean's 1 / N left out */
    const long n = tensor_elements(node->in[0]);
    const float dloss = node->out->dx[0] / (float)batch_rows(node->in[0]->shape.dim[0]);
    bool fresh;
    float *dz = tensor_grad_fresh(t, node->in[0], &fresh);
    for (long i = 0; i < n; i++) dz[i] = (fresh ? 0.0f : dz[i]) + dloss * slope[i];
}

typedef struct {
    int classes;
    double temperature;
    const float *z, *teacher;
    float *slope;
    double sum[PARALLEL_CHUNKS];
} Divergence;

/* z / T less the logarithm of the sum of its exponentials is the logarithm of its softmax: that logarithm of the sum. */
static double log_sum(const float *z, int K, double temperature)
{
    double most = (double)z[0], sum = 0;
    for (int k = 1; k < K; k++) most = fmax(most, (double)z[k]);
    for (int k = 0; k < K; k++) sum += exp(((double)z[k] - most) / temperature);
    return most / temperature + log(fmax(sum, 1.0)); /* the largest one is 1 */
}

static double divergence_of(const Divergence *d, const float *z, const float *teacher, float *slope)
{
    const double T = d->temperature, of_z = log_sum(z, d->classes, T), of_teacher = log_sum(teacher, d->classes, T);
    double sum = 0;
    for (int k = 0; k < d->classes; k++) {
        const double log_q = (double)z[k] / T - of_z, log_p = (double)teacher[k] / T - of_teacher, p = exp(log_p);
        sum += p * (log_p - log_q);
        slope[k] = (float)(T * (exp(log_q) - p));
    }
    return T * T * sum;
}

static void divergence_chunk(void *context, const ParallelRows *rows)
{
    Divergence *d = context;
    for (long n = rows->first; n < rows->last; n++) {
        const size_t at = (size_t)n * (size_t)d->classes;
        d->sum[rows->chunk] += divergence_of(d, d->z + at, d->teacher + at, d->slope + at);
    }
}

static const OpType divergence_type = {"softmax_divergence", "z[N,K] -> loss[A]", divergence_backward};

Tensor *op_softmax_divergence(Tape *t, Tensor *z, const float *teacher, double temperature)
{
    if (!tape_contract(t, &divergence_type, 1, &z)) return NULL;
    const int N = z->shape.dim[0];
    const float *x = tensor_values(t, z);
    float *slope = tape_buffer(t, sizeof(float) * (size_t)tensor_elements(z));
    Divergence d = {.classes = z->shape.dim[1], .temperature = temperature, .z = x, .teacher = teacher, .slope = slope};
    parallel_images(N, 1, divergence_chunk, &d);
    batch_sum_f64(PARALLEL_CHUNKS, 1, d.sum);
    tensor_values_release(t, z, x);
    Tensor *y = tape_tensor(t, "loss", shape_1(1));
    y->x[0] = (float)(d.sum[0] / (double)batch_rows(N));
    TapeNode *node = tape_record(t, &divergence_type, 1, &z, y);
    if (node != NULL) node->saved = slope;
    node_keep(t, node, slope);
    return y;
}
