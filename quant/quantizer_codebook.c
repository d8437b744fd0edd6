/* Codebooks (Han 2016, 1510.00149) of 2^bits entries for a layer: the means of clusters of its weights (Lloyd's
 * algorithm, from clusters of equal numbers), then trained.  A weight takes the nearest entry; an entry's gradient is
 * the sum of those of its weights, times 1 / sqrt(weights of the layer), and passes on to them as it is.  As int8 codes
 * of one scale s = max |entry| / 127 entries are rounded, which training sees; those of one code are one level, their mean.
 *
 * With a `table` the entries are those integers times a learned scale (scaled_levels). */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "quant/level_set.h"

enum { MOST_BITS = 4, MOST = 1 << MOST_BITS, TOP = 127, ROUNDS = 50 };

typedef struct {
    IntList table;
} CodebookKeys;

const Field quantizer_codebook_fields[] = {
    {"table", FIELD_INTS, offsetof(CodebookKeys, table), .min = -TOP, .max = TOP, .max_count = MOST, .def = "[]",
     .doc = "entries that stay, integers in ascending order, times a learned scale; empty: clusters of the weights, "
            "which are trained"},
    FIELD_END};

/* The level that each entry is, and how many are that level. */
typedef struct {
    int level[MOST], entries[MOST];
} CodebookLevels;

static bool is_table(const Quantizer *q) { return ((const CodebookKeys *)q->keys)->table.n > 0; }

static bool table_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const IntList table = ((const CodebookKeys *)q->keys)->table;
    const int most = 1 << q->qp.bits;
    bool ascending = true, zeros = true;
    for (int i = 0; i < table.n; i++) {
        ascending = ascending && (i == 0 || table.at[i] > table.at[i - 1]);
        zeros = zeros && table.at[i] == 0;
    }
    if (!ascending || zeros || table.n > most) {
        status_fail(STATUS_CONFIG,
                    "codebook.table: %d entries for %d bit%s; must be at most %d, in ascending order, not 0 alone",
                    table.n, q->qp.bits, q->qp.bits == 1 ? "" : "s", most);
        return false;
    }
    level_set_make(q, arena, table.n, table.at);
    return scaled_levels_create(q, params, arena);
}

static bool codebook_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    if (is_table(q)) return table_create(q, params, arena);
    const ParamRule rule = {.lr_factor = 1.0, .least = -FLT_MAX};
    const int entries = 1 << q->qp.bits;
    int level[MOST];
    for (int i = 0; i < entries; i++) level[i] = -TOP + i * (2 * TOP / (entries - 1));
    level[entries - 1] = TOP;
    level_set_make(q, arena, entries, level);
    q->state = ARENA_ARRAY(arena, CodebookLevels, 1);
    for (int i = 0; i < entries; i++)
        if (quantizer_param(q, params, arena, arena_printf(arena, "entry%d", i), 1, rule) == NULL) return false;
    return true;
}

