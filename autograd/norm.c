#include "autograd/norm.h"

#include <math.h>
#include <string.h>

#include "base/batch_share.h"
#include "base/parallel.h"
#include "base/tree_sum.h"

enum {
    PERIOD_LEAST = 128, /* values of a tiled channel vector */
    LANES = 16,
    BLOCK_VALUES = 4096, /* summed in float; two passes over them meet in the first-level cache */
    BLOCK_LEAST_ROWS = 16
};

size_t tile_period(int c)
{
    const size_t channels = (size_t)c;
    size_t period = channels;
    while (period % LANES != 0) period += channels;
    const size_t repeats = (PERIOD_LEAST + period - 1) / period;
    return period * repeats;
}

float *tile_channels(Arena *arena, int c, const float *values)
{
    const size_t period = tile_period(c);
    float *table = arena_alloc(arena, sizeof(float) * period);
    for (size_t i = 0; i < period; i++) table[i] = values[i % (size_t)c];
    return table;
}

/* ---- sums per channel -------------------------------------------------------------------------------------------- */

ChannelSums channel_sums_make(Arena *arena, int c, int chunks)
{
    ChannelSums s = {.c = c, .chunks = chunks, .period = tile_period(c)};
    const size_t n = (size_t)chunks + (batch_ranks() > 1); /* and what another rank sends */
    s.rows = ARENA_ARRAY(arena, long, n);
    s.sum = ARENA_ARRAY(arena, double, n * 2 * (size_t)c);
    s.scratch = arena_alloc(arena, sizeof(float) * n * 2 * s.period);
    return s;
}

static double *sums_of(const ChannelSums *s, int chunk) { return s->sum + (size_t)chunk * 2 * (size_t)s->c; }

static long block_rows(int c)
{
    const long fit = BLOCK_VALUES / c;
    return fit < BLOCK_LEAST_ROWS ? BLOCK_LEAST_ROWS : fit;
}

/* The repeats of a table summed up: table[0 .. c). */
static void fold_repeats(const ChannelSums *s, float *table)
{
    const size_t c = (size_t)s->c;
    for (size_t at = c; at < s->period; at += c)
#pragma omp simd
        for (size_t i = 0; i < c; i++) table[i] += table[at + i];
}

void channel_moments_add(const ChannelSums *s, int chunk, const float *y, long rows)
{
    const int C = s->c;
    const Kernels *const table = kernels();
    double *restrict mean = sums_of(s, chunk), *restrict m2 = mean + C;
    float *restrict sum = s->scratch + (size_t)chunk * 2 * s->period, *restrict dev = sum + s->period;
    for (long done = 0, n; done < rows; done += n, y += n * C) {
        n = rows - done < block_rows(C) ? rows - done : block_rows(C);
        const size_t values = (size_t)n * (size_t)C;
        memset(sum, 0, sizeof(float) * s->period);
        memset(dev, 0, sizeof(float) * s->period);
        table->channel_sums_f32(values, s->period, y, sum);
        fold_repeats(s, sum);
        for (int c = 0; c < C; c++) sum[c] /= (float)n;
        for (size_t at = (size_t)C; at < s->period; at += (size_t)C) memcpy(sum + at, sum, sizeof(float) * (size_t)C);
        table->channel_deviations(values, s->period, sum, y, dev);
        fold_repeats(s, dev);
        const double before = (double)s->rows[chunk], share = (double)n / (before + (double)n);
        for (int c = 0; c < C; c++) {
            const double d = (double)sum[c] - mean[c];
            mean[c] += d * share;
            m2[c] += (double)dev[c] + d * d * before * share;
        }
        s->rows[chunk] += n;
    }
}

void channel_sums_add(const ChannelSums *s, int chunk, const float *x, long rows)
{
    const int C = s->c;
    double *restrict total = sums_of(s, chunk);
    float *sum = s->scratch + (size_t)chunk * 2 * s->period;
    for (long done = 0, n; done < rows; done += n, x += n * C) {
        n = rows - done < block_rows(C) ? rows - done : block_rows(C);
        memset(sum, 0, sizeof(float) * s->period);
        kernels()->channel_sums_f32((size_t)n * (size_t)C, s->period, x, sum);
        fold_repeats(s, sum);
        for (int c = 0; c < C; c++) total[c] += (double)sum[c];
    }
}

void channel_sums_join(const ChannelSums *s, float *out)
{
    batch_sum_f64(s->chunks, 2 * (size_t)s->c, s->sum);
    for (int c = 0; c < s->c; c++) out[c] += (float)s->sum[c];
}

static void join_moments(void *context, int into, int from)
{
    const ChannelSums *s = context;
    if (s->rows[from] == 0) return;
    const int C = s->c;
    double *restrict mean = sums_of(s, into), *restrict m2 = mean + C;
    const double *restrict part = sums_of(s, from);
    const double before = (double)s->rows[into], n = (double)s->rows[from], share = n / (before + n);
    for (int c = 0; c < C; c++) {
        const double d = part[c] - mean[c];
        mean[c] += d * share;
        m2[c] += part[C + c] + d * d * before * share;
    }
    s->rows[into] += s->rows[from];
}

