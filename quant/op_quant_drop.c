#include "quant/quant_drop.h"

#include <math.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "base/tree_sum.h"
#include "quant/quantizer.h"

typedef struct {
    QuantDrop drop;
    float scale, lo, hi;
    const float *x, *quantized, *dy;
    float *y, *dx;
    uint8_t *stays; /* one for each value; NULL: none does */
    double sum[PARALLEL_CHUNKS];
} Drop;

/* stays[n]: 1 with the probability.  Four coins to a random number. */
static void toss(const Drop *d, int chunk, long n, uint8_t *stays)
{
    const uint32_t below = (uint32_t)lrint(d->drop.keep * 256.0);
    Rng rng = rng_make(d->drop.seed, RNG_RECONSTRUCT, d->drop.index * PARALLEL_CHUNKS + (uint64_t)chunk);
    for (long i = 0; i < n; i += 4) {
        const uint32_t word = rng_u32(&rng);
        for (long k = 0; k < 4 && i + k < n; k++) stays[i + k] = ((word >> (8 * k)) & 255u) < below;
    }
}

static void forward_rows(void *context, const ParallelRows *rows)
{
    Drop *d = context;
    const float *restrict x = d->x + rows->first, scale = d->scale, lo = d->lo, hi = d->hi;
    float *restrict y = d->y + rows->first;
#pragma omp simd
    for (long i = 0; i < rows->n; i++) {
        float v = x[i] / scale;
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        y[i] = scale * (float)round_small(v);
    }
    if (d->stays == NULL) return;
    uint8_t *restrict stays = d->stays + rows->first;
    toss(d, rows->chunk, rows->n, stays);
#pragma omp simd
    for (long i = 0; i < rows->n; i++) y[i] = stays[i] ? x[i] : y[i];
}

static void backward_rows(void *context, const ParallelRows *rows)
{
    static const uint8_t none[1] = {0};
    Drop *d = context;
    const float *restrict x = d->x + rows->first, *restrict dy = d->dy + rows->first;
    const uint8_t *restrict stays = d->stays == NULL ? none : d->stays + rows->first;
    const long step = d->stays == NULL ? 0 : 1;
    const float scale = d->scale, lo = d->lo, hi = d->hi;
    float *restrict dx = d->dx + rows->first;
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < rows->n; i++) {
        const float v = x[i] / scale;
        const int inside = (v >= lo) & (v <= hi), stay = stays[i * step];
        dx[i] += (stay | inside) ? dy[i] : 0.0f;
        sum += (double)(stay ? 0.0f : dy[i] * lsq_step_gradient(v, lo, hi));
    }
    d->sum[rows->chunk] = sum;
}

static void quant_drop_backward(Tape *t, TapeNode *node)
{
    Drop *d = node->saved;
    const long n = tensor_elements(node->out);
    float *dx = tensor_grad(t, node->in[0]);
    d->dx = dx != NULL ? dx : tape_buffer(t, sizeof(float) * (size_t)n);
    if (dx == NULL) parallel_zero(d->dx, sizeof(float) * (size_t)n);
    d->dy = node->out->dx;
    parallel_rows(n, PARALLEL_CHUNKS, backward_rows, d);
    if (dx == NULL) tape_release(t, d->dx);
    float *dstep = tensor_grad(t, node->in[1]);
    tree_sum_f64(PARALLEL_CHUNKS, 1, d->sum);
    if (dstep != NULL) dstep[0] += (float)d->sum[0];
}

static const OpType quant_drop_type = {"quant_drop", "x[...] step[A] -> y[...]", quant_drop_backward};

Tensor *op_quant_drop(Tape *t, Tensor *x, Tensor *step, const QuantParams *qp, const QuantDrop *drop)
{
    Tensor *in[] = {x, step};
    if (!tape_contract(t, &quant_drop_type, 2, in)) return NULL;
    const long n = tensor_elements(x);
    Tensor *y = tape_tensor(t, "quant_drop", x->shape);
    Drop *d = arena_zalloc(t->arena, sizeof *d);
    *d = (Drop){.drop = *drop,
                .scale = step->x[0],
                .lo = (float)(qp->qmin - qp->zero_point),
                .hi = (float)(qp->qmax - qp->zero_point),
                .x = tensor_values(t, x),
                .y = y->x,
                .stays = drop->keep > 0.0 ? tape_buffer(t, (size_t)n) : NULL};
    parallel_rows(n, PARALLEL_CHUNKS, forward_rows, d);
    TapeNode *node = tape_record(t, &quant_drop_type, 2, in, y);
    tensor_values_keep(t, node, x, d->x);
    if (node != NULL) node->saved = d;
    node_keep(t, node, d->stays);
    return y;
}

static void mix_rows(void *context, const ParallelRows *rows)
{
    enum { BLOCK = 1024 };
    const Drop *d = context;
    uint8_t stays[BLOCK];
    Drop block = *d;
    for (long at = rows->first; at < rows->last; at += BLOCK) {
        const long n = rows->last - at < BLOCK ? rows->last - at : BLOCK;
        block.drop.index = d->drop.index + (uint64_t)(at - rows->first) / BLOCK;
        toss(&block, rows->chunk, n, stays);
        for (long i = 0; i < n; i++) d->y[at + i] = stays[i] ? d->x[at + i] : d->quantized[at + i];
    }
}

void quant_drop_mix(const QuantDrop *drop, const float *real, const float *quantized, float *y, long n)
{
    Drop d = {.drop = *drop, .x = real, .quantized = quantized, .y = y};
    parallel_rows(n, PARALLEL_CHUNKS, mix_rows, &d);
}
