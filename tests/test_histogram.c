/* The growing histogram, and the threshold searches with their golden vectors. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "quant/histogram_costs.h"
#include "tests/support/suite.h"

/* Where it costs least, the last such place within 1e-12. */
static double cheapest(const HistogramCosts *costs)
{
    double least = HUGE_VAL;
    int at = -1;
    for (int i = 0; i < costs->n; i++) {
        ck_assert(i == 0 || costs->threshold[i] > costs->threshold[i - 1]);
        if (costs->cost[i] <= least + 1e-12) at = i;
        least = fmin(least, costs->cost[i]);
    }
    ck_assert_int_ge(at, 0);
    return costs->threshold[at];
}

static uint64_t total(const Histogram *h)
{
    uint64_t sum = 0;
    for (int j = 0; j < h->bins; j++) sum += h->count[j];
    return sum;
}

/* ---- searches --------------------------------------------------------------------------------------------------- */

/* A: exponential; B: half a normal with five values far out. */
START_TEST(searches_give_the_published_bins)
{
    static uint64_t a[HISTOGRAM_BINS], b[HISTOGRAM_BINS];
    for (int j = 0; j < HISTOGRAM_BINS; j++) {
        a[j] = (uint64_t)floor(1e6 * exp(-j / 150.0));
        b[j] = (uint64_t)floor(1e6 * exp(-(j / 200.0) * (j / 200.0) / 2));
    }
    b[HISTOGRAM_BINS - 1] += 5;
    const double width = 0.25;
    static const struct {
        int levels[3], kl[2][3], mse[2][3];
    } want = {{128, 256, 8}, {{1664, 1831, 928}, {953, 1009, 697}}, {{1460, 1625, 723}, {762, 841, 494}}};
    static const double percent[3] = {99.9, 99.99, 99.999};
    static const int percentile[2][3] = {{1035, 1376, 1695}, {658, 778, 881}};
    for (int k = 0; k < 2; k++) {
        const Histogram h = {.bins = HISTOGRAM_BINS, .width = width, .count = k == 0 ? a : b};
        for (int i = 0; i < 3; i++) {
            ck_assert_double_eq(histogram_entropy(&h, want.levels[i]), want.kl[k][i] * width);
            ck_assert_double_eq(histogram_mse(&h, want.levels[i]), (want.mse[k][i] + 0.5) * width);
            ck_assert_double_eq(histogram_percentile(&h, percent[i]), percentile[k][i] * width);
            static double threshold[HISTOGRAM_BINS + 1], cost[HISTOGRAM_BINS + 1];
            HistogramCosts costs = {0, threshold, cost};
            histogram_entropy_costs(&h, want.levels[i], &costs);
            ck_assert_double_eq(cheapest(&costs), want.kl[k][i] * width);
            histogram_mse_costs(&h, want.levels[i], &costs);
            ck_assert_double_eq(cheapest(&costs), (want.mse[k][i] + 0.5) * width);
        }
    }
}
END_TEST

/* The procedure step by step: P, Q, normalise, sum P ln(P / Q). */
static double kl_by_definition(const uint64_t *counts, int bins, int i, int levels)
{
    double p[1024], q[1024], sum[1024] = {0}, filled[1024] = {0}, sp = 0, sq = 0, kl = 0;
    for (int j = 0; j < i; j++) {
        const double c = (double)counts[j == 0 ? 1 : j];
        const int level = (int)((long)j * levels / i);
        p[j] = c;
        sum[level] += c;
        filled[level] += c > 0;
    }
    for (int j = i; j < bins; j++) p[i - 1] += (double)counts[j];
    for (int j = 0; j < i; j++) {
        const int level = (int)((long)j * levels / i);
        q[j] = counts[j == 0 ? 1 : j] > 0 ? sum[level] / filled[level] : 0.0;
        sp += p[j];
        sq += q[j];
    }
    for (int j = 0; j < i; j++)
        if (p[j] > 0) kl += q[j] > 0 ? p[j] / sp * log((p[j] / sp) / (q[j] / sq)) : HUGE_VAL;
    return kl;
}