/* ---- clusters ---------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Means of k groups of equal numbers of n sorted values, then of those nearest to each mean, until none moves. */
static void cluster(const float *x, long n, int k, double *mean)
{
    long end[MOST];
    for (int j = 0; j < k; j++) end[j] = n * (j + 1) / k;
    for (int round = 0; round < ROUNDS; round++) {
        for (int j = 0; j < k; j++) {
            const long from = j == 0 ? 0 : end[j - 1];
            double sum = 0.0;
            for (long i = from; i < end[j]; i++) sum += (double)x[i];
            if (end[j] > from) mean[j] = sum / (double)(end[j] - from);
            if (end[j] == from && round == 0) mean[j] = (double)x[from < n ? from : n - 1];
        }
        bool moved = false;
        for (int j = 0; j + 1 < k; j++) {
            long to = j == 0 ? 0 : end[j - 1];
            while (to < n && (double)x[to] <= 0.5 * (mean[j] + mean[j + 1])) to++;
            moved = moved || to != end[j];
            end[j] = to;
        }
        if (!moved) return;
    }
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static void codebook_prepare(Quantizer *q, const WeightView *w)
{
    if (is_table(q)) {
        scaled_levels_prepare(q, w);
        return;
    }
    CodebookLevels *of = q->state;
    int order[MOST] = {0}, level[MOST], levels = 0;
    float largest = 0.0f;
    for (int i = 0; i < q->params; i++) {
        const float entry = q->param[i]->x[0];
        int at = i; /* an insertion sort */
        for (; at > 0 && q->param[order[at - 1]]->x[0] > entry; at--) order[at] = order[at - 1];
        order[at] = i;
        largest = fmaxf(largest, fabsf(entry));
    }
    const float s = largest > 0.0f ? fmaxf(largest / TOP, FLT_MIN) : 1.0f;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = s;
    for (int i = 0; i < q->params; i++) {
        const int code = (int)rintf(q->param[order[i]]->x[0] / s);
        if (levels == 0 || code != level[levels - 1]) of->entries[levels] = 0, level[levels++] = code;
        of->level[order[i]] = levels - 1, of->entries[levels - 1]++;
    }
    level_set_take(q, levels, level);
}

static void codebook_start(Quantizer *q, const QuantizerStart *from)
{
    const WeightView *w = from->weights;
    if (is_table(q)) {
        scaled_levels_start(q, from);
        return;
    }
    if (q->ready) return; /* from here on the entries are the optimizer's */
    Arena *arena = arena_create();
    float *x = arena_alloc(arena, sizeof *x * (size_t)w->by.n);
    double mean[MOST];
    for (long i = 0; i < w->by.n; i++) x[i] = weight_signed(w, i);
    qsort(x, (size_t)w->by.n, sizeof *x, ascending);
    cluster(x, w->by.n, q->params, mean);
    for (int i = 0; i < q->params; i++) q->param[i]->x[0] = (float)mean[i];
    arena_destroy(arena);
    codebook_prepare(q, w);
    q->ready = true;
}

static void codebook_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                              float *dx)
{
    (is_table(q) ? scaled_levels_backward : level_set_pass)(q, run, n, x, dy, dx);
}

static void codebook_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                     const float *dy, double *sum)
{
    if (is_table(q)) {
        scaled_levels_backward_params(q, run, n, x, dy, sum);
        return;
    }
    float v[LEVEL_BLOCK];
    int index[LEVEL_BLOCK];
    for (size_t at = 0; at < n; at += LEVEL_BLOCK) {
        const size_t count = n - at < LEVEL_BLOCK ? n - at : LEVEL_BLOCK;
        level_nearest_block(&q->qp, run->scale, count, x + at, v, index);
        for (size_t i = 0; i < count; i++) sum[index[i]] += (double)dy[at + i];
    }
}

static double codebook_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    if (is_table(q)) return scaled_levels_gradient_scale(q, run, k);
    return 1.0 / sqrt((double)run->count * q->qp.n);
}

static void codebook_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    if (is_table(q)) {
        scaled_levels_finish(q, run, sum);
        return;
    }
    const CodebookLevels *of = q->state;
    for (int k = 0; k < q->params; k++) {
        const int level = of->level[k];
        q->param[k]->dx[0] += (float)(sum[level] / of->entries[level] * codebook_gradient_scale(q, run, k));
    }
}

static double codebook_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                 double x)
{
    if (is_table(q)) return scaled_levels_surrogate(q, run, param, residual, x);
    const CodebookLevels *of = q->state;
    const int level = level_nearest(&q->qp, (float)x / run->scale);
    double mean = 0.0;
    for (int k = 0; k < q->params; k++)
        if (of->level[k] == level) mean += param[k] / of->entries[level];
    return mean + x + (double)run->scale * residual;
}

const QuantizerType quantizer_codebook = {
    .name = "codebook",
    .doc = "weights that are entries of a table of the layer: clusters, then trained, or given; 1 to 4 bits",
    .uses = QUANTIZES_WEIGHTS,
    .learns = true,
    .moves_levels = true,
    .centred = true,
    .least_bits = 1,
    .most_bits = MOST_BITS,
    .fields = quantizer_codebook_fields,
    .config_bytes = sizeof(CodebookKeys),
    .create = codebook_create,
    .start = codebook_start,
    .prepare = codebook_prepare,
    .quantize = scaled_levels_quantize,
    .backward = codebook_backward,
    .backward_params = codebook_backward_params,
    .finish = codebook_finish,
    .surrogate = codebook_surrogate,
    .gradient_scale = codebook_gradient_scale,
};
