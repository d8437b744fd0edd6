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

typedef struct {
    const float *x;
    size_t n;
    int chunks;
    float min[PARALLEL_CHUNKS], max[PARALLEL_CHUNKS];
    uint32_t broken[PARALLEL_CHUNKS]; /* not 0: a value is NaN or infinite */
} ScanJob;

static void scan_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    ScanJob *job = context;
    long first, last;
    parallel_range((long)job->n, job->chunks, chunk, &first, &last);
    const float *restrict x = job->x;
    float min = x[first], max = x[first];
    uint32_t broken = 0;
#pragma omp simd reduction(min : min) reduction(max : max) reduction(| : broken)
    for (long i = first; i < last; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        broken |= (bits & 0x7f800000u) == 0x7f800000u;
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    job->min[chunk] = min;
    job->max[chunk] = max;
    job->broken[chunk] = broken;
}

static Status fail_at_first_broken(const Observer *o, const float *x, size_t n)
{
    size_t i = 0;
    while (i < n && isfinite(x[i])) i++;
    return status_fail(STATUS_NUMERIC, "observer %s: value %zu of %zu is %g; must be finite", o->type->name, i, n,
                       i < n ? (double)x[i] : 0.0);
}

Status observer_update(Observer *o, const float *x, size_t n)
{
    enum { CHUNK_VALUES = 16384 };
    if (n == 0) return STATUS_OK;
    ScanJob job = {.x = x, .n = n, .chunks = parallel_chunks((long)((n - 1) / CHUNK_VALUES + 1))};
    parallel_for(job.chunks, scan_chunk, &job);
    float min = job.min[0], max = job.max[0];
    for (int c = 0; c < job.chunks; c++) {
        if (job.broken[c]) return fail_at_first_broken(o, x, n);
        min = fminf(min, job.min[c]);
        max = fmaxf(max, job.max[c]);
    }
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

float observer_reach(const Observer *o) { return fmaxf(fabsf(o->min), fabsf(o->max)); }

int observer_levels(const ObserverGoal *goal) { return 1 << (goal->is_signed ? goal->bits - 1 : goal->bits); }

void observer_clip(const Observer *o, const ObserverGoal *goal, double threshold, float *lo, float *hi)
{
    const float T = fminf((float)threshold, observer_reach(o));
    const bool affine = goal->is_signed && !goal->symmetric;
    *lo = !goal->is_signed ? 0.0f : affine ? fminf(fmaxf(o->min, -T), 0.0f) : -T;
    *hi = affine ? fmaxf(fminf(o->max, T), 0.0f) : T;
}

void observer_extremes(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    *lo = goal->is_signed ? fminf(o->min, 0.0f) : 0.0f;
    *hi = fmaxf(o->max, 0.0f);
}
