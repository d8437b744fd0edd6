/* Convolutions, dense and depthwise, in every variant this CPU has, against the oracles over ragged geometries. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/requant.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

enum { GUARD = 256, MAX_IMAGES = 3 };

/* Everything one geometry needs; codes with scale 0.03 and zero point 5 stand for x. */
typedef struct {
    ConvGeom g;
    bool depthwise;
    int images;
    size_t nx, ny, nw;
    float *x, *w, *dy, *packed, *first;
    int8_t *q, *qw;
    double *want, *magnitude;
    unsigned char *scratch;
    size_t scratch_bytes;
    Arena *arena;
} Case;

static const float SCALE = 0.03f;
enum { ZERO_POINT = 5 };

static void extreme(size_t n, int8_t low, int8_t high, int8_t *q)
{
    for (size_t i = 0; i < n; i++) q[i] = q[i] > 60 ? high : q[i] < -60 ? low : q[i];
}

static Case case_make(Arena *arena, const KernelCase *k)
{
    arena_reset(arena);
    Case c = {.g = oracle_geom(k->g), .depthwise = k->depthwise, .images = k->images, .arena = arena};
    c.nx = oracle_input_count(&c.g, c.images);
    c.ny = oracle_output_count(&c.g, c.images);
    c.nw = oracle_weight_count(&c.g);
    const size_t most = c.nx > c.ny ? (c.nx > c.nw ? c.nx : c.nw) : c.ny > c.nw ? c.ny : c.nw;
    c.x = ARENA_ARRAY(arena, float, c.nx), c.q = ARENA_ARRAY(arena, int8_t, c.nx);
    c.w = ARENA_ARRAY(arena, float, c.nw), c.qw = ARENA_ARRAY(arena, int8_t, c.nw);
    c.dy = ARENA_ARRAY(arena, float, c.ny), c.first = ARENA_ARRAY(arena, float, most);
    c.want = ARENA_ARRAY(arena, double, most), c.magnitude = ARENA_ARRAY(arena, double, most);
    c.packed = ARENA_ARRAY(arena, float, conv_f32_packed_count(&c.g));
    c.scratch_bytes = conv_scratch_bytes(&c.g);
    c.scratch = arena_alloc(arena, c.scratch_bytes + 2 * GUARD);
    memset(c.scratch, 0xA5, c.scratch_bytes + 2 * GUARD);
    oracle_fill_codes(c.nx, 1, c.q);
    oracle_fill_codes(c.nw, 2, c.qw);
    extreme(c.nx, -128, 127, c.q);
    extreme(c.nw, -127, 127, c.qw);
    for (size_t i = 0; i < c.nx; i++) c.x[i] = SCALE * (float)(c.q[i] - ZERO_POINT);
    oracle_fill(c.nw, 3, c.w);
    oracle_fill(c.ny, 4, c.dy);
    if (!c.depthwise) conv_f32_pack(&c.g, c.w, c.packed);
    return c;
}

static bool scratch_intact(const Case *c)
{
    for (size_t i = 0; i < GUARD; i++)
        if (c->scratch[i] != 0xA5 || c->scratch[GUARD + c->scratch_bytes + i] != 0xA5) return false;
    return true;
}

static ConvInput input_of(const Case *c, bool codes, int image)
{
    const size_t at = c->nx / (size_t)c->images * (size_t)image;
    return codes ? (ConvInput){.codes = c->q + at, .scale = SCALE, .zero_point = ZERO_POINT}
                 : (ConvInput){.x = c->x + at};
}

typedef enum { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, DIRECTIONS } Direction;
static const char *const direction_names[] = {"forward", "backward data", "backward weights"};

