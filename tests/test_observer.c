/* Observers over batches: ranges, refusals, threads, memory; how the kinds differ. */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "quant/observer.h"
#include "tests/support/suite.h"

enum { MANY = 300000 };
static float values[MANY];

static void fill_normal(uint64_t stream, size_t n, float size)
{
    Rng r = rng_make(11, RNG_TEST, stream);
    for (size_t i = 0; i < n; i++) values[i] = size * rng_normal(&r);
}

static Observer fresh(const char *name, Arena *arena)
{
    const ObserverType *type = observer_type(name);
    ck_assert_ptr_nonnull(type);
    return observer_make(type, arena, 0.1);
}

static uint64_t total(const Histogram *h)
{
    uint64_t sum = 0;
    for (int j = 0; j < h->bins; j++) sum += h->count[j];
    return sum;
}

START_TEST(observers_are_found_by_their_names)
{
    int histograms = 0;
    for (const ObserverType *const *t = observer_types; *t != NULL; t++) {
        ck_assert_ptr_eq(observer_type((*t)->name), *t);
        ck_assert_ptr_nonnull((*t)->doc);
        histograms += (*t)->uses_histogram;
    }
    ck_assert_int_gt(histograms, 0);
    ck_assert_ptr_null(observer_type("histogram"));
}
END_TEST

START_TEST(zeros_before_the_first_value_are_remembered)
{
    Arena *arena = arena_create();
    const float zeros[100] = {0};
    for (const ObserverType *const *t = observer_types; *t != NULL; t++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            Observer o = observer_make(*t, arena, 0.5);
            const ObserverGoal goal = {.bits = 4, .is_signed = is_signed, .percentile = 99.0};
            float lo = 1.0f, hi = 1.0f;
            ck_assert_int_eq(observer_update(&o, zeros, 100), STATUS_OK);
            ck_assert_int_eq(observer_range(&o, &goal, &lo, &hi), STATUS_OK);
            ck_assert(lo == 0.0f && hi == 0.0f);
            const float ones[2] = {1.0f, 0.5f};
            ck_assert_int_eq(observer_update(&o, ones, 2), STATUS_OK);
            ck_assert_int_eq(observer_range(&o, &goal, &lo, &hi), STATUS_OK);
            ck_assert(lo <= 0.0f && hi > 0.0f && hi <= 1.0f);
            if (!(*t)->uses_histogram) continue;
            ck_assert_uint_eq(o.hist.count[0], 100);
            ck_assert_uint_eq(total(&o.hist), 102);
            ck_assert_double_eq(histogram_percentile(&o.hist, 98.0), o.hist.width); /* 100 of 102 lie in bin 0 */
            ck_assert_double_eq(histogram_percentile(&o.hist, 98.5), 1024 * o.hist.width);
        }
    arena_destroy(arena);
}
END_TEST

