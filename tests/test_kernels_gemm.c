/* The matrix products and conversions of every variant, around the sizes of their register tiles; the choice of a
 * variant. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/gemm_s16.h"
#include "kernels/gemm_s8.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

/* Tiles have 4, 6 or 12 rows and 4 .. 32 columns: one less, exactly, one more, and primes. */
static const int row_sizes[] = {1, 3, 4, 5, 6, 7, 11, 12, 13, 23, 25, 37};
static const int column_sizes[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 67};
static const int depths[] = {1, 2, 3, 16, 61};
#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))
#define FOR_EACH_SIZE(m, n, k)                                                                                         \
    for (int im = 0, m; im < COUNT(row_sizes) && (m = row_sizes[im], true); im++)                                      \
        for (int in = 0, n; in < COUNT(column_sizes) && (n = column_sizes[in], true); in++)                            \
            for (int ik = 0, k; ik < COUNT(depths) && (k = depths[ik], true); ik++)

enum { LD_MORE = 3, GUARD = 16 };

/* c with a border: what lies between rows and after them must stay. */
static bool border_intact(const float *c, int m, int n, int ldc, float mark)
{
    for (int i = 0; i < m; i++)
        for (int j = n; j < ldc; j++)
            if (c[i * ldc + j] != mark) return false;
    for (int j = 0; j < GUARD; j++)
        if (c[m * ldc + j] != mark) return false;
    return true;
}

/* Layout 0: a[m][k], the forward pass; 1: a[k][m], backward weights. */
static void check_f32(Arena *arena, int m, int n, int k, int layout, bool accumulate)
{
    const float mark = 0.5f;
    const ptrdiff_t ra = layout == 0 ? k + LD_MORE : 1, ca = layout == 0 ? 1 : m + LD_MORE;
    const int ldb = n + LD_MORE, ldc = n + LD_MORE;
    /* Exactly as long as it has to be, so that a sanitizer sees a read past the end. */
    const size_t na = (size_t)((m - 1) * ra + (k - 1) * ca + 1), nb = (size_t)((k - 1) * ldb + n);
    float *a = ARENA_ARRAY(arena, float, na), *b = ARENA_ARRAY(arena, float, nb);
    const size_t nc = (size_t)(m * ldc + GUARD);
    float *c = ARENA_ARRAY(arena, float, nc), *rows = ARENA_ARRAY(arena, float, nc);
    double *want = ARENA_ARRAY(arena, double, m *n), *magnitude = ARENA_ARRAY(arena, double, m *n);
    float *got = ARENA_ARRAY(arena, float, m *n);
    oracle_fill(na, 11, a);
    oracle_fill(nb, 12, b);
    for (size_t i = 0; i < nc; i++) c[i] = rows[i] = mark;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = accumulate ? (double)mark : 0, size = sum;
            if (!accumulate) c[i * ldc + j] = rows[i * ldc + j] = NAN;
            for (int p = 0; p < k; p++) {
                const double term = (double)a[i * ra + p * ca] * (double)b[p * ldb + j];
                sum += term, size += fabs(term);
            }
            want[i * n + j] = sum, magnitude[i * n + j] = size;
        }
    GemmF32 p = {.m = m,
                 .n = n,
                 .rows = 1,
                 .runs = 1,
                 .k = k,
                 .a = a,
                 .am = ra,
                 .ak = ca,
                 .b = b,
                 .bpanel = F32_PANEL,
                 .bk = ldb,
                 .c = c,
                 .ldc = ldc,
                 .accumulate = accumulate};
    kernels()->gemm_runs_f32(&p);
    for (int i = 0; i < m; i++) memcpy(got + i * n, c + i * ldc, (size_t)n * sizeof *got);
    ck_assert_msg(oracle_differences((size_t)(m * n), got, want, magnitude, 4 * (double)FLT_EPSILON) == 0 &&
                      border_intact(c, m, n, ldc, mark),
                  "%s: gemm_runs_f32 %d x %d x %d, layout %d, accumulate %d", kernels()->isa, m, n, k, layout,
                  accumulate);
    for (int from = 0; from < m; from += 5) { /* any split of the rows: the same bits */
        p.m = m - from < 5 ? m - from : 5, p.a = a + from * ra, p.c = rows + from * ldc;
        kernels()->gemm_runs_f32(&p);
    }
    ck_assert_msg(memcmp(c, rows, nc * sizeof *c) == 0,
                  "%s: gemm_runs_f32 %d x %d x %d: bits depend on the split of the rows", kernels()->isa, m, n, k);
}

START_TEST(gemm_f32_agrees_with_the_oracle)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa) FOR_EACH_SIZE(m, n, k)
    {
        arena_reset(arena);
        const int layout = (im + in + ik) % 2;
        for (int accumulate = 0; accumulate <= 1; accumulate++) check_f32(arena, m, n, k, layout, accumulate != 0);
    }
    arena_destroy(arena);
}
END_TEST

