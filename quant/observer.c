#include "quant/observer.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"

#define OBSERVER(name) &observer_##name,
const ObserverType *const observer_types[] = {
#include "quant/observers.def"
    NULL,
};
#undef OBSERVER

const ObserverType *observer_type(const char *name)
{
    for (const ObserverType *const *t = observer_types; *t != NULL; t++)
        if (strcmp((*t)->name, name) == 0) return *t;
    return NULL;
}

Observer observer_make(const ObserverType *type, Arena *arena, double momentum)
{
    return (Observer){.type = type, .arena = arena, .momentum = momentum};
}

/* ---- one batch --------------------------------------------------------------------------------------------------- */

/* A float as an integer of the same order: an integer minimum vectorises on every CPU and needs no rule for NaN or -0,
 * both of which have their place in this order (NaN and infinity outside of all finite numbers). */
static int32_t key_of(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits < 0 ? bits ^ 0x7fffffff : bits;
}

static float value_of(int32_t key)
{
    const int32_t bits = key < 0 ? key ^ 0x7fffffff : key;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

typedef struct {
    const float *x;
    int chunks;
    int32_t min[PARALLEL_CHUNKS], max[PARALLEL_CHUNKS]; /* keys */
} ScanJob;

static void scan_chunk(void *context, const ParallelRows *rows)
{
    ScanJob *job = context;
    int32_t min = INT32_MAX, max = INT32_MIN;
    for (long i = rows->first; i < rows->last; i++) {
        const int32_t key = key_of(job->x[i]);
        min = key < min ? key : min;
        max = key > max ? key : max;
    }
    job->min[rows->chunk] = min;
    job->max[rows->chunk] = max;
}

static Status fail_at_first_broken(const float *x, size_t n)
{
    size_t i = 0;
    while (isfinite(x[i])) i++;
    return status_fail(STATUS_NUMERIC, "value %zu of %zu is %g; must be finite", i, n, (double)x[i]);
}

Status values_extremes(const float *x, size_t n, float *min, float *max)
{
    enum { CHUNK_VALUES = 16384 };
    ScanJob job = {.x = x, .chunks = parallel_chunks((long)((n - 1) / CHUNK_VALUES + 1))};
    parallel_rows((long)n, job.chunks, scan_chunk, &job);
    int32_t min_key = job.min[0], max_key = job.max[0];
    for (int c = 1; c < job.chunks; c++) {
        min_key = job.min[c] < min_key ? job.min[c] : min_key;
        max_key = job.max[c] > max_key ? job.max[c] : max_key;
    }
    if (min_key <= key_of(-INFINITY) || max_key >= key_of(INFINITY)) return fail_at_first_broken(x, n);
    *min = value_of(min_key), *max = value_of(max_key);
    return STATUS_OK;
}

Status observer_update(Observer *o, const float *x, size_t n)
{
    if (n == 0) return STATUS_OK;
    float min, max;
    const Status status = values_extremes(x, n, &min, &max);
    if (status != STATUS_OK) return status_prefix(status, "observer %s", o->type->name);
    if (o->type->uses_histogram) histogram_add(&o->hist, o->arena, x, n, fmaxf(fabsf(min), fabsf(max)));
    observer_update_extremes(o, min, max);
    return STATUS_OK;
}

void observer_update_extremes(Observer *o, float min, float max)
{
    if (o->batches == 0) {
        o->min = min;
        o->max = max;
    } else if (o->type->update != NULL) {
        o->type->update(o, min, max);
    } else {
        o->min = fminf(o->min, min);
        o->max = fmaxf(o->max, max);
    }
    o->batches++;
}

/* ---- the range --------------------------------------------------------------------------------------------------- */

Status observer_range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    if (o->batches == 0)
        return status_fail(STATUS_STATE, "observer %s: 0 batches seen; needs 1 before it has a range", o->type->name);
    if (!isfinite(o->min) || !isfinite(o->max))
        return status_fail(STATUS_NUMERIC, "observer %s: saw [%g, %g]; must be finite", o->type->name, (double)o->min,
                           (double)o->max);
    o->type->range(o, goal, lo, hi);
    return STATUS_OK;
}

float observer_max_magnitude(const Observer *o) { return fmaxf(fabsf(o->min), fabsf(o->max)); }

int observer_levels(const ObserverGoal *goal) { return 1 << (goal->is_signed ? goal->bits - 1 : goal->bits); }

void observer_clip(const Observer *o, const ObserverGoal *goal, double threshold, float *lo, float *hi)
{
    const float T = fminf((float)threshold, observer_max_magnitude(o));
    const bool asymmetric = goal->is_signed && !goal->symmetric;
    *lo = !goal->is_signed ? 0.0f : asymmetric ? fminf(fmaxf(o->min, -T), 0.0f) : -T;
    *hi = asymmetric ? fmaxf(fminf(o->max, T), 0.0f) : T;
}

void observer_extremes(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    *lo = goal->is_signed ? fminf(o->min, 0.0f) : 0.0f;
    *hi = fmaxf(o->max, 0.0f);
}