START_TEST(threads_change_nothing_and_nothing_allocates)
{
    for (const ObserverType *const *t = observer_types; *t != NULL; t++) {
        Arena *arena = arena_create();
        Observer o[3];
        float range[3][2];
        const ObserverGoal goal = {.bits = 4, .is_signed = true, .percentile = 99.9};
        for (int k = 0; k < 3; k++) {
            parallel_set_threads(1 + 2 * k);
            o[k] = observer_make(*t, arena, 0.1);
            for (int batch = 0; batch < 3; batch++) {
                const size_t used = arena_used_bytes(arena);
                fill_normal((uint64_t)batch, MANY - 1, batch == 0 ? 1.0f : 0.8f);
                ck_assert_int_eq(observer_update(&o[k], values, MANY - 1), STATUS_OK);
                if (batch > 0) ck_assert_uint_eq(arena_used_bytes(arena), used);
            }
            ck_assert_int_eq(observer_range(&o[k], &goal, &range[k][0], &range[k][1]), STATUS_OK);
        }
        for (int k = 1; k < 3; k++) {
            ck_assert(o[k].min == o[0].min && o[k].max == o[0].max && o[k].batches == 3);
            ck_assert_mem_eq(range[k], range[0], sizeof range[0]);
            ck_assert_int_eq(o[k].hist.bins, o[0].hist.bins);
            if (!(*t)->uses_histogram) continue;
            ck_assert_uint_eq(total(&o[k].hist), 3 * (MANY - 1));
            ck_assert_mem_eq(o[k].hist.count, o[0].hist.count, (size_t)o[0].hist.bins * sizeof(uint64_t));
        }
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(values_that_are_no_numbers_are_refused)
{
    Arena *arena = arena_create();
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    for (const ObserverType *const *t = observer_types; *t != NULL; t++)
        for (int k = 0; k < 3; k++) {
            Observer o = observer_make(*t, arena, 0.1);
            const ObserverGoal goal = {.bits = 8, .is_signed = true, .percentile = 99.9};
            float lo, hi;
            ck_assert_int_eq(observer_range(&o, &goal, &lo, &hi), STATUS_STATE);
            fill_normal(3, 1000, 1.0f);
            ck_assert_int_eq(observer_update(&o, values, 1000), STATUS_OK);
            const Observer before = o;
            const uint64_t counted = total(&o.hist);
            values[777] = bad[k];
            ck_assert_int_eq(observer_update(&o, values, 1000), STATUS_NUMERIC);
            ck_assert_ptr_nonnull(strstr(status_message(), "value 777 of 1000"));
            ck_assert_mem_eq(&o, &before, sizeof o);
            ck_assert_uint_eq(total(&o.hist), counted);
            ck_assert_int_eq(observer_update(&o, values, 0), STATUS_OK);
            ck_assert_uint_eq(o.batches, 1);
            observer_update_extremes(&o, -INFINITY, 1.0f);
            ck_assert_int_eq(observer_range(&o, &goal, &lo, &hi), STATUS_NUMERIC);
        }
    arena_destroy(arena);
}
END_TEST

static void expect_range(const Observer *o, bool is_signed, bool symmetric, float lo, float hi)
{
    const ObserverGoal goal = {.bits = 8, .is_signed = is_signed, .symmetric = symmetric, .percentile = 50.0};
    float a, b;
    ck_assert_int_eq(observer_range(o, &goal, &a, &b), STATUS_OK);
    ck_assert_msg(a == lo && b == hi, "%s: [%g, %g], not [%g, %g]", o->type->name, (double)a, (double)b, (double)lo,
                  (double)hi);
}

START_TEST(ranges_have_the_shape_asked_for)
{
    Arena *arena = arena_create();
    const float x[] = {-2.0f, -1.0f, 1.0f, 4.0f}, positive[] = {1.0f, 3.0f};
    Observer o = fresh("max", arena);
    ck_assert_int_eq(observer_update(&o, x, 4), STATUS_OK);
    expect_range(&o, true, true, -4.0f, 4.0f);
    expect_range(&o, true, false, -4.0f, 4.0f);
    expect_range(&o, false, true, 0.0f, 4.0f);
    o = fresh("minmax", arena);
    ck_assert_int_eq(observer_update(&o, x, 4), STATUS_OK);
    expect_range(&o, true, false, -2.0f, 4.0f);
    expect_range(&o, false, false, 0.0f, 4.0f);
    o = fresh("minmax", arena); /* 0 belongs to every range */
    ck_assert_int_eq(observer_update(&o, positive, 2), STATUS_OK);
    expect_range(&o, true, false, 0.0f, 3.0f);

    /* Half of |x| = {1, 1, 2, 4} lies in bin 512 of 2048 over [0, 4]: T = 1, clipped on both sides. */
    o = fresh("percentile", arena);
    ck_assert_int_eq(observer_update(&o, x, 4), STATUS_OK);
    expect_range(&o, true, true, -1.0f, 1.0f);
    expect_range(&o, true, false, -1.0f, 1.0f);
    expect_range(&o, false, true, 0.0f, 1.0f);
    const float lopsided[] = {-0.25f, 2.0f, 2.0f, 4.0f};
    o = fresh("percentile", arena);
    ck_assert_int_eq(observer_update(&o, lopsided, 4), STATUS_OK);
    expect_range(&o, true, false, -0.25f, 2.0f);

    /* Extremes alone: a histogram kind falls back on them, and keeps its threshold once it has one. */
    observer_update_extremes(&o, -3.0f, 5.0f);
    expect_range(&o, true, false, -2.0f, 2.0f);
    o = fresh("mse", arena);
    observer_update_extremes(&o, -3.0f, 5.0f);
    expect_range(&o, true, false, -3.0f, 5.0f);
    arena_destroy(arena);
}
END_TEST

/* One histogram with a heavy tail: each way to choose a threshold gives another. */
START_TEST(a_heavy_tail_tells_the_observers_apart)
{
    enum { DEGREES = 5 };
    Arena *arena = arena_create();
    Rng r = rng_make(5, RNG_TEST, 0);
    for (int i = 0; i < MANY; i++) { /* Student's t with DEGREES degrees of freedom */
        float squares = 0.0f;
        for (int k = 0; k < DEGREES; k++) {
            const float z = rng_normal(&r);
            squares += z * z;
        }
        values[i] = rng_normal(&r) / sqrtf(squares / DEGREES);
    }
    static const int bits[] = {8, 4};
    for (int k = 0; k < 2; k++) {
        enum { MOST = 64 };
        float T[MOST];
        int n = 0;
        for (const ObserverType *const *t = observer_types; *t != NULL; t++) {
            Observer o = observer_make(*t, arena, 0.1);
            ck_assert_int_eq(observer_update(&o, values, MANY), STATUS_OK);
            const ObserverGoal goal = {.bits = bits[k], .is_signed = true, .symmetric = true, .percentile = 99.9};
            float lo, hi;
            ck_assert_int_eq(observer_range(&o, &goal, &lo, &hi), STATUS_OK);
            if (!(*t)->uses_histogram) { /* keeps all of it */
                ck_assert(fmaxf(-lo, hi) == observer_max_magnitude(&o));
                continue;
            }
            ck_assert_msg(lo == -hi && hi > 1.0f && hi < 0.9f * observer_max_magnitude(&o), "%s: %g", (*t)->name,
                          (double)hi);
            ck_assert_int_lt(n, MOST);
            for (int i = 0; i < n; i++) ck_assert(fabsf(hi - T[i]) > 0.01f * T[i]);
            T[n++] = hi;
        }
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(a_moving_average_follows_a_drift)
{
    Observer all = fresh("minmax", NULL), moving = fresh("ema_minmax", NULL);
    double lo = 0.0, hi = 0.0;
    for (int batch = 0; batch < 40; batch++) { /* the range halves every 10 batches */
        const double size = exp2(-batch / 10.0);
        const float x[] = {(float)(-2.0 * size), (float)size};
        ck_assert_int_eq(observer_update(&all, x, 2), STATUS_OK);
        ck_assert_int_eq(observer_update(&moving, x, 2), STATUS_OK);
        lo = batch == 0 ? (double)x[0] : 0.9 * lo + 0.1 * (double)x[0];
        hi = batch == 0 ? (double)x[1] : 0.9 * hi + 0.1 * (double)x[1];
    }
    ck_assert(all.min == -2.0f && all.max == 1.0f);
    ck_assert_double_eq_tol((double)moving.min, lo, 1e-6);
    ck_assert_double_eq_tol((double)moving.max, hi, 1e-6);
    ck_assert(moving.max < 0.5f * all.max);
}
END_TEST

TEST_MAIN("observer", observers_are_found_by_their_names, zeros_before_the_first_value_are_remembered,
          threads_change_nothing_and_nothing_allocates, values_that_are_no_numbers_are_refused,
          ranges_have_the_shape_asked_for, a_heavy_tail_tells_the_observers_apart, a_moving_average_follows_a_drift)