/* A depth cut in two, the second half accumulating, is the same chain: the same bits. */
START_TEST(gemm_f32_continues_its_sums)
{
    enum { M = 13, N = 35, K = 61 };
    static float a[M * K], b[K * N], whole[M * N], parts[M * N];
    oracle_fill(M * K, 21, a);
    oracle_fill(K * N, 22, b);
    FOR_EACH_ISA(isa)
    {
        GemmF32 p = {.m = M, .n = N, .rows = 1, .runs = 1, .k = K, .a = a, .am = K, .ak = 1};
        p.b = b, p.bpanel = F32_PANEL, p.bk = N, p.c = whole, p.ldc = N;
        kernels()->gemm_runs_f32(&p);
        p.k = 20, p.c = parts;
        kernels()->gemm_runs_f32(&p);
        p.k = K - 20, p.a = a + 20, p.b = b + 20 * N, p.accumulate = true;
        kernels()->gemm_runs_f32(&p);
        ck_assert_msg(memcmp(whole, parts, sizeof whole) == 0, "%s", kernels()->isa);
    }
}
END_TEST

/* q - zx reaches -255 .. 255 and weights -127 .. 127; every fourth operand is extreme. */
static void fill_s16(size_t n, uint64_t seed, int most, int16_t *v)
{
    Rng r = rng_make(seed, RNG_TEST, 2);
    for (size_t i = 0; i < n; i++) {
        const int x = (int)rng_below(&r, (uint32_t)(2 * most + 1)) - most;
        v[i] = (int16_t)(rng_below(&r, 4) > 0 ? x : x < 0 ? -most : most);
    }
}

START_TEST(gemm_s16_is_exact)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa) FOR_EACH_SIZE(m, n, k)
    {
        arena_reset(arena);
        const int even = (k + 1) / 2 * 2, lda = even + 2, ldb = k + LD_MORE, ldc = n + LD_MORE;
        int16_t *a = ARENA_ARRAY(arena, int16_t, m * lda);
        int8_t *bt = ARENA_ARRAY(arena, int8_t, n * ldb);
        int16_t *packed = ARENA_ARRAY(arena, int16_t, gemm_s16_packed_runs_count(n, 1, k));
        const size_t nc = (size_t)(m * ldc + GUARD);
        int32_t *c = ARENA_ARRAY(arena, int32_t, nc);
        fill_s16((size_t)(m * lda), 31, 255, a);
        oracle_fill_codes((size_t)(n * ldb), 32, bt);
        for (int i = 0; i < n * ldb; i += 3) bt[i] = i % 2 ? -127 : 127;
        memset(c, 0x55, nc * sizeof *c);
        gemm_s16_pack_runs(n, 1, k, bt, ldb, packed);
        kernels()->gemm_runs_s16(&(GemmS16){
            .m = m, .n = n, .rows = 1, .runs = 1, .k = k, .a = a, .am = lda, .b = packed, .c = c, .ldc = ldc});
        for (int i = 0; i < m; i++)
            for (int j = 0; j < ldc; j++) {
                int64_t want = 0x55555555;
                if (j < n) want = 0;
                for (int p = 0; p < k && j < n; p++) want += a[i * lda + p] * bt[j * ldb + p];
                ck_assert_msg(c[i * ldc + j] == want, "%s: gemm_runs_s16 %d x %d x %d: c[%d,%d] is %d; must be %lld",
                              kernels()->isa, m, n, k, i, j, c[i * ldc + j], (long long)want);
            }
        for (int j = 0; j < GUARD; j++) ck_assert_int_eq(c[m * ldc + j], 0x55555555);
    }
    arena_destroy(arena);
}
END_TEST

