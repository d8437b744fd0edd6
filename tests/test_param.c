/* Shapes and the parameter set. */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "autograd/param.h"
#include "tests/support/suite.h"

static Param *add(ParamSet *set, Arena *arena, const char *name, ParamKind kind, Shape shape)
{
    Param *p = param_add(set, arena, name, kind, shape);
    ck_assert_ptr_nonnull(p);
    return p;
}

START_TEST(shapes_count_compare_and_print)
{
    ck_assert_int_eq(shape_elements(shape_4(2, 3, 5, 7)), 210);
    ck_assert_int_eq(shape_elements((Shape){0}), 1);
    ck_assert_int_eq(shape_elements(shape_4(INT_MAX, INT_MAX, INT_MAX, INT_MAX)), LONG_MAX);
    ck_assert_int_eq(shape_elements(shape_4(INT_MAX, INT_MAX, INT_MAX, 0)), 0);
    ck_assert(shape_equal(shape_2(3, 4), shape_2(3, 4)));
    ck_assert(!shape_equal(shape_2(3, 4), shape_2(4, 3)));
    ck_assert(!shape_equal(shape_1(3), (Shape){2, {3, 0}}));
    const Shape epilogue = {1, {3, 9, 9, 9}}; /* what lies past the rank does not count */
    ck_assert(shape_equal(shape_1(3), epilogue));

    ck_assert_str_eq(shape_text(shape_4(128, 28, 28, 1)).text, "[128,28,28,1]");
    ck_assert_str_eq(shape_text(shape_1(7)).text, "[7]");
    ck_assert_str_eq(shape_text((Shape){0}).text, "[]");
    ck_assert_str_eq(shape_text(shape_4(INT_MIN, INT_MIN, INT_MIN, INT_MIN)).text,
                     "[-2147483648,-2147483648,-2147483648,-2147483648]");
}
END_TEST

START_TEST(parameters_are_aligned_and_apart)
{
    static const Shape shapes[] = {{1, {1}}, {4, {8, 3, 3, 1}}, {1, {16}}, {1, {17}}, {2, {10, 33}}, {0, {0}}};
    enum { N = sizeof shapes / sizeof shapes[0] };
    Arena *arena = arena_create();
    ParamSet set = {0};
    char name[] = "p0";
    for (int i = 0; i < N; i++, name[1]++) add(&set, arena, name, PARAM_WEIGHT, shapes[i]);
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    size_t end = 0;
    for (int i = 0; i < N; i++) {
        const Param *p = set.param[i];
        ck_assert_str_eq(p->name, ((char[]){'p', (char)('0' + i), 0}));
        ck_assert_int_eq(p->count, shape_elements(shapes[i]));
        ck_assert_uint_ge(p->offset, end);
        ck_assert_uint_lt(p->offset, end + 16);
        ck_assert_ptr_eq(p->x, set.x + p->offset);
        ck_assert_ptr_eq(p->dx, set.dx + p->offset);
        ck_assert_uint_eq((uintptr_t)p->x % 64, 0);
        ck_assert_uint_eq((uintptr_t)p->dx % 64, 0);
        end = p->offset + (size_t)p->count;
    }
    ck_assert_uint_eq(set.count, (end + 15) / 16 * 16);
    for (size_t i = 0; i < set.count; i++) ck_assert(set.x[i] == 0.0f && set.dx[i] == 0.0f);

    for (size_t i = 0; i < set.count; i++) set.dx[i] = 1.0f;
    param_set_zero_grad(&set);
    for (size_t i = 0; i < set.count; i++) ck_assert(set.dx[i] == 0.0f);
    arena_destroy(arena);
}
END_TEST

