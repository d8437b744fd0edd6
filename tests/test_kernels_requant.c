/* Rows of accumulators and residual adds to codes, in every variant this CPU has, against the scalar rules. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/requant.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/suite.h"

enum { ROWS = 7 };

/* Mostly sums as they occur, every fourth one from the ends of int32 (with the bias inside it). */
static int32_t any_sum(Rng *r)
{
    static const int32_t ends[] = {INT32_MIN + 1000, INT32_MAX - 1000, 1 << 24, -(1 << 24) - 1, 0, -1, 1, 1 << 30};
    const uint32_t u = rng_below(r, 1u << 20);
    return rng_below(r, 4) == 0 ? ends[u % 8] : (int32_t)u - (1 << 19);
}

static void check_rows(Arena *arena, Rounding rounding, int channels, int zero_point, int lo, int hi)
{
    arena_reset(arena);
    Rng r = rng_make((uint64_t)channels, RNG_TEST, 1);
    int32_t *bias = ARENA_ARRAY(arena, int32_t, channels), *acc = ARENA_ARRAY(arena, int32_t, ROWS * channels);
    Multiplier *M = ARENA_ARRAY(arena, Multiplier, channels);
    for (int o = 0; o < channels; o++) {
        bias[o] = (int32_t)rng_below(&r, 2001) - 1000;
        M[o] = multiplier_make(rounding, 1.0f, ldexpf(1.0f + (float)rng_below(&r, 1000) / 1000.0f, -1 - o % 24), 1.0f);
    }
    for (int i = 0; i < ROWS * channels; i++) acc[i] = any_sum(&r);
    const RequantRows rows = requant_rows_make(rounding, channels, bias, M, zero_point, lo, hi,
                                               arena_alloc(arena, requant_rows_bytes(channels)));
    int8_t *y = ARENA_ARRAY(arena, int8_t, ROWS * channels);
    FOR_EACH_ISA(isa)
    for (int n = 1; n <= ROWS; n += 2) {
        memset(y, 0x55, (size_t)(ROWS * channels));
        kernels()->requantize_rows(&rows, (size_t)(n * channels), acc, y);
        for (int i = 0; i < ROWS * channels; i++) {
            const int o = i % channels;
            const int want = i < n * channels ? requant(rounding, acc[i] + bias[o], M[o], zero_point, lo, hi) : 0x55;
            ck_assert_msg(y[i] == want, "%s, dialect %d, %d channels: code %d of %d + %d is %d; must be %d",
                          kernels()->isa, (int)rounding, channels, i, acc[i], bias[o], y[i], want);
        }
    }
}

START_TEST(rows_agree_with_the_rule)
{
    static const int channels[] = {1, 3, 6, 8, 10, 16, 31, 32, 64, 65, 100, 128, 600};
    Arena *arena = arena_create();
    for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++)
        for (size_t c = 0; c < sizeof channels / sizeof channels[0]; c++) {
            check_rows(arena, (Rounding)d, channels[c], -128, -128, 127);
            check_rows(arena, (Rounding)d, channels[c], 127, -128, 127);
            check_rows(arena, (Rounding)d, channels[c], -3, -3, 60);
        }
    arena_destroy(arena);
}
END_TEST

START_TEST(added_codes_agree_with_the_rule)
{
    enum { ALL = 256 * 256, ODD = ALL - 3 };
    Arena *arena = arena_create();
    int8_t *a = ARENA_ARRAY(arena, int8_t, ALL), *b = ARENA_ARRAY(arena, int8_t, ALL),
           *y = ARENA_ARRAY(arena, int8_t, ALL);
    for (int i = 0; i < ALL; i++) a[i] = (int8_t)(i % 256 - 128), b[i] = (int8_t)(i / 256 - 128);
    for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++)
        for (int z = -128, k = 0; z <= 127; z += 51, k++) {
            /* Ordinary ratios; ties, met or missed by a rounding; the ends of what every rounding takes. */
            static const float scale[][3] = {{0.021f, 0.0173f, 0.03f},
                                             {0.75f, 0.125f, 0.5f},
                                             {0x1.8p-4f, 0.3f, 0.9f},
                                             {0x1p-9f, 0x1.ffcp7f, 1.0f},
                                             {100.0f, 0.1f, 1.0f}};
            const float *s = scale[k % 5];
            AddParams p;
            ck_assert(add_params_make((Rounding)d, s[0], z, s[1], -z - 1, s[2], -z - 1, -100, 127, &p));
            FOR_EACH_ISA(isa)
            {
                y[ODD] = 0x55;
                kernels()->requant_add_rows(&p, ODD, a, b, y);
                int wrong = 0;
                for (int i = 0; i < ODD; i++) wrong += y[i] != requant_add(&p, a[i], b[i]);
                ck_assert_msg(wrong == 0, "%s, dialect %d, zero point %d: %d of %d sums differ", kernels()->isa, d, z,
                              wrong, ODD);
                ck_assert_int_eq(y[ODD], 0x55);
            }
        }
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("kernels_requant", rows_agree_with_the_rule, added_codes_agree_with_the_rule)
