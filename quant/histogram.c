#include "quant/histogram_costs.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static void histogram_reserve(Histogram *h, Arena *arena, int bins)
{
    if (bins <= h->capacity) return;
    int capacity = h->capacity > 0 ? h->capacity : HISTOGRAM_BINS;
    while (capacity < bins) capacity *= 2;
    uint64_t *count = ARENA_ARRAY(arena, uint64_t, capacity);
    if (h->bins > 0) memcpy(count, h->count, (size_t)h->bins * sizeof *count);
    h->count = count;
    h->partial = ARENA_ARRAY(arena, uint32_t, (size_t)PARALLEL_CHUNKS * (size_t)capacity);
    h->capacity = capacity;
}

static void histogram_double_width(Histogram *h)
{
    const int half = (h->bins + 1) / 2;
    for (int j = 0; j < half; j++) h->count[j] = h->count[2 * j] + (2 * j + 1 < h->bins ? h->count[2 * j + 1] : 0);
    memset(h->count + half, 0, (size_t)(h->bins - half) * sizeof *h->count);
    h->bins = half;
    h->width *= 2.0;
}

/* Bins for every value up to max. */
static void histogram_cover(Histogram *h, Arena *arena, float max)
{
    if (h->bins == 0) {
        histogram_reserve(h, arena, HISTOGRAM_BINS);
        h->bins = 1;
    }
    if (!(max > 0.0f)) return;
    if (h->width == 0.0) {
        h->width = (double)max / HISTOGRAM_BINS;
        h->bins = HISTOGRAM_BINS;
    }
    while ((double)max > h->width * HISTOGRAM_MAX_BINS) histogram_double_width(h);
    if ((double)max > h->width * h->bins) {
        const int bins = (int)fmin(ceil((double)max / h->width), HISTOGRAM_MAX_BINS);
        histogram_reserve(h, arena, bins);
        h->bins = bins;
    }
}

typedef struct {
    const Histogram *h;
    const float *x;
    int chunks;
} CountJob;

static void count_chunk(void *context, const ParallelRows *rows)
{
    const CountJob *job = context;
    const Histogram *h = job->h;
    uint32_t *restrict partial = h->partial + (size_t)rows->chunk * (size_t)h->capacity;
    memset(partial, 0, (size_t)h->bins * sizeof *partial);
    const double per_width = 1.0 / h->width;
    const int last_bin = h->bins - 1;
    for (long i = rows->first; i < rows->last; i++) {
        const int j = (int)((double)fabsf(job->x[i]) * per_width);
        partial[j < last_bin ? j : last_bin]++;
    }
}

void histogram_add(Histogram *h, Arena *arena, const float *x, size_t n, float max)
{
    enum { CHUNK_VALUES = 16384 }; /* a smaller chunk costs more in clearing and merging bins than in counting */
    if (n == 0) return;
    histogram_cover(h, arena, max);
    if (h->width == 0.0) {
        h->count[0] += n;
        return;
    }
    CountJob job = {.h = h, .x = x, .chunks = parallel_chunks((long)((n - 1) / CHUNK_VALUES + 1))};
    parallel_rows((long)n, job.chunks, count_chunk, &job);
    for (int c = 0; c < job.chunks; c++) {
        const uint32_t *restrict partial = h->partial + (size_t)c * (size_t)h->capacity;
        for (int j = 0; j < h->bins; j++) h->count[j] += partial[j];
    }
}

/* ---- searches ---------------------------------------------------------------------------------------------------- */

/* Candidates are last, last - stride, ... >= first. */
static int candidate_stride(const Histogram *h) { return (h->bins + HISTOGRAM_BINS - 1) / HISTOGRAM_BINS; }

static int candidate_first(int first, int last, int stride)
{
    return first >= last ? last : last - (last - first) / stride * stride;
}

double histogram_percentile(const Histogram *h, double percent)
{
    ASSERT(h->width > 0.0);
    uint64_t total = 0, below = 0;
    for (int j = 0; j < h->bins; j++) total += h->count[j];
    const double wanted = percent / 100.0 * (double)total;
    int i = 0;
    for (; i < h->bins - 1; i++) {
        below += h->count[i];
        if ((double)below >= wanted) break;
    }
    return (i > 0 ? i : 1) * h->width;
}

/* Sum of bins [a, b) and how many of them are not empty; bin 0 reads as bin 1. */
typedef struct {
    uint64_t sum;
    uint64_t filled;
} Level;

static Level level_of(const Histogram *h, int a, int b)
{
    Level level = {0};
    if (a == 0) {
        level = (Level){.sum = h->count[1], .filled = h->count[1] != 0};
        a = 1;
    }
    for (int j = a; j < b; j++) {
        level.sum += h->count[j];
        level.filled += h->count[j] != 0;
    }
    return level;
}

static double x_ln_x(uint64_t count) { return count == 0 ? 0.0 : (double)count * log((double)count); }