START_TEST(parameter_sets_refuse)
{
    Arena *arena = arena_create();
    ParamSet set = {0};
    add(&set, arena, "a.weight", PARAM_WEIGHT, shape_2(2, 2));
    ck_assert_ptr_null(param_add(&set, arena, "a.weight", PARAM_BIAS, shape_1(2)));
    ck_assert_str_eq(status_message(), "parameter \"a.weight\": stands twice in the model; names must differ");
    ck_assert_ptr_null(param_add(&set, arena, "b", PARAM_BIAS, shape_2(2, 0)));
    ck_assert_str_eq(status_message(), "parameter \"b\": shape [2,0]; every length must be 1 or more");
    ck_assert_ptr_null(param_add(&set, arena, "b", PARAM_BIAS, shape_2(-2, -2)));
    const Shape huge = shape_4(INT_MAX, INT_MAX, INT_MAX, 2);
    ck_assert_ptr_null(param_add(&set, arena, "b", PARAM_BIAS, huge));
    ck_assert_ptr_nonnull(strstr(status_message(), "too large"));
    ck_assert_int_eq(set.n, 1);
    ck_assert_uint_eq(set.count, 16);

    char name[32];
    for (int i = set.n; i < PARAM_SET_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        add(&set, arena, name, PARAM_BIAS, shape_1(1));
    }
    ck_assert_ptr_null(param_add(&set, arena, "b", PARAM_BIAS, shape_1(1)));
    ck_assert_str_eq(status_message(), "parameter \"b\": number 4097 of the model; at most 4096 are possible");

    ParamSet full = {0};
    add(&full, arena, "w", PARAM_WEIGHT, shape_2(1 << 30, 1 << 30)); /* 2^60 floats: the last size that is counted */
    ck_assert_ptr_null(param_add(&full, arena, "v", PARAM_WEIGHT, shape_1(1)));
    ck_assert_int_eq(param_set_place(&full, arena), STATUS_NOMEM);
    ck_assert_ptr_nonnull(strstr(status_message(), "parameters and gradients: memory: "));
    ck_assert_ptr_null(full.x);
    arena_destroy(arena);
}
END_TEST

START_TEST(initialisation_has_the_right_moments)
{
    Arena *arena = arena_create();
    ParamSet set = {0};
    enum { N = 200000 };
    Param *he = add(&set, arena, "he", PARAM_WEIGHT, shape_1(N));
    Param *xavier = add(&set, arena, "xavier", PARAM_WEIGHT, shape_1(N));
    Param *gamma = add(&set, arena, "gamma", PARAM_NORM, shape_1(17));
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    param_init(he, INIT_HE, 50, 1000, 3);
    param_init(xavier, INIT_XAVIER, 50, 100, 3);
    param_fill(gamma, 1.5f);
    for (size_t i = gamma->offset; i < set.count; i++) ck_assert(set.x[i] == (i < gamma->offset + 17 ? 1.5f : 0.0f));

    const Param *p[] = {he, xavier};
    const double variance[] = {2.0 / 50, 6.0 / 150 / 3}, kurtosis[] = {3.0, 1.8};
    for (int k = 0; k < 2; k++) {
        double m1 = 0, m2 = 0, m4 = 0;
        for (long i = 0; i < N; i++) {
            const double x = (double)p[k]->x[i];
            m1 += x / N, m2 += x * x / N, m4 += x * x * x * x / N;
        }
        ck_assert_double_eq_tol(m1 / sqrt(variance[k]), 0.0, 4.5 / sqrt(N));
        ck_assert_double_eq_tol(m2 / variance[k], 1.0, 0.015);
        ck_assert_double_eq_tol(m4 / (m2 * m2), kurtosis[k], 0.06);
    }
    float low = 0, high = 0;
    for (long i = 0; i < N; i++) low = fminf(low, xavier->x[i]), high = fmaxf(high, xavier->x[i]);
    ck_assert(low >= -0.2f && low < -0.1999f && high <= 0.2f && high > 0.1999f); /* sqrt(6 / 150) = 0.2 */
    arena_destroy(arena);
}
END_TEST

START_TEST(initialisation_depends_on_seed_and_name_alone)
{
    Arena *arena = arena_create();
    ParamSet one = {0}, many = {0};
    Param *a = add(&one, arena, "foobar", PARAM_WEIGHT, shape_1(500));
    Param *other = add(&many, arena, "other", PARAM_WEIGHT, shape_1(500));
    Param *b = add(&many, arena, "foobar", PARAM_WEIGHT, shape_1(500));
    ck_assert_int_eq(param_set_place(&one, arena), STATUS_OK);
    ck_assert_int_eq(param_set_place(&many, arena), STATUS_OK);
    param_init(a, INIT_HE, 8, 1, 11);
    param_init(other, INIT_HE, 8, 1, 11);
    param_init(b, INIT_HE, 8, 1, 11);
    ck_assert_mem_eq(a->x, b->x, 500 * sizeof(float));
    ck_assert_mem_ne(a->x, other->x, 500 * sizeof(float));
    /* The published FNV-1a value of "foobar": checkpoints of all releases start from the same numbers. */
    Rng rng = rng_make(11, RNG_INIT, 0x85944171f73967e8u);
    for (int i = 0; i < 500; i++) ck_assert(a->x[i] == 0.5f * rng_normal(&rng));
    param_init(b, INIT_HE, 8, 1, 12);
    ck_assert_mem_ne(a->x, b->x, 500 * sizeof(float));
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("param", shapes_count_compare_and_print, parameters_are_aligned_and_apart, parameter_sets_refuse,
          initialisation_has_the_right_moments, initialisation_depends_on_seed_and_name_alone)