/* Runs images [from, to) of one direction; `out` is the whole output. */
static void run(const Case *c, Direction d, bool codes, int from, int to, float *out)
{
    const Kernels *t = kernels();
    const ConvGeom *g = &c->g;
    const ConvInput x = input_of(c, codes, from);
    const size_t one_y = c->ny / (size_t)c->images, one_x = c->nx / (size_t)c->images;
    const float *dy = c->dy + one_y * (size_t)from;
    float *y = out + one_y * (size_t)from, *dx = out + one_x * (size_t)from;
    void *scratch = c->scratch + GUARD;
    const int n = to - from;
    if (c->depthwise) {
        if (d == FORWARD) t->dwconv_f32_forward(g, n, x, c->w, y);
        if (d == BACKWARD_DATA) t->dwconv_f32_backward_data(g, n, dy, c->w, dx);
        if (d == BACKWARD_WEIGHTS) t->dwconv_f32_backward_weights(g, n, x, dy, out);
    } else {
        if (d == FORWARD) conv_f32_forward(g, n, x, c->packed, y, scratch);
        if (d == BACKWARD_DATA) conv_f32_backward_data(g, n, dy, c->w, dx);
        if (d == BACKWARD_WEIGHTS) conv_f32_backward_weights(g, n, x, dy, out, scratch);
    }
}

/* A kernel that adds must add to what is there; one that sets must not read it. */
static void preset(Direction d, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = d == FORWARD ? (float)NAN : 0.25f;
}

/* One direction in the variant selected now; want and magnitude are ready. */
static void check_variant(const KernelCase *k, const Case *c, Direction d, size_t n, float *whole, float *split)
{
    const char *isa = kernels()->isa, *direction = direction_names[d];
    for (int codes = 0; codes <= 1; codes++) {
        preset(d, whole, n);
        run(c, d, codes, 0, c->images, whole);
        /* A chain of N roundings errs by at most N/2 epsilons of the magnitude, and typically by far less. */
        const size_t wrong = oracle_differences(n, whole, c->want, c->magnitude, 16 * (double)FLT_EPSILON);
        ck_assert_msg(wrong == 0, "%s, %s, %s from %s: %zu wrong", isa, k->name, direction, codes ? "codes" : "floats",
                      wrong);
        preset(d, split, n);
        for (int i = 0; i < c->images; i++) run(c, d, codes, i, i + 1, split);
        ck_assert_msg(memcmp(whole, split, n * sizeof *whole) == 0, "%s, %s, %s: bits depend on the split", isa,
                      k->name, direction);
        ck_assert_msg(scratch_intact(c), "%s, %s, %s: scratch overrun", isa, k->name, direction);
        if (codes == 0)
            memcpy(c->first, whole, n * sizeof *whole);
        else
            ck_assert_msg(memcmp(c->first, whole, n * sizeof *whole) == 0, "%s, %s, %s: codes and floats differ", isa,
                          k->name, direction);
    }
}

static void check_direction(const KernelCase *k, const Case *c, Direction d)
{
    const ConvGeom *g = &c->g;
    if (d == FORWARD) oracle_conv_forward(g, c->depthwise, c->images, c->x, c->w, c->want, c->magnitude);
    if (d == BACKWARD_DATA) oracle_conv_backward_data(g, c->depthwise, c->images, c->dy, c->w, c->want, c->magnitude);
    if (d == BACKWARD_WEIGHTS)
        oracle_conv_backward_weights(g, c->depthwise, c->images, c->x, c->dy, c->want, c->magnitude);
    const size_t n = d == FORWARD ? c->ny : d == BACKWARD_DATA ? c->nx : c->nw;
    if (d != FORWARD)
        for (size_t i = 0; i < n; i++) c->want[i] += 0.25, c->magnitude[i] += 0.25;
    float *whole = ARENA_ARRAY(c->arena, float, n), *split = ARENA_ARRAY(c->arena, float, n);
    FOR_EACH_ISA(isa) check_variant(k, c, d, n, whole, split);
}

