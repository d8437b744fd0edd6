/* Softmax cross-entropy with label smoothing, factors of classes and mixed targets; see ops.h.
 *     dz = (weight of n) (softmax(z) - target) / N */
#include "autograd/ops.h"

#include <math.h>

#include "base/batch_share.h"
#include "base/parallel.h"

typedef struct {
    CrossEntropy of;
    const float *probability; /* [N,K] */
} Softmax;

/* One or two classes of sample n, and how much each counts: its share times its weight. */
typedef struct {
    int n;
    int32_t label[2];
    double factor[2];
} Classes;

static double weight_of(const double *weight, int32_t label) { return weight == NULL ? 1.0 : weight[label]; }

static Classes classes_of(const CrossEntropy *of, int n)
{
    if (of->other == NULL) return (Classes){1, {of->label[n], 0}, {weight_of(of->weight, of->label[n]), 0.0}};
    const double share = (double)of->share[n];
    return (Classes){
        2,
        {of->label[n], of->other[n]},
        {share * weight_of(of->weight, of->label[n]), (1.0 - share) * weight_of(of->weight, of->other[n])}};
}

/* The one that an answer is compared with. */
static int32_t larger_class(const CrossEntropy *of, int n)
{
    return of->other == NULL || of->share[n] >= 0.5f ? of->label[n] : of->other[n];
}

static void softmax_backward(Tape *t, TapeNode *node)
{
    const Softmax *s = node->saved;
    const int N = node->in[0]->shape.dim[0], K = node->in[0]->shape.dim[1];
    const float dloss = node->out->dx[0] / (float)batch_rows(N), smoothing = s->of.smoothing;
    bool fresh;
    float *dz = tensor_grad_fresh(t, node->in[0], &fresh);
    for (int n = 0; n < N; n++) {
        const Classes c = classes_of(&s->of, n);
        for (int i = 0; i < c.n; i++) {
            const float dsample = dloss * (float)c.factor[i];
            for (int k = 0; k < K; k++) {
                const float target = smoothing / (float)K + (k == c.label[i] ? 1.0f - smoothing : 0.0f);
                const float before = fresh && i == 0 ? 0.0f : dz[n * K + k];
                dz[n * K + k] = before + dsample * (s->probability[n * K + k] - target);
            }
        }
    }
}

typedef struct {
    const CrossEntropy *of;
    int classes;
    const float *x;
    float *probability;
    double loss[PARALLEL_CHUNKS];
    int hits[PARALLEL_CHUNKS];
} Losses;

/* Writes the probabilities of sample n from its logits z[K]: its loss. */
static double sample_loss(const CrossEntropy *of, int n, int K, const float *z, float *p, bool *hit)
{
    int best = 0;
    for (int k = 1; k < K; k++)
        if (z[k] > z[best]) best = k;
    *hit = best == larger_class(of, n);
    double sum = 0, mean_z = 0;
    for (int k = 0; k < K; k++) {
        const double e = exp((double)z[k] - (double)z[best]);
        p[k] = (float)e;
        sum += e;
        mean_z += (double)z[k] / K;
    }
    const float scale = (float)(1.0 / sum);
    for (int k = 0; k < K; k++) p[k] *= scale;
    /* sum >= 1: the largest logit's own term is 1.
     * - sum target * log p = log sum exp(z) - (1 - smoothing) * z[label] - smoothing * mean(z) */
    const Classes c = classes_of(of, n);
    const double smoothing = (double)of->smoothing, all = log(fmax(sum, 1.0)) + (double)z[best];
    double loss = 0;
    for (int i = 0; i < c.n; i++)
        loss += c.factor[i] * (all - (1.0 - smoothing) * (double)z[c.label[i]] - smoothing * mean_z);
    return loss;
}

static void losses_of_chunk(void *context, const ParallelRows *rows)
{
    Losses *l = context;
    const int K = l->classes;
    for (int n = (int)rows->first; n < (int)rows->last; n++) {
        bool hit;
        const size_t at = (size_t)n * (size_t)K;
        l->loss[rows->chunk] += sample_loss(l->of, n, K, l->x + at, l->probability + at, &hit);
        l->hits[rows->chunk] += hit;
    }
}

static const OpType softmax_type = {"softmax_cross_entropy", "z[N,K] -> loss[A]", softmax_backward};

Tensor *op_softmax_cross_entropy(Tape *t, Tensor *z, const int32_t *labels, float smoothing, int *correct)
{
    return op_cross_entropy(t, z, &(CrossEntropy){.label = labels, .smoothing = smoothing}, correct);
}

Tensor *op_cross_entropy(Tape *t, Tensor *z, const CrossEntropy *of, int *correct)
{
    if (!tape_contract(t, &softmax_type, 1, &z)) return NULL;
    const int N = z->shape.dim[0], K = z->shape.dim[1];
    const float *x = tensor_values(t, z);
    float *p = tape_buffer(t, sizeof(float) * (size_t)N * (size_t)K);
    Losses losses = {.of = of, .classes = K, .x = x, .probability = p};
    parallel_images(N, 1, losses_of_chunk, &losses);
    batch_sum_f64(PARALLEL_CHUNKS, 1, losses.loss);
    tensor_values_release(t, z, x);
    int hits = 0, others;
    for (int k = 0; k < PARALLEL_CHUNKS; k++) hits += losses.hits[k];
    for (int step = 1; step < batch_ranks(); step *= 2) {
        batch_exchange(step, &hits, &others, sizeof hits);
        hits += others;
    }
    if (correct != NULL) *correct = hits;
    Tensor *y = tape_tensor(t, "loss", shape_1(1));
    y->x[0] = (float)(losses.loss[0] / (double)batch_rows(N));
    TapeNode *node = tape_record(t, &softmax_type, 1, &z, y);
    if (node != NULL) {
        Softmax *s = arena_zalloc(t->arena, sizeof *s);
        *s = (Softmax){*of, p};
        node->saved = s;
    }
    node_keep(t, node, p);
    return y;
}
