/* Softmax cross-entropy with label smoothing; see ops.h.   dz = (softmax(z) - target) / N. */
#include "autograd/ops.h"

#include <math.h>

typedef struct {
    const int32_t *labels;
    const float *probability; /* [N,K] */
    float smoothing;
    const double *weight; /* [K]; NULL: all 1 */
} Softmax;

static double weight_of(const double *weight, int32_t label) { return weight == NULL ? 1.0 : weight[label]; }

static void softmax_backward(Tape *t, TapeNode *node)
{
    const Softmax *s = node->saved;
    const int N = node->in[0]->shape.dim[0], K = node->in[0]->shape.dim[1];
    const float dloss = node->out->dx[0] / (float)N;
    bool fresh;
    float *dz = tensor_grad_fresh(t, node->in[0], &fresh);
    for (int n = 0; n < N; n++) {
        const float dsample = dloss * (float)weight_of(s->weight, s->labels[n]);
        for (int k = 0; k < K; k++) {
            const float target = s->smoothing / (float)K + (k == s->labels[n] ? 1.0f - s->smoothing : 0.0f);
            const float before = fresh ? 0.0f : dz[n * K + k];
            dz[n * K + k] = before + dsample * (s->probability[n * K + k] - target);
        }
    }
}

static const OpType softmax_type = {"softmax_cross_entropy", "z[N,K] -> loss[A]", softmax_backward};

Tensor *op_softmax_cross_entropy(Tape *t, Tensor *z, const int32_t *labels, float smoothing, int *correct)
{
    return op_weighted_cross_entropy(t, z, labels, smoothing, NULL, correct);
}

Tensor *op_weighted_cross_entropy(Tape *t, Tensor *z, const int32_t *labels, float smoothing, const double *weight,
                                  int *correct)
{
    if (!tape_contract(t, &softmax_type, 1, &z)) return NULL;
    const int N = z->shape.dim[0], K = z->shape.dim[1];
    const float *x = tensor_values(t, z);
    float *p = tape_buffer(t, sizeof(float) * (size_t)N * (size_t)K);
    double loss = 0;
    int hits = 0;
    for (int n = 0; n < N; n++) {
        const float *zn = x + (size_t)n * (size_t)K;
        float *pn = p + (size_t)n * (size_t)K;
        int best = 0;
        for (int k = 1; k < K; k++)
            if (zn[k] > zn[best]) best = k;
        hits += best == labels[n];
        double sum = 0, mean_z = 0;
        for (int k = 0; k < K; k++) {
            const double e = exp((double)zn[k] - (double)zn[best]);
            pn[k] = (float)e;
            sum += e;
            mean_z += (double)zn[k] / K;
        }
        const float scale = (float)(1.0 / sum);
        for (int k = 0; k < K; k++) pn[k] *= scale;
        /* sum >= 1: the largest logit's own term is 1.
         * - sum target * log p = log sum exp(z) - (1 - smoothing) * z[label] - smoothing * mean(z) */
        const double one = log(fmax(sum, 1.0)) + (double)zn[best] - (1.0 - (double)smoothing) * (double)zn[labels[n]] -
                           (double)smoothing * mean_z;
        loss += weight_of(weight, labels[n]) * one;
    }
    tensor_values_release(t, z, x);
    if (correct != NULL) *correct = hits;
    Tensor *y = tape_tensor(t, "loss", shape_1(1));
    y->x[0] = (float)(loss / N);
    TapeNode *node = tape_record(t, &softmax_type, 1, &z, y);
    if (node != NULL) {
        Softmax *s = arena_zalloc(t->arena, sizeof *s);
        *s = (Softmax){labels, p, smoothing, weight};
        node->saved = s;
    }
    node_keep(t, node, p);
    return y;
}