static double mse_by_definition(const uint64_t *counts, int bins, int i, int levels)
{
    const double T = i + 0.5;
    double error = 0;
    for (int j = 0; j < bins; j++) {
        const double c = j + 0.5, q = fmin(rint(c * (levels - 1) / T), levels - 1) * T / (levels - 1);
        error += (double)counts[j] * (c - q) * (c - q);
    }
    return error;
}

START_TEST(searches_equal_their_definitions)
{
    enum { BINS = 700 };
    Rng r = rng_make(1, RNG_TEST, 0);
    for (int trial = 0; trial < 8; trial++) {
        uint64_t counts[BINS];
        const uint32_t sparse = 1 + (uint32_t)trial % 4;
        const double decay = 40.0 + 200.0 * (double)rng_uniform(&r);
        for (int j = 0; j < BINS; j++)
            counts[j] = rng_below(&r, sparse) ? 0 : (uint64_t)((double)rng_below(&r, 100000) * exp(-j / decay));
        counts[BINS - 1] = 1;
        const Histogram h = {.bins = BINS, .width = 1.0, .count = counts};
        static const int levels[] = {2, 4, 8, 16, 128, 256};
        for (int k = 0; k < 6; k++) {
            const int start = levels[k] > 128 ? levels[k] : 128;
            int kl = BINS, mse = BINS - 1;
            double least_kl = HUGE_VAL, least_mse = HUGE_VAL;
            for (int i = start; i <= BINS; i++) {
                const double v = kl_by_definition(counts, BINS, i, levels[k]);
                if (v <= least_kl + 1e-12) kl = i;
                least_kl = fmin(v, least_kl);
            }
            for (int i = 128; i < BINS; i++) {
                const double v = mse_by_definition(counts, BINS, i, levels[k]);
                if (v < least_mse) mse = i, least_mse = v;
            }
            ck_assert_double_eq(histogram_entropy(&h, levels[k]), kl);
            ck_assert_double_eq(histogram_mse(&h, levels[k]), mse + 0.5);
            ck_assert_double_le(least_mse, mse_by_definition(counts, BINS, BINS - 1, levels[k]));
        }
        for (double percent = 0.0; percent <= 100.0; percent += 12.5) {
            uint64_t below = counts[0];
            int i = 0;
            while ((double)below * 100.0 < percent * (double)total(&h)) below += counts[++i];
            ck_assert_double_eq(histogram_percentile(&h, percent), i > 0 ? i : 1);
        }
    }
}
END_TEST

/* Equal divergence (each filled bin alone in its level) goes to the largest threshold, in spite of rounding errors. */
START_TEST(entropy_ties_go_to_the_last)
{
    static uint64_t counts[HISTOGRAM_BINS];
    memset(counts, 0, sizeof counts);
    for (int j = 3; j < 120; j += 40) counts[j] = (uint64_t)(1000003 * j);
    const Histogram h = {.bins = HISTOGRAM_BINS, .width = 1.0, .count = counts};
    ck_assert_double_eq(histogram_entropy(&h, 128), HISTOGRAM_BINS);
    ck_assert_double_eq(histogram_entropy(&h, 256), HISTOGRAM_BINS);
}
END_TEST

/* ---- histogram -------------------------------------------------------------------------------------------------- */

START_TEST(histogram_appends_bins_of_the_first_width)
{
    Arena *arena = arena_create();
    Histogram h = {0};
    static float values[5000];
    Rng r = rng_make(11, RNG_TEST, 0);
    for (int i = 0; i < 5000; i++) values[i] = fminf(fmaxf(rng_normal(&r), -4.0f), 4.0f);
    values[17] = -4.0f;
    histogram_add(&h, arena, values, 5000, 4.0f);
    ck_assert_int_eq(h.bins, HISTOGRAM_BINS);
    ck_assert_double_eq(h.width, 4.0 / HISTOGRAM_BINS);
    const float later[] = {11.9990f, 12.0f, -8.0f, 4.0f, 0.0f};
    const uint64_t at_zero = h.count[0];
    histogram_add(&h, arena, later, 5, 12.0f);
    ck_assert_int_eq(h.bins, 3 * HISTOGRAM_BINS);
    ck_assert_double_eq(h.width, 4.0 / HISTOGRAM_BINS);
    ck_assert_uint_eq(total(&h), 5005);
    ck_assert_uint_eq(h.count[3 * HISTOGRAM_BINS - 1], 2); /* the last bin has its upper edge too */
    ck_assert_uint_eq(h.count[2 * HISTOGRAM_BINS], 1);
    ck_assert_uint_eq(h.count[HISTOGRAM_BINS], 1);
    ck_assert_uint_eq(h.count[0], at_zero + 1);

    uint64_t direct[HISTOGRAM_BINS] = {0};
    for (int i = 0; i < 5000; i++) {
        const int j = (int)floor((double)fabsf(values[i]) * HISTOGRAM_BINS / 4.0);
        direct[j < HISTOGRAM_BINS ? j : HISTOGRAM_BINS - 1]++;
    }
    direct[0]++;
    for (int j = 0; j < HISTOGRAM_BINS; j++) ck_assert_uint_eq(h.count[j], direct[j]);
    arena_destroy(arena);
}
END_TEST

