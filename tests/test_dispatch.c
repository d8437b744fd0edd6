/* The ladder of variants, and that integer kernels give the same bits on each of its steps: codes -128 and 127 (0 and
 * 255 where they are read unsigned) against weights -127 and 127 among the operands. */
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/amx_ready.h"
#include "kernels/gemm_s16.h"
#include "kernels/gemm_s8.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

static const char *const ladder[] = {"ref", "avx2", "avx512", "vnni", "amx"};
enum { LEVELS = sizeof ladder / sizeof ladder[0] };

/* Signs are drawn, sizes are the largest in three of four operands. */
static void fill_extreme(size_t n, uint64_t seed, int low, int8_t *q)
{
    Rng r = rng_make(seed, RNG_TEST, 4);
    for (size_t i = 0; i < n; i++) {
        const int x = (int)rng_below(&r, 256) - 128;
        q[i] = (int8_t)(rng_below(&r, 4) > 0 ? (x < 0 ? low : 127) : x < low ? low : x);
    }
}

static const Kernels *reference(void)
{
    const char *error;
    const Kernels *const now = kernels();
    ck_assert(kernels_select("ref", &error));
    const Kernels *const ref = kernels();
    ck_assert(kernels_select(now->isa, &error));
    ck_assert_ptr_eq(kernels(), now);
    return ref;
}

START_TEST(each_level_includes_the_lower_ones)
{
    int last = -1;
    FOR_EACH_ISA(level)
    {
        const Kernels *const k = kernels();
        ck_assert_str_eq(k->isa, ladder[level]);
        ck_assert_int_eq(level, last + 1);
        last = level;
#define KERNEL(name) ck_assert(k->name != NULL);
#include "kernels/kernels.def"
#undef KERNEL
        ck_assert_int_eq(k->gemm_runs_s8 != NULL, level >= 3);
    }
    ck_assert_int_ge(last, 0);
}
END_TEST

/* Whatever is asked, the answer is that level or one line that says why not, and then nothing has changed. */
START_TEST(a_level_is_had_or_refused_in_one_line)
{
    const Kernels *const before = kernels();
    bool lower = true;
    for (int i = 0; i < LEVELS; i++) {
        const char *error = NULL;
        const bool had = kernels_select(ladder[i], &error);
        ck_assert_msg(!had || lower, "%s is had and the one below it is not", ladder[i]);
        lower = had;
        if (had) {
            ck_assert_str_eq(kernels()->isa, ladder[i]);
        } else {
            ck_assert_ptr_nonnull(strstr(error, "; must be "));
            ck_assert_ptr_nonnull(strstr(error, "ref"));
            ck_assert_ptr_null(strchr(error, '\n'));
        }
        ck_assert(kernels_select(before->isa, &error));
        ck_assert_ptr_eq(kernels(), before);
    }
    const char *error;
    if (!amx_present()) ck_assert(!kernels_select("amx", &error));
    ck_assert_ptr_eq(kernels(), before);
}
END_TEST

typedef struct {
    int m, n, rows, runs, k;
} Size;

