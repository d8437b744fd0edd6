/* The kernel for AMX on emulated tiles, which any CPU has; the real one is compared by test_dispatch where it
 * exists. */
#define TILES_EMULATED
#include "kernels/gemm_s8_tiles.inc"

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/amx_ready.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

typedef struct {
    int m, n, rows, runs, k;
} Size;

/* Half of the operands are the ends of their range: -128 and 127 against -127 and 127. */
static void fill_extreme(size_t n, uint64_t seed, int low, int8_t *q)
{
    Rng r = rng_make(seed, RNG_TEST, 3);
    for (size_t i = 0; i < n; i++) {
        const int x = (int)rng_below(&r, 256) - 128;
        q[i] = (int8_t)(rng_below(&r, 2) == 0 ? (x < low ? low : x) : x < 0 ? low : 127);
    }
}

/* Windows that overlap as in a convolution: runs begin 2 codes apart, rows 3 runs. */
static void check(Arena *arena, Size s, int zero_point)
{
    enum { LD_MORE = 3, GUARD = 40, MARK = 0x55555555 };
    const int taps = s.rows * s.runs, K = taps * s.k, ldc = s.n + LD_MORE;
    const ptrdiff_t am = s.k % 2 == 0 ? s.k : 5, arun = s.k + 2, arow = 3 * arun;
    const ptrdiff_t readable = (s.k + S8_QUAD - 1) / S8_QUAD * S8_QUAD;
    const size_t na = (size_t)((s.m - 1) * am + (s.rows - 1) * arow + (s.runs - 1) * arun + readable);
    const size_t nc = (size_t)(s.m * ldc + GUARD), columns = (size_t)s8_columns(s.n);
    int8_t *a = ARENA_ARRAY(arena, int8_t, na), *bt = ARENA_ARRAY(arena, int8_t, s.n * K);
    int8_t *b = ARENA_ARRAY(arena, int8_t, s8_panels_bytes(s.n, taps, s.k));
    int32_t *start = ARENA_ARRAY(arena, int32_t, columns), *sums = ARENA_ARRAY(arena, int32_t, columns);
    int32_t *c = ARENA_ARRAY(arena, int32_t, nc);
    fill_extreme(na, 41, -128, a);
    fill_extreme((size_t)(s.n * K), 42, -127, bt);
    gemm_s8_pack_runs(s.n, taps, s.k, bt, K, b, sums);
    for (size_t j = 0; j < columns; j++) start[j] = -zero_point * sums[j];
    for (size_t i = 0; i < nc; i++) c[i] = MARK;
    gemm_tiles(&(GemmS8){s.m, s.n, s.rows, s.runs, s.k, a, am, arow, arun, b, start, sums, c, ldc});
    for (int i = 0; i < s.m; i++)
        for (int j = 0; j < ldc; j++) {
            int64_t want = j < s.n ? 0 : MARK;
            for (int p = 0; p < K && j < s.n; p++) {
                const int tap = p / s.k, q = a[i * am + tap / s.runs * arow + tap % s.runs * arun + p % s.k];
                want += (q - zero_point) * bt[j * K + p];
            }
            ck_assert_msg(c[i * ldc + j] == want, "%d x %d x (%d, %d, %d): c[%d,%d] is %d; must be %lld", s.m, s.n,
                          s.rows, s.runs, s.k, i, j, c[i * ldc + j], (long long)want);
        }
    for (int i = 0; i < GUARD; i++) ck_assert_int_eq(c[s.m * ldc + i], MARK);
}

/* Around the sizes of one to four tiles; depths of one step, of equal steps, and with a rest. */
static const int heights[] = {1, 2, 5, 15, 16, 17, 31, 32, 33, 47, 49, 81};
static const int widths[] = {1, 7, 15, 16, 17, 31, 32, 33, 48, 49, 64, 65, 70};
static const int depths[] = {1, 3, 4, 5, 27, 48, 63, 64, 65, 68, 76, 96, 100, 129, 148, 192, 400};

START_TEST(tiles_multiply_exactly)
{
    Arena *arena = arena_create();
    int turn = 0;
    for (int i = 0; i < COUNT(heights); i++)
        for (int j = 0; j < COUNT(widths); j++)
            for (int d = turn++ % 3; d < COUNT(depths); d += 3) {
                arena_reset(arena);
                const Size s = {heights[i], widths[j], 1 + turn % 3, 1 + turn % 2, depths[d]};
                check(arena, s, turn % 5 == 0 ? -128 : turn % 5 == 1 ? 127 : turn % 17);
            }
    for (int k = 1; k <= 260; k++) {
        arena_reset(arena);
        check(arena, (Size){33, 18, 1, 2, k}, -128);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(runs_are_cut_into_equal_steps_where_that_is_possible)
{
    static const struct {
        int k, parts;
        Part first;
    } cases[] = {{1, 1, {0, 4, 1}},    {27, 1, {0, 28, 1}},   {64, 1, {0, 64, 1}}, {96, 1, {0, 48, 2}},
                 {100, 2, {0, 64, 1}}, {192, 1, {0, 64, 3}},  {68, 2, {0, 64, 1}}, {84, 1, {0, 28, 3}},
                 {400, 2, {0, 64, 6}}, {1152, 1, {0, 64, 18}}};
    for (int i = 0; i < COUNT(cases); i++) {
        Part part[2];
        ck_assert_int_eq(split(cases[i].k, part), cases[i].parts);
        ck_assert_int_eq(part[0].bytes, cases[i].first.bytes);
        ck_assert_int_eq(part[0].steps, cases[i].first.steps);
    }
    for (int k = 1; k <= 1200; k++) {
        Part part[2];
        const int parts = split(k, part);
        int codes = 0;
        for (int i = 0; i < parts; i++) {
            ck_assert_int_eq(part[i].first, codes);
            ck_assert(part[i].bytes >= 4 && part[i].bytes <= 64 && part[i].bytes % 4 == 0);
            codes += part[i].bytes * part[i].steps;
        }
        ck_assert_int_eq(codes, (k + 3) / 4 * 4);
    }
}
END_TEST

static void wrong_once(const GemmS8 *g)
{
    gemm_tiles(g);
    g->c[g->ldc * (g->m - 1) + g->n - 1] += 1;
}

/* What decides whether AMX is taken: right tiles pass, tiles that are off by one once do not. */
START_TEST(known_product_tells_right_from_wrong)
{
    ck_assert(amx_exact(gemm_tiles));
    ck_assert(!amx_exact(wrong_once));
}
END_TEST

TEST_MAIN("amx", tiles_multiply_exactly, runs_are_cut_into_equal_steps_where_that_is_possible,
          known_product_tells_right_from_wrong)
