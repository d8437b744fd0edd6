/* Batch norm over N,H,W; see ops.h. */
#include "autograd/ops.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"

enum { BLOCK_ROWS = 32 }; /* rows whose mean and squared deviations are taken in float before they join the doubles */

typedef struct {
    const float *x, *dy;
    float *y, *dx;
    long rows;
    int c, chunks;
    float *scale, *shift; /* y = scale * x + shift */
    float *mean, *inv;    /* of this pass: 1 / sqrt(var + epsilon) */
    const float *gamma;
    double *partial; /* [chunks][2][c]: mean and M2, or sum dy and sum dy * xhat */
    float *block;    /* [chunks][2][c]: scratch of a chunk */
    const float *dbeta, *dgamma;
    bool batch_statistics;
} Norm;

/* Mean and sum of squared deviations of a chunk's rows: blocks of rows two-pass in float, joined in double
 * (Chan, Golub, LeVeque 1983). */
static void moments_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Norm *n = context;
    const int C = n->c;
    long first, last;
    parallel_range(n->rows, n->chunks, chunk, &first, &last);
    double *mean = n->partial + (size_t)chunk * 2 * (size_t)C, *m2 = mean + C;
    float *sum = n->block + (size_t)chunk * 2 * (size_t)C, *dev = sum + C;
    memset(mean, 0, sizeof(double) * 2 * (size_t)C);
    for (long r0 = first; r0 < last; r0 += BLOCK_ROWS) {
        const long r1 = r0 + BLOCK_ROWS < last ? r0 + BLOCK_ROWS : last;
        const float count = (float)(r1 - r0);
        memset(sum, 0, sizeof(float) * 2 * (size_t)C);
        for (long r = r0; r < r1; r++) {
            const float *x = n->x + r * C;
#pragma omp simd
            for (int c = 0; c < C; c++) sum[c] += x[c];
        }
        for (int c = 0; c < C; c++) sum[c] /= count;
        for (long r = r0; r < r1; r++) {
            const float *x = n->x + r * C;
#pragma omp simd
            for (int c = 0; c < C; c++) dev[c] += (x[c] - sum[c]) * (x[c] - sum[c]);
        }
        const double before = (double)(r0 - first), both = before + (double)count;
        for (int c = 0; c < C; c++) {
            const double d = (double)sum[c] - mean[c];
            mean[c] += d * (double)count / both;
            m2[c] += (double)dev[c] + d * d * before * (double)count / both;
        }
    }
}

/* Joins the chunks in order; writes mean and biased variance. */
static void moments(const Norm *n, double *mean, double *var)
{
    const int C = n->c;
    for (int c = 0; c < C; c++) {
        double count = 0, m = 0, m2 = 0;
        for (int k = 0; k < n->chunks; k++) {
            long first, last;
            parallel_range(n->rows, n->chunks, k, &first, &last);
            const double nk = (double)(last - first);
            const double *part = n->partial + (size_t)k * 2 * (size_t)C;
            const double d = part[c] - m, both = count + nk;
            m += d * nk / both;
            m2 += part[C + c] + d * d * count * nk / both;
            count = both;
        }
        mean[c] = m;
        var[c] = m2 / count;
    }
}

static void normalize_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Norm *n = context;
    long first, last;
    parallel_range(n->rows, n->chunks, chunk, &first, &last);
    const int C = n->c;
    const float *scale = n->scale, *shift = n->shift;
    for (long r = first; r < last; r++) {
        const float *x = n->x + r * C;
        float *y = n->y + r * C;
#pragma omp simd
        for (int c = 0; c < C; c++) y[c] = scale[c] * x[c] + shift[c];
    }
}

static void backward_sums_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Norm *n = context;
    const int C = n->c;
    long first, last;
    parallel_range(n->rows, n->chunks, chunk, &first, &last);
    double *s0 = n->partial + (size_t)chunk * 2 * (size_t)C; /* sum dy, then sum dy * xhat, like b0 and b1 */
    float *b0 = n->block + (size_t)chunk * 2 * (size_t)C, *b1 = b0 + C;
    const float *mean = n->mean, *inv = n->inv;
    memset(s0, 0, sizeof(double) * 2 * (size_t)C);
    for (long r0 = first; r0 < last; r0 += BLOCK_ROWS) {
        const long r1 = r0 + BLOCK_ROWS < last ? r0 + BLOCK_ROWS : last;
        memset(b0, 0, sizeof(float) * 2 * (size_t)C);
        for (long r = r0; r < r1; r++) {
            const float *x = n->x + r * C, *dy = n->dy + r * C;
#pragma omp simd
            for (int c = 0; c < C; c++) {
                b0[c] += dy[c];
                b1[c] += dy[c] * ((x[c] - mean[c]) * inv[c]);
            }
        }
        for (int c = 0; c < 2 * C; c++) s0[c] += (double)b0[c];
    }
}