/* q - z of 16 bits by gemm_runs_s16 of ref, against either integer product of each variant. */
static void check_product(Arena *arena, const Kernels *ref, Size s, int z)
{
    const int taps = s.rows * s.runs, K = taps * s.k, even = (s.k + 1) / 2 * 2;
    const ptrdiff_t arun = (s.k + S8_QUAD - 1) / S8_QUAD * S8_QUAD, arow = s.runs * arun, am = s.rows * arow;
    const size_t na = (size_t)(s.m * am), nc = (size_t)(s.m * s.n), columns = (size_t)s8_columns(s.n);
    int8_t *q = ARENA_ARRAY(arena, int8_t, na), *bt = ARENA_ARRAY(arena, int8_t, s.n * K);
    int16_t *wide = ARENA_ARRAY(arena, int16_t, na), *ref_wide = ARENA_ARRAY(arena, int16_t, na);
    int16_t *b16 = ARENA_ARRAY(arena, int16_t, gemm_s16_packed_runs_count(s.n, taps, s.k));
    int8_t *b8 = ARENA_ARRAY(arena, int8_t, s8_panels_bytes(s.n, taps, s.k));
    int32_t *start = ARENA_ARRAY(arena, int32_t, columns), *sums = ARENA_ARRAY(arena, int32_t, columns);
    int32_t *want = ARENA_ARRAY(arena, int32_t, nc), *c = ARENA_ARRAY(arena, int32_t, nc);
    ck_assert_int_le(even, arun);
    fill_extreme(na, 51, -128, q);
    fill_extreme((size_t)(s.n * K), 52, -127, bt);
    gemm_s16_pack_runs(s.n, taps, s.k, bt, K, b16);
    gemm_s8_pack_runs(s.n, taps, s.k, bt, K, b8, sums);
    for (size_t j = 0; j < columns; j++) start[j] = -z * sums[j];
    GemmS16 p = {s.m, s.n, s.rows, s.runs, s.k, ref_wide, am, arow, arun, b16, want, s.n};
    ref->widen(na, q, z, ref_wide);
    ref->gemm_runs_s16(&p);
    FOR_EACH_ISA(isa)
    {
        const char *const name = kernels()->isa;
        kernels()->widen(na, q, z, wide);
        ck_assert_msg(memcmp(wide, ref_wide, na * sizeof *wide) == 0, "%s: widen", name);
        p.c = c;
        kernels()->gemm_runs_s16(&p);
        ck_assert_msg(memcmp(c, want, nc * sizeof *c) == 0, "%s: gemm_runs_s16 %d x %d x %d", name, s.m, s.n, s.k);
        if (kernels()->gemm_runs_s8 == NULL) continue;
        memset(c, 0x55, nc * sizeof *c);
        kernels()->gemm_runs_s8(&(GemmS8){s.m, s.n, s.rows, s.runs, s.k, q, am, arow, arun, b8, start, sums, c, s.n});
        ck_assert_msg(memcmp(c, want, nc * sizeof *c) == 0, "%s: gemm_runs_s8 %d x %d x %d", name, s.m, s.n, s.k);
    }
}

START_TEST(products_agree_bit_for_bit)
{
    static const Size sizes[] = {{1, 10, 1, 1, 577}, {1, 64, 3, 1, 48},  {3, 17, 2, 2, 5},   {7, 70, 1, 1, 64},
                                 {8, 64, 3, 1, 192}, {13, 33, 1, 3, 68}, {16, 16, 3, 1, 48}, {17, 32, 5, 1, 30},
                                 {32, 16, 3, 1, 48}, {33, 31, 1, 1, 1},  {49, 48, 3, 3, 3},  {96, 65, 1, 1, 100}};
    Arena *arena = arena_create();
    const Kernels *const ref = reference();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int z = -128; z <= 127; z += 85) {
            arena_reset(arena);
            check_product(arena, ref, sizes[i], z);
        }
    arena_destroy(arena);
}
END_TEST

START_TEST(depthwise_agrees_bit_for_bit)
{
    Arena *arena = arena_create();
    const Kernels *const ref = reference();
    for (int i = 0; i < kernel_case_count; i++) {
        const KernelCase *k = &kernel_cases[i];
        if (!k->depthwise) continue;
        arena_reset(arena);
        const ConvGeom g = oracle_geom(k->g);
        const size_t nx = oracle_input_count(&g, k->images), ny = oracle_output_count(&g, k->images);
        int8_t *x = ARENA_ARRAY(arena, int8_t, nx), *w = ARENA_ARRAY(arena, int8_t, oracle_weight_count(&g));
        int32_t *want = ARENA_ARRAY(arena, int32_t, ny), *acc = ARENA_ARRAY(arena, int32_t, ny);
        fill_extreme(nx, 61, -128, x);
        fill_extreme(oracle_weight_count(&g), 62, -127, w);
        for (int z = -128; z <= 127; z += 255) {
            ref->dwconv_s8_forward(&g, k->images, x, z, w, want);
            FOR_EACH_ISA(isa)
            {
                memset(acc, 0x55, ny * sizeof *acc);
                kernels()->dwconv_s8_forward(&g, k->images, x, z, w, acc);
                ck_assert_msg(memcmp(acc, want, ny * sizeof *acc) == 0, "%s: %s", kernels()->isa, k->name);
            }
        }
    }
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("dispatch", each_level_includes_the_lower_ones, a_level_is_had_or_refused_in_one_line,
          products_agree_bit_for_bit, depthwise_agrees_bit_for_bit)