/* Two rows of two runs each, a at an odd stride; nothing but the readable bytes of a run is there. */
static void check_s8(Arena *arena, int m, int n, int k)
{
    enum { ROWS = 2, RUNS = 2 };
    const int padded = (k + S8_QUAD - 1) / S8_QUAD * S8_QUAD, columns = s8_columns(n), ldc = n + LD_MORE;
    const int am = 4 * padded + 1, K = ROWS * RUNS * k;
    const size_t na = (size_t)(m * am), nb = (size_t)(n * K), nc = (size_t)(m * ldc + GUARD);
    int8_t *a = ARENA_ARRAY(arena, int8_t, na), *bt = ARENA_ARRAY(arena, int8_t, nb);
    int8_t *packed = arena_alloc(arena, (size_t)s8_panels_bytes(n, ROWS * RUNS, k));
    int32_t *sums = ARENA_ARRAY(arena, int32_t, columns), *start = ARENA_ARRAY(arena, int32_t, columns);
    int32_t *c = ARENA_ARRAY(arena, int32_t, nc);
    oracle_fill_codes(na, 41, a);
    oracle_fill_codes(nb, 42, bt);
    for (size_t i = 0; i < na; i += 3) a[i] = i % 2 ? -128 : 127;
    for (size_t i = 0; i < nb; i += 3) bt[i] = i % 2 ? -127 : 127;
    for (int j = 0; j < columns; j++) start[j] = j % 3 == 0 ? INT32_MIN : 1000 * j; /* wraps on the way */
    memset(c, 0x55, nc * sizeof *c);
    gemm_s8_pack_runs(n, ROWS * RUNS, k, bt, K, packed, sums);
    kernels()->gemm_runs_s8(&(GemmS8){m, n, ROWS, RUNS, k, a, am, 2 * padded, padded, packed, start, sums, c, ldc});
    for (int i = 0; i < m; i++)
        for (int j = 0; j < ldc; j++) {
            uint32_t want = j < n ? (uint32_t)start[j] : 0x55555555;
            for (int p = 0; p < K && j < n; p++) want += (uint32_t)(a[i * am + p / k * padded + p % k] * bt[j * K + p]);
            ck_assert_msg((uint32_t)c[i * ldc + j] == want, "%s: gemm_runs_s8 %d x %d x %d: c[%d,%d] is %d; must be %d",
                          kernels()->isa, m, n, k, i, j, c[i * ldc + j], (int32_t)want);
        }
    for (int j = 0; j < GUARD; j++) ck_assert_int_eq(c[m * ldc + j], 0x55555555);
    for (int j = 0; j < n; j++) {
        int32_t sum = 0;
        for (int p = 0; p < K; p++) sum += bt[j * K + p];
        ck_assert_int_eq(sums[j], sum);
    }
}

START_TEST(gemm_s8_is_exact)
{
    Arena *arena = arena_create();
    FOR_EACH_ISA(isa)
    {
        if (kernels()->gemm_runs_s8 == NULL) continue;
        FOR_EACH_SIZE(m, n, k) arena_reset(arena), check_s8(arena, m, n, k);
        for (int k = 1; k <= 70; k++) arena_reset(arena), check_s8(arena, 17, 19, k);
        arena_reset(arena), check_s8(arena, 5, 70, 1153);
        arena_reset(arena), check_s8(arena, 33, 33, 577);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(codes_convert_by_their_law)
{
    enum { MOST = 300 };
    int8_t q[MOST];
    float real[MOST + 1];
    int16_t wide[MOST + 1];
    for (int i = 0; i < MOST; i++) q[i] = (int8_t)(i % 256 - 128);
    FOR_EACH_ISA(isa)
    for (int z = -128; z <= 127; z += 51)
        for (int n = 0; n <= MOST; n += n < 70 ? 1 : 115) {
            real[n] = 7, wide[n] = 7;
            kernels()->dequantize((size_t)n, q, 0.37f, z, real);
            kernels()->widen((size_t)n, q, z, wide);
            for (int i = 0; i < n; i++) {
                ck_assert(real[i] == 0.37f * (float)(q[i] - z));
                ck_assert_int_eq(wide[i], q[i] - z);
            }
            ck_assert(real[n] == 7 && wide[n] == 7);
        }
}
END_TEST

START_TEST(variant_is_chosen_or_refused)
{
    const char *error = NULL;
    const Kernels *const before = kernels();
    ck_assert_ptr_nonnull(before);
    ck_assert(!kernels_select("sse9", &error));
    ck_assert_ptr_nonnull(strstr(error, "unknown"));
    ck_assert_ptr_eq(kernels(), before);
    ck_assert(kernels_select("ref", &error));
    ck_assert_str_eq(kernels()->isa, "ref");
    const char *const given = getenv("BITFOLD_ISA");
    char *const kept = given == NULL ? NULL : strdup(given);
    setenv("BITFOLD_ISA", "nonsense", 1);
    ck_assert(!kernels_select(NULL, &error));
    setenv("BITFOLD_ISA", "ref", 1);
    ck_assert(kernels_select(NULL, &error));
    ck_assert_str_eq(kernels()->isa, "ref");
    unsetenv("BITFOLD_ISA");
    ck_assert(kernels_select(NULL, &error));
    const Kernels *const best = kernels();
    int variants = 0;
    const Kernels *last = NULL;
    FOR_EACH_ISA(isa) last = kernels(), variants++;
    ck_assert_int_ge(variants, 1);
    ck_assert_ptr_eq(best, last);
    if (kept != NULL) setenv("BITFOLD_ISA", kept, 1);
    free(kept);
    ck_assert(kernels_select(NULL, &error));
}
END_TEST

TEST_MAIN("kernels_gemm", gemm_f32_agrees_with_the_oracle, gemm_f32_continues_its_sums, gemm_s16_is_exact,
          gemm_s8_is_exact, codes_convert_by_their_law, variant_is_chosen_or_refused)
