#include "bench/race.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "base/timing.h"
#include "kernels/kernels.h"

static void run_part(void *context, int chunk, int thread)
{
    (void)thread;
    const Race *r = context;
    r->run(r->context, chunk);
}

static void run_as(const Race *r, const char *isa)
{
    const char *error;
    kernels_select(isa, &error);
    if (r->prepare != NULL) r->prepare(r->context);
    memset(r->out, 0, r->out_bytes);
    for (int part = 0; part < r->threads; part++) r->run(r->context, part);
}

bool race_agrees(Arena *arena, const Race *r, const char *isa)
{
    void *want = arena_alloc(arena, r->out_bytes);
    run_as(r, "ref");
    memcpy(want, r->out, r->out_bytes);
    run_as(r, isa);
    if (r->exact) return memcmp(want, r->out, r->out_bytes) == 0;
    const float *a = want, *b = r->out;
    double largest = 1e-30, off = 0;
    for (size_t i = 0; i < r->out_bytes / sizeof *a; i++) {
        largest = fmax(largest, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off < 1e-4 * largest;
}

/* Short work is repeated within a measurement. */
double race_seconds(const Race *r)
{
    enum { REPEATS = 7 };
    static const double LEAST_S = 1e-3;
    double times[REPEATS];
    int inner = 1;
    parallel_set_threads(r->threads);
    for (int i = -2; i < REPEATS; i++) {
        const double start = timing_seconds();
        for (int k = 0; k < inner; k++) parallel_for(r->threads, run_part, (void *)r);
        const double took = (timing_seconds() - start) / inner;
        if (i >= 0)
            times[i] = took;
        else
            inner = took < LEAST_S ? (int)(LEAST_S / fmax(took, 1e-7)) + 1 : 1;
    }
    return timing_median(times, REPEATS);
}

float *random_floats(Arena *arena, size_t n, unsigned seed)
{
    float *x = ARENA_ARRAY(arena, float, n);
    Rng r = rng_make(seed, RNG_TEST, 0);
    for (size_t i = 0; i < n; i++) x[i] = rng_normal(&r);
    return x;
}

signed char *random_codes(Arena *arena, size_t n, unsigned seed)
{
    int8_t *q = ARENA_ARRAY(arena, int8_t, n);
    Rng r = rng_make(seed, RNG_TEST, 1);
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)(rng_below(&r, 255) - 127);
    return q;
}
