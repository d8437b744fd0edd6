/* Pools over ragged geometries: windows that leave the image, ties, codes, and backward as the transpose of forward. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/requant.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

typedef struct {
    const char *name;
    int images;
    ConvGeom g;
} PoolCase;

#define SIZE(H, W, C) .h = (H), .w = (W), .c = (C), .o = (C), .groups = (C)
#define KERNEL(KH, KW, S, D) .kh = (KH), .kw = (KW), .sh = (S), .sw = (S), .dh = (D), .dw = (D)
#define PAD(T, B, L, R) .pt = (T), .pb = (B), .pl = (L), .pr = (R)

static const PoolCase cases[] = {
    {"2x2 of 8x8x16", 2, {SIZE(8, 8, 16), KERNEL(2, 2, 2, 1), PAD(0, 0, 0, 0)}},
    {"2x2 of 7x9x5, unused edge", 3, {SIZE(7, 9, 5), KERNEL(2, 2, 2, 1), PAD(0, 0, 0, 0)}},
    {"3x3, stride 2, SAME", 2, {SIZE(9, 10, 17), KERNEL(3, 3, 2, 1), PAD(1, 1, 0, 1)}},
    {"3x3, stride 1, padded", 2, {SIZE(6, 5, 63), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1)}},
    {"3x2, dilation 2, asymmetric", 2, {SIZE(8, 7, 3), KERNEL(3, 2, 1, 2), PAD(2, 0, 0, 1)}},
    {"global 8x8x64", 2, {SIZE(8, 8, 64), KERNEL(8, 8, 1, 1), PAD(0, 0, 0, 0)}},
    {"global 3x5x131", 1, {SIZE(3, 5, 131), KERNEL(3, 5, 1, 1), PAD(0, 0, 0, 0)}},
    {"global 17x16x3, more taps than a byte can tell", 2, {SIZE(17, 16, 3), KERNEL(17, 16, 1, 1), PAD(0, 0, 0, 0)}},
    {"windows that see nothing", 1, {SIZE(3, 3, 4), KERNEL(2, 2, 1, 1), PAD(3, 3, 3, 3)}},
};
#define FOR_EACH_CASE(i) for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)

/* Few distinct values, so that ties are common; x and codes are equal numbers. */
static void inputs(size_t n, float *x, int8_t *q)
{
    oracle_fill_codes(n, 41, q);
    for (size_t i = 0; i < n; i++) {
        q[i] = (int8_t)(q[i] / 16 * 16);
        if (i % 7 == 0) q[i] = -128;
        x[i] = (float)q[i];
    }
}