START_TEST(histogram_merges_when_it_would_grow_too_far)
{
    Arena *arena = arena_create();
    Histogram h = {0};
    float values[2048];
    for (int i = 0; i < 2048; i++) values[i] = ((float)i + 0.5f) / 2048.0f;
    values[2047] = 1.0f;
    histogram_add(&h, arena, values, 2048, 1.0f);
    const float far = 50.0f; /* 16 covers 16, 32 after one merge, 64 after two */
    histogram_add(&h, arena, &far, 1, far);
    ck_assert_double_eq(h.width, 4.0 / 2048);
    ck_assert_int_eq(h.bins, 50 * 2048 / 4);
    for (int j = 0; j < 512; j++) ck_assert_uint_eq(h.count[j], 4);
    ck_assert_uint_eq(total(&h), 2049);
    const float extreme = FLT_MAX;
    histogram_add(&h, arena, &extreme, 1, extreme);
    ck_assert_int_le(h.bins, HISTOGRAM_MAX_BINS);
    ck_assert_uint_eq(h.count[0], 2049);
    ck_assert_uint_eq(h.count[h.bins - 1], 1);
    for (int levels = 2; levels <= 256; levels *= 2) {
        ck_assert(histogram_entropy(&h, levels) > 0.0 && histogram_mse(&h, levels) > 0.0);
        ck_assert(histogram_entropy(&h, levels) <= h.bins * h.width && histogram_mse(&h, levels) <= h.bins * h.width);
    }
    Histogram tiny = {0};
    const float smallest[2] = {FLT_TRUE_MIN, -1.0f};
    histogram_add(&tiny, arena, smallest, 1, FLT_TRUE_MIN);
    ck_assert_uint_eq(tiny.count[HISTOGRAM_BINS - 1], 1);
    histogram_add(&tiny, arena, smallest, 2, 1.0f);
    ck_assert_uint_eq(total(&tiny), 3);
    arena_destroy(arena);
}
END_TEST

/* The threshold of a grown histogram is within one 2048th of the range of the one found at every bin. */
START_TEST(a_grown_histogram_keeps_the_resolution)
{
    enum { FACTOR = 8, BINS = FACTOR * HISTOGRAM_BINS };
    static uint64_t fine[BINS], coarse[HISTOGRAM_BINS];
    memset(coarse, 0, sizeof coarse);
    for (int j = 0; j < BINS; j++) {
        fine[j] = (uint64_t)(1e6 * exp(-j / (FACTOR * 150.0)));
        coarse[j / FACTOR] += fine[j];
    }
    const Histogram f = {.bins = BINS, .width = 1.0, .count = fine};
    const Histogram c = {.bins = HISTOGRAM_BINS, .width = FACTOR, .count = coarse};
    ck_assert_double_eq_tol(histogram_mse(&f, 128), histogram_mse(&c, 128), 2.0 * FACTOR);
}
END_TEST

TEST_MAIN("histogram", searches_give_the_published_bins, searches_equal_their_definitions, entropy_ties_go_to_the_last,
          histogram_appends_bins_of_the_first_width, histogram_merges_when_it_would_grow_too_far,
          a_grown_histogram_keeps_the_resolution)