/* Packed weights and scratch are the variant's own, and exactly as long as it says. */
static void run_conv_s8(const Case *c, int zx, int32_t *acc)
{
    const ConvGeom *g = &c->g;
    const ConvS8 *const s8 = conv_s8_of(c->depthwise);
    void *packed = arena_alloc(c->arena, s8->packed_bytes(g)), *scratch = arena_alloc(c->arena, s8->scratch_bytes(g));
    s8->pack(g, c->qw, packed);
    s8->sums(g, c->images, c->q, zx, packed, acc, scratch);
}

/* The codes that follow are those of the sums. */
static void check_codes(const KernelCase *k, const Case *c, int zx, const int64_t *sums)
{
    const ConvGeom *g = &c->g;
    int32_t *bias = ARENA_ARRAY(c->arena, int32_t, g->o);
    Multiplier *M = ARENA_ARRAY(c->arena, Multiplier, g->o);
    const ConvS8 *const s8 = conv_s8_of(c->depthwise);
    void *packed = arena_alloc(c->arena, s8->packed_bytes(g)), *scratch = arena_alloc(c->arena, s8->scratch_bytes(g));
    int8_t *y = arena_alloc(c->arena, c->ny);
    s8->pack(g, c->qw, packed);
    for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) {
        const Rounding rounding = (Rounding)d;
        for (int o = 0; o < g->o; o++)
            bias[o] = 777 * (o % 5) - 1000,
            M[o] = multiplier_make(rounding, 0.01f, 0.05f + 0.01f * (float)(o % 7), 1.0f);
        const RequantRows r =
            requant_rows_make(rounding, g->o, bias, M, -7, -100, 127, arena_alloc(c->arena, requant_rows_bytes(g->o)));
        memset(y, 0x55, c->ny);
        s8->codes(g, c->images, c->q, zx, packed, &r, y, scratch);
        for (size_t i = 0; i < c->ny; i++) {
            const int o = (int)(i % (size_t)g->o),
                      want = requant(rounding, (int32_t)sums[i] + bias[o], M[o], -7, -100, 127);
            ck_assert_msg(y[i] == want, "%s, %s, dialect %d: code %zu is %d; must be %d", kernels()->isa, k->name, d, i,
                          y[i], want);
        }
    }
}

static void check_s8(const KernelCase *k, const Case *c)
{
    static const int zero_points[] = {-128, 0, 127};
    int64_t *want = ARENA_ARRAY(c->arena, int64_t, c->ny);
    int32_t *acc = ARENA_ARRAY(c->arena, int32_t, c->ny);
    for (int z = 0; z < 3; z++) {
        const int zx = zero_points[z];
        oracle_conv_s8(&c->g, c->depthwise, c->images, c->q, zx, c->qw, want);
        FOR_EACH_ISA(isa)
        {
            memset(acc, 0xFF, c->ny * sizeof *acc);
            run_conv_s8(c, zx, acc);
            for (size_t i = 0; i < c->ny; i++)
                ck_assert_msg(acc[i] == want[i], "%s, %s, zero point %d: acc[%zu] is %d; must be %lld", kernels()->isa,
                              k->name, zx, i, acc[i], (long long)want[i]);
            check_codes(k, c, zx, want);
        }
    }
}

static void check_all(bool depthwise)
{
    Arena *arena = arena_create();
    int checked = 0;
    for (int i = 0; i < kernel_case_count; i++) {
        if (kernel_cases[i].depthwise != depthwise) continue;
        const Case c = case_make(arena, &kernel_cases[i]);
        for (int d = 0; d < DIRECTIONS; d++) check_direction(&kernel_cases[i], &c, (Direction)d);
        check_s8(&kernel_cases[i], &c);
        checked++;
    }
    ck_assert_int_gt(checked, 0);
    arena_destroy(arena);
}

START_TEST(conv_agrees_with_the_oracle) { check_all(false); }
END_TEST

START_TEST(depthwise_agrees_with_the_oracle) { check_all(true); }
END_TEST

TEST_MAIN("kernels_conv", conv_agrees_with_the_oracle, depthwise_agrees_with_the_oracle)