START_TEST(maxpool_finds_the_first_largest)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa)
    FOR_EACH_CASE(i)
    {
        arena_reset(arena);
        const ConvGeom g = oracle_geom(cases[i].g);
        const int images = cases[i].images;
        const size_t nx = oracle_input_count(&g, images), ny = oracle_output_count(&g, images);
        float *x = ARENA_ARRAY(arena, float, nx), *y = ARENA_ARRAY(arena, float, ny),
              *dx = ARENA_ARRAY(arena, float, nx);
        float *want_dx = ARENA_ARRAY(arena, float, nx), *dy = ARENA_ARRAY(arena, float, ny);
        int8_t *q = ARENA_ARRAY(arena, int8_t, nx), *yq = ARENA_ARRAY(arena, int8_t, ny);
        int32_t *want_argmax = ARENA_ARRAY(arena, int32_t, ny);
        double *want = ARENA_ARRAY(arena, double, ny);
        inputs(nx, x, q);
        oracle_fill(ny, 42, dy);
        oracle_maxpool(&g, images, x, want, want_argmax);
        memset(y, 0xFF, ny * sizeof *y);
        memset(yq, 0x11, ny);
        kernels()->maxpool_f32_forward(&g, images, x, y);
        kernels()->maxpool_s8_forward(&g, images, q, yq);
        for (size_t j = 0; j < ny; j++) ck_assert_msg((double)y[j] == want[j] && yq[j] == want[j], "%s", cases[i].name);

        float *before = ARENA_ARRAY(arena, float, nx);
        for (size_t j = 0; j < nx; j++) before[j] = want_dx[j] = 0.25f;
        const size_t one_x = nx / (size_t)images, one_y = ny / (size_t)images;
        for (size_t j = 0; j < ny; j++)
            if (want_argmax[j] >= 0) want_dx[j / one_y * one_x + (size_t)want_argmax[j]] += dy[j];
        for (int codes = 0; codes < 2; codes++)
            for (int fresh = 0; fresh < 2; fresh++) {
                memcpy(dx, before, nx * sizeof *dx);
                if (fresh) memset(dx, 0xFF, nx * sizeof *dx); /* NaN */
                if (codes)
                    kernels()->maxpool_s8_backward(&g, images, q, yq, dy, fresh, dx);
                else
                    kernels()->maxpool_f32_backward(&g, images, x, y, dy, fresh, dx);
                for (size_t j = 0; j < nx; j++)
                    ck_assert_msg(fabsf(dx[j] + (fresh ? 0.25f : 0.0f) - want_dx[j]) <= (fresh ? 1e-6f : 0.0f),
                                  "%s: %s, %s: dx[%zu] is %g", cases[i].name, codes ? "codes" : "floats",
                                  fresh ? "written" : "added", j, (double)dx[j]);
            }
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(avgpool_divides_by_the_cells_inside)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa)
    FOR_EACH_CASE(i)
    {
        arena_reset(arena);
        const ConvGeom g = oracle_geom(cases[i].g);
        const int images = cases[i].images;
        const size_t nx = oracle_input_count(&g, images), ny = oracle_output_count(&g, images);
        float *x = ARENA_ARRAY(arena, float, nx), *y = ARENA_ARRAY(arena, float, ny),
              *dx = ARENA_ARRAY(arena, float, nx);
        float *dy = ARENA_ARRAY(arena, float, ny);
        int8_t *q = ARENA_ARRAY(arena, int8_t, nx), *yq = ARENA_ARRAY(arena, int8_t, ny);
        int *count = ARENA_ARRAY(arena, int, ny);
        double *want = ARENA_ARRAY(arena, double, ny);
        inputs(nx, x, q);
        oracle_fill(ny, 43, dy);
        oracle_avgpool(&g, images, x, want, count);

        const int lo = -100, hi = 90;
        avgpool_f32_forward(&g, images, x, y);
        const AverageRule rule = average_rule(ROUNDING_XNNPACK, &g, 1.0f, 0, lo, hi);
        kernels()->avgpool_s8_forward(&g, images, q, &rule, yq);
        for (size_t j = 0; j < ny; j++) {
            ck_assert_msg(fabs((double)y[j] - want[j]) <= 1e-5, "%s: %g; must be %g", cases[i].name, (double)y[j],
                          want[j]);
            const double mean = round(want[j]); /* half away from zero */
            const double clamped = count[j] == 0 ? 0 : mean < lo ? lo : mean > hi ? hi : mean;
            ck_assert_msg(yq[j] == clamped, "%s: %d; must be %g", cases[i].name, yq[j], clamped);
        }

        /* <dx, x> = <dy, y> for the linear map forward; plus what dx held before. */
        float *fresh = ARENA_ARRAY(arena, float, nx);
        memset(fresh, 0xFF, nx * sizeof *fresh); /* NaN */
        for (size_t j = 0; j < nx; j++) dx[j] = 0.25f;
        avgpool_backward(&g, images, dy, false, dx);
        avgpool_backward(&g, images, dy, true, fresh);
        for (size_t j = 0; j < nx; j++)
            ck_assert_msg(fabsf(fresh[j] + 0.25f - dx[j]) <= 1e-6f, "%s: written afresh", cases[i].name);
        double left = 0, right = 0, size = 0;
        for (size_t j = 0; j < nx; j++) left += ((double)dx[j] - 0.25) * (double)x[j], size += fabs((double)x[j]);
        for (size_t j = 0; j < ny; j++) right += (double)dy[j] * want[j], size += fabs((double)dy[j] * want[j]);
        ck_assert_msg(fabs(left - right) <= 1e-6 * size, "%s: %g; must be %g", cases[i].name, left, right);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(pools_do_not_care_how_images_are_split)
{
    const ConvGeom g = oracle_geom(cases[2].g);
    enum { IMAGES = 3 };
    Arena *arena = arena_create();
    const size_t nx = oracle_input_count(&g, 1), ny = oracle_output_count(&g, 1);
    float *x = ARENA_ARRAY(arena, float, IMAGES *nx), *whole = ARENA_ARRAY(arena, float, IMAGES *ny);
    float *split = ARENA_ARRAY(arena, float, IMAGES *ny);
    oracle_fill(IMAGES * nx, 44, x);
    avgpool_f32_forward(&g, IMAGES, x, whole);
    for (size_t i = 0; i < IMAGES; i++) avgpool_f32_forward(&g, 1, x + i * nx, split + i * ny);
    ck_assert_int_eq(memcmp(whole, split, IMAGES * ny * sizeof *whole), 0);
    kernels()->maxpool_f32_forward(&g, IMAGES, x, whole);
    for (size_t i = 0; i < IMAGES; i++) kernels()->maxpool_f32_forward(&g, 1, x + i * nx, split + i * ny);
    ck_assert_int_eq(memcmp(whole, split, IMAGES * ny * sizeof *whole), 0);
    arena_destroy(arena);
}
END_TEST

/* Every rule in every variant against the functions of one window, cell by cell. */
static int8_t one_average(const ConvGeom *g, const AverageRule *r, const int8_t *image, int oy, int ox, int c)
{
    int32_t sum = 0, count = 0;
    float real = 0.0f;
    for (int i = 0; i < g->kh; i++)
        for (int j = 0; j < g->kw; j++) {
            const int row = oy * g->sh - g->pt + i * g->dh, column = ox * g->sw - g->pl + j * g->dw;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            const int q = image[((long)row * g->w + column) * g->c + c];
            sum += q, count++, real += average_real(r, q);
        }
    if (count == 0) return 0;
    return r->kind == AVERAGE_CODES    ? average_codes(sum, count, r->lo, r->hi)
           : r->kind == AVERAGE_SCALED ? average_scaled(r, sum, count)
                                       : average_reals(r, real, count);
}

START_TEST(averages_follow_their_rule)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa)
    FOR_EACH_CASE(i)
    for (int kind = AVERAGE_CODES; kind <= AVERAGE_REALS; kind++) {
        arena_reset(arena);
        const ConvGeom g = oracle_geom(cases[i].g);
        const int images = cases[i].images;
        const size_t nx = oracle_input_count(&g, images), ny = oracle_output_count(&g, images);
        int8_t *q = ARENA_ARRAY(arena, int8_t, nx), *y = ARENA_ARRAY(arena, int8_t, ny);
        inputs(nx, ARENA_ARRAY(arena, float, nx), q);
        AverageRule rule = average_rule(ROUNDING_ONNXRUNTIME, &g, 0x1.3b13b2p-5f, 20, -100, 90);
        rule.kind = (AverageKind)kind;
        kernels()->avgpool_s8_forward(&g, images, q, &rule, y);
        size_t at = 0, wrong = 0;
        for (int n = 0; n < images; n++)
            for (int oy = 0; oy < g.oh; oy++)
                for (int ox = 0; ox < g.ow; ox++)
                    for (int c = 0; c < g.c; c++)
                        wrong += y[at++] != one_average(&g, &rule, q + (size_t)n * (nx / (size_t)images), oy, ox, c);
        ck_assert_msg(wrong == 0, "%s, %s, rule %d: %zu of %zu differ", kernels()->isa, cases[i].name, kind, wrong, ny);
    }
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("kernels_pool", maxpool_finds_the_first_largest, avgpool_divides_by_the_cells_inside,
          averages_follow_their_rule, pools_do_not_care_how_images_are_split)