/* KL(P || Q) for the first i bins, with P and Q the un-normalised sums:
 *   sum P = total, sum Q = inside, and within a level Q is constant, so
 *   total * KL = sum_j P_j ln P_j - sum_levels (sum of P in it) ln Q_level - total (ln total - ln inside).
 * `entropy` is sum_{j<i-1} h_j ln h_j. */
static double kl_divergence(const Histogram *h, int i, int levels, double entropy, uint64_t total, uint64_t inside)
{
    const uint64_t edge = i == 1 ? h->count[1] : h->count[i - 1], beyond = total - inside;
    if (inside == 0 || (edge == 0 && beyond > 0)) return HUGE_VAL; /* Q is 0 where P is not */
    double cross = 0.0;
    int a = 0;
    for (int64_t level = 1; level <= levels; level++) {
        const int b = (int)((level * i + levels - 1) / levels); /* bin j is in level floor(j * levels / i) */
        const Level l = level_of(h, a, b);
        if (a < b && l.filled > 0) {
            const uint64_t p = l.sum + (b == i ? beyond : 0);
            cross += (double)p * log((double)l.sum / (double)l.filled);
        }
        a = b;
    }
    const double all = (double)total;
    return (entropy + x_ln_x(edge + beyond) - cross) / all - log(all) + log((double)inside);
}

static void add_cost(HistogramCosts *costs, double threshold, double cost)
{
    if (costs == NULL) return;
    costs->threshold[costs->n] = threshold;
    costs->cost[costs->n++] = cost;
}

static double search_entropy(const Histogram *h, int levels, HistogramCosts *costs)
{
    ASSERT(h->width > 0.0 && h->bins > 1 && levels > 0);
    const int stride = candidate_stride(h);
    const int start = levels > HISTOGRAM_FIRST_CANDIDATE ? levels : HISTOGRAM_FIRST_CANDIDATE;
    uint64_t total = h->count[1];
    for (int j = 1; j < h->bins; j++) total += h->count[j];

    int best = h->bins, at = 0; /* at: how far `inside` and `entropy` have come */
    double least = HUGE_VAL, entropy = 0.0;
    uint64_t inside = 0;
    for (int i = candidate_first(start, h->bins, stride); i <= h->bins; i += stride) {
        for (; at < i; at++) {
            if (at > 0) entropy += x_ln_x(h->count[at > 1 ? at - 1 : 1]);
            inside += h->count[at > 0 ? at : 1];
        }
        const double kl = kl_divergence(h, i, levels, entropy, total, inside);
        add_cost(costs, i * h->width, kl);
        if (kl <= least + 1e-12) best = i;
        if (kl < least) least = kl;
    }
    return best * h->width;
}

double histogram_entropy(const Histogram *h, int levels) { return search_entropy(h, levels, NULL); }

void histogram_entropy_costs(const Histogram *h, int levels, HistogramCosts *costs)
{
    costs->n = 0;
    (void)search_entropy(h, levels, costs);
}

static double search_mse(const Histogram *h, int levels, HistogramCosts *costs)
{
    ASSERT(h->width > 0.0 && levels > 1);
    const double round_magic = 0x1.8p52; /* v + magic - magic is rne(v) for 0 <= v < 2^51 */
    const int stride = candidate_stride(h), last = h->bins - 1;
    Arena *own = arena_create();
    double *centre = ARENA_ARRAY(own, double, h->bins), *count = ARENA_ARRAY(own, double, h->bins);
    int full = 0; /* bins with values: of a channel's weights most have none */
    for (int j = 0; j < h->bins; j++)
        if (h->count[j] != 0) centre[full] = j + 0.5, count[full++] = (double)h->count[j];
    int best = last;
    double least = HUGE_VAL;
    for (int i = candidate_first(HISTOGRAM_FIRST_CANDIDATE, last, stride); i <= last; i += stride) {
        const double step = (i + 0.5) / (levels - 1), per_step = 1.0 / step, top = levels - 1; /* in bins */
        double error = 0.0;
        for (int j = 0; j < full; j++) {
            const double q = centre[j] * per_step + round_magic - round_magic;
            const double d = centre[j] - step * (q < top ? q : top);
            error += count[j] * d * d;
        }
        add_cost(costs, (i + 0.5) * h->width, error * h->width * h->width);
        if (error < least) {
            least = error;
            best = i;
        }
    }
    arena_destroy(own);
    return (best + 0.5) * h->width;
}

double histogram_mse(const Histogram *h, int levels) { return search_mse(h, levels, NULL); }

void histogram_mse_costs(const Histogram *h, int levels, HistogramCosts *costs)
{
    double values = 0.0;
    costs->n = 0;
    (void)search_mse(h, levels, costs);
    for (int j = 0; j < h->bins; j++) values += (double)h->count[j];
    for (int k = 0; k < costs->n; k++) costs->cost[k] /= values;
}