/* What all ranks that share the batch have, as chunk 0; the room after the chunks is for the other's. */
static void join_ranks(ChannelSums *s)
{
    const int other = s->chunks;
    const size_t bytes = sizeof(double) * 2 * (size_t)s->c;
    for (int step = 1; step < batch_ranks(); step *= 2) {
        batch_exchange(step, &s->rows[0], &s->rows[other], sizeof *s->rows);
        if (batch_exchange(step, sums_of(s, 0), sums_of(s, other), bytes)) {
            join_moments(s, 0, other);
            continue;
        }
        join_moments(s, other, 0);
        s->rows[0] = s->rows[other];
        memcpy(sums_of(s, 0), sums_of(s, other), bytes);
    }
}

void channel_moments(const ChannelSums *s, double *mean, double *var)
{
    ChannelSums all = *s;
    tree_join(s->chunks, join_moments, &all);
    join_ranks(&all);
    for (int c = 0; c < s->c; c++) {
        mean[c] = s->sum[c];
        var[c] = s->sum[s->c + c] / (double)s->rows[0];
    }
}

/* ---- batch norm -------------------------------------------------------------------------------------------------- */

Norm *norm_make(Tape *t, const Tensor *gamma, const Tensor *beta, BatchNormState *state, const ChannelSums *batch,
                long rows)
{
    const int C = gamma->shape.dim[0];
    const size_t n = (size_t)C;
    Norm *norm = arena_zalloc(t->arena, sizeof *norm);
    rows = batch_rows(rows);
    *norm = (Norm){.c = C, .rows = rows, .batch_statistics = batch != NULL};
    double *mean = arena_alloc(t->arena, sizeof(double) * 2 * n), *var = mean + n;
    float *v = arena_alloc(t->arena, sizeof(float) * 4 * n), *shift = v + 2 * n, *mean32 = v + 3 * n;
    norm->scale = v, norm->inv = v + n;
    if (batch != NULL) {
        channel_moments(batch, mean, var);
        const double unbias = rows > 1 ? (double)rows / (double)(rows - 1) : 1.0;
        for (int c = 0; c < C; c++) {
            state->mean[c] += state->momentum * ((float)mean[c] - state->mean[c]);
            state->var[c] += state->momentum * ((float)(var[c] * unbias) - state->var[c]);
        }
    } else {
        for (int c = 0; c < C; c++) mean[c] = (double)state->mean[c], var[c] = (double)state->var[c];
    }
    for (int c = 0; c < C; c++) {
        const double inv = 1.0 / sqrt(var[c] + (double)state->epsilon);
        norm->inv[c] = (float)inv;
        norm->scale[c] = (float)((double)gamma->x[c] * inv);
        shift[c] = (float)((double)beta->x[c] - (double)gamma->x[c] * inv * mean[c]);
        mean32[c] = (float)mean[c];
    }
    norm->pass = (NormTables){.scale = tile_channels(t->arena, C, norm->scale),
                              .shift = tile_channels(t->arena, C, shift),
                              .mean = tile_channels(t->arena, C, mean32),
                              .lo = -INFINITY,
                              .hi = INFINITY};
    return norm;
}

void norm_sums_begin(Tape *t, Norm *n, int chunks)
{
    n->sums = arena_alloc(t->arena, sizeof *n->sums);
    *n->sums = channel_sums_make(t->arena, n->c, chunks);
}

void norm_sums_add(const Norm *norm, int chunk, const float *y, const float *dz, long rows)
{
    const ChannelSums *s = norm->sums;
    const int C = s->c;
    const Kernels *const table = kernels();
    double *restrict total = sums_of(s, chunk), *restrict total_y = total + C;
    float *sum = s->scratch + (size_t)chunk * 2 * s->period, *sum_y = sum + s->period;
    for (long done = 0, n; done < rows; done += n, y += n * C, dz += n * C) {
        n = rows - done < block_rows(C) ? rows - done : block_rows(C);
        memset(sum, 0, sizeof(float) * 2 * s->period);
        table->norm_sums((size_t)n * (size_t)C, s->period, &norm->pass, y, dz, sum, sum_y);
        fold_repeats(s, sum);
        fold_repeats(s, sum_y);
        for (int c = 0; c < C; c++) {
            total[c] += (double)sum[c];
            total_y[c] += (double)sum_y[c];
        }
    }
}

void norm_sums_end(Tape *t, Norm *n, Tensor *gamma, Tensor *beta)
{
    const ChannelSums *s = n->sums;
    const int C = n->c;
    float *dgamma = tensor_grad(t, gamma), *dbeta = tensor_grad(t, beta);
    float *mean_dy = arena_alloc(t->arena, sizeof(float) * 2 * (size_t)C), *slope = mean_dy + C;
    const double per_row = n->batch_statistics ? 1.0 / (double)n->rows : 0.0;
    batch_sum_f64(s->chunks, 2 * (size_t)C, s->sum);
    for (int c = 0; c < C; c++) {
        const double sum = s->sum[c], sum_y = s->sum[C + c];
        const double inv = (double)n->inv[c], sum_xhat = sum_y * inv;
        if (dbeta != NULL) dbeta[c] += (float)sum;
        if (dgamma != NULL) dgamma[c] += (float)sum_xhat;
        mean_dy[c] = (float)(sum * per_row);
        slope[c] = (float)((double)n->scale[c] * inv * sum_xhat * per_row);
    }
    n->pass.mean_dy = tile_channels(t->arena, C, mean_dy);
    n->pass.slope = tile_channels(t->arena, C, slope);
}

void norm_backward(const Norm *n, const float *y, const float *dz, long rows, float *dy)
{
    kernels()->norm_backward((size_t)rows * (size_t)n->c, tile_period(n->c), &n->pass, y, dz, dy);
}