/* dx = gamma * inv * (dy - mean(dy) - xhat * mean(dy * xhat)); with running statistics dx = gamma * inv * dy. */
static void backward_data_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Norm *n = context;
    const int C = n->c;
    long first, last;
    parallel_range(n->rows, n->chunks, chunk, &first, &last);
    const float *mean = n->mean, *inv = n->inv, *gamma = n->gamma, *dbeta = n->dbeta, *dgamma = n->dgamma;
    const float per_row = n->batch_statistics ? 1.0f / (float)n->rows : 0.0f;
    for (long r = first; r < last; r++) {
        const float *x = n->x + r * C, *dy = n->dy + r * C;
        float *dx = n->dx + r * C;
#pragma omp simd
        for (int c = 0; c < C; c++) {
            const float xhat = (x[c] - mean[c]) * inv[c];
            dx[c] += gamma[c] * inv[c] * (dy[c] - per_row * (dbeta[c] + xhat * dgamma[c]));
        }
    }
}

static void batchnorm_backward(Tape *t, Node *node)
{
    Norm *n = node->saved;
    const int C = n->c;
    n->dy = node->out->dx;
    parallel_for(n->chunks, backward_sums_chunk, n);
    float *dbeta = arena_alloc(t->arena, sizeof(float) * 2 * (size_t)C), *dgamma = dbeta + C;
    for (int c = 0; c < C; c++) {
        double b = 0, g = 0;
        for (int k = 0; k < n->chunks; k++) {
            b += n->partial[(size_t)k * 2 * (size_t)C + (size_t)c];
            g += n->partial[(size_t)k * 2 * (size_t)C + (size_t)(C + c)];
        }
        dbeta[c] = (float)b;
        dgamma[c] = (float)g;
    }
    float *gamma_grad = tensor_grad(t, node->in[1]), *beta_grad = tensor_grad(t, node->in[2]);
    for (int c = 0; gamma_grad != NULL && c < C; c++) gamma_grad[c] += dgamma[c];
    for (int c = 0; beta_grad != NULL && c < C; c++) beta_grad[c] += dbeta[c];
    n->dbeta = dbeta;
    n->dgamma = dgamma;
    n->dx = tensor_grad(t, node->in[0]);
    if (n->dx != NULL) parallel_for(n->chunks, backward_data_chunk, n);
}

static const OpType batchnorm_type = {"batchnorm", "x[N,H,W,C] gamma[C] beta[C] -> y[N,H,W,C]", batchnorm_backward};

Tensor *op_batchnorm(Tape *t, Tensor *x, Tensor *gamma, Tensor *beta, BatchNormState *state, bool batch_statistics)
{
    Tensor *in[] = {x, gamma, beta};
    if (!tape_contract(t, &batchnorm_type, 3, in)) return NULL;
    const int C = x->shape.dim[3];
    const long rows = tensor_elements(x) / C;
    Norm *n = arena_zalloc(t->arena, sizeof *n);
    *n = (Norm){.x = tensor_values(t, x),
                .rows = rows,
                .c = C,
                .chunks = parallel_chunks(rows),
                .gamma = gamma->x,
                .batch_statistics = batch_statistics};
    const size_t per_chunk = 2 * (size_t)C;
    n->partial = arena_alloc(t->arena, sizeof(double) * per_chunk * (size_t)n->chunks);
    n->block = arena_alloc(t->arena, sizeof(float) * per_chunk * (size_t)n->chunks);
    float *v = arena_alloc(t->arena, sizeof(float) * 4 * (size_t)C);
    n->mean = v, n->inv = v + C, n->scale = v + 2 * C, n->shift = v + 3 * C;
    double *m = arena_alloc(t->arena, sizeof(double) * 2 * (size_t)C), *var = m + C;
    if (batch_statistics) {
        parallel_for(n->chunks, moments_chunk, n);
        moments(n, m, var);
        const double unbias = rows > 1 ? (double)rows / (double)(rows - 1) : 1.0;
        for (int c = 0; c < C; c++) {
            state->mean[c] += state->momentum * ((float)m[c] - state->mean[c]);
            state->var[c] += state->momentum * ((float)(var[c] * unbias) - state->var[c]);
        }
    } else {
        for (int c = 0; c < C; c++) m[c] = (double)state->mean[c], var[c] = (double)state->var[c];
    }
    for (int c = 0; c < C; c++) {
        const double inv = 1.0 / sqrt(var[c] + (double)state->epsilon);
        n->mean[c] = (float)m[c];
        n->inv[c] = (float)inv;
        n->scale[c] = (float)((double)gamma->x[c] * inv);
        n->shift[c] = (float)((double)beta->x[c] - (double)gamma->x[c] * inv * m[c]);
    }
    Tensor *y = tape_tensor(t, "batchnorm", x->shape);
    n->y = y->x;
    parallel_for(n->chunks, normalize_chunk, n);
    Node *node = tape_record(t, &batchnorm_type, 3, in, y);
    if (node != NULL) node->saved = n;
    return y;
}
