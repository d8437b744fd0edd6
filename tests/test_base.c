/* status, arena, rng, parallel, file. */
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "base/arena.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/tree_sum.h"
#include "tests/support/suite.h"

START_TEST(status_keeps_the_sentence)
{
    ck_assert_int_eq(status_fail(STATUS_CONFIG, "%s: %d; must be 1 to 31", "a.kernel", 99), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "a.kernel: 99; must be 1 to 31");
    ck_assert_int_eq(status_prefix(STATUS_CONFIG, "x.json"), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "x.json: a.kernel: 99; must be 1 to 31");
}
END_TEST

START_TEST(arena_stops_asking_after_a_reset)
{
    Arena *a = arena_create();
    for (int round = 0; round < 3; round++) {
        const size_t before = arena_system_calls(a);
        for (int i = 0; i < 100; i++) {
            unsigned char *p = arena_alloc(a, 5000);
            ck_assert_uint_eq((uintptr_t)p % 64, 0);
            memset(p, i, 5000);
        }
        if (round > 0) ck_assert_uint_eq(arena_system_calls(a), before);
        arena_reset(a);
    }
    ck_assert_ptr_null(arena_try_alloc(a, SIZE_MAX / 2));
    arena_destroy(a);
}
END_TEST

/* Known answers of the Random123 distribution for philox4x32-10: counter and key all 0, all ones. */
START_TEST(rng_is_philox)
{
    Rng zero = {.used = 4};
    const uint32_t want0[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(rng_u32(&zero), want0[i]);
    Rng ones = {.key = {~0u, ~0u}, .counter = {~0u, ~0u, ~0u, ~0u}, .used = 4};
    const uint32_t want1[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(rng_u32(&ones), want1[i]);
}
END_TEST

START_TEST(rng_draws_are_fair)
{
    Rng r = rng_make(1, RNG_TEST, 0);
    double sum = 0, squares = 0;
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        const double x = (double)rng_normal(&r);
        sum += x, squares += x * x;
        seen[rng_below(&r, 7)]++;
    }
    ck_assert_double_eq_tol(sum / 70000, 0.0, 0.02);
    ck_assert_double_eq_tol(squares / 70000, 1.0, 0.03);
    for (int i = 0; i < 7; i++) ck_assert_int_gt(seen[i], 9500);
    uint32_t order[50];
    int hit[50] = {0};
    rng_permutation(&r, 50, order);
    for (int i = 0; i < 50; i++) hit[order[i]]++;
    for (int i = 0; i < 50; i++) ck_assert_int_eq(hit[i], 1);
}
END_TEST

static void mark(void *context, int chunk, int thread)
{
    (void)thread;
    ((int *)context)[chunk]++;
}

START_TEST(parallel_runs_each_chunk_once)
{
    for (int threads = 1; threads <= 5; threads += 2) {
        parallel_set_threads(threads);
        int hits[37] = {0};
        parallel_for(37, mark, hits);
        for (int i = 0; i < 37; i++) ck_assert_int_eq(hits[i], 1);
    }
    long last = 0;
    for (int i = 0; i < 7; i++) {
        long a, b;
        parallel_range(45, 7, i, &a, &b);
        ck_assert_int_eq(a, last);
        ck_assert(b - a == 6 || b - a == 7);
        last = b;
    }
    ck_assert_int_eq(last, 45);
}
END_TEST

static void sum_and_count(void *context, const ParallelRows *rows)
{
    long *const seen = context;
    seen[2 * rows->chunk] = rows->first;
    seen[2 * rows->chunk + 1] = rows->n;
}

START_TEST(parallel_images_keeps_images_whole)
{
    for (long images = 1; images <= 40; images += 3) {
        long seen[2 * PARALLEL_CHUNKS] = {0}, next = 0;
        parallel_images(images, 7, sum_and_count, seen);
        for (int k = 0; k < parallel_chunks(images); k++) {
            long first, last;
            parallel_range(images, parallel_chunks(images), k, &first, &last);
            ck_assert_int_eq(seen[2 * k], 7 * first);
            ck_assert_int_eq(seen[2 * k + 1], 7 * (last - first));
            next += seen[2 * k + 1];
        }
        ck_assert_int_eq(next, 7 * images);
    }
}
END_TEST

static void put_brackets(void *context, int into, int from)
{
    char(*text)[64] = context, both[64];
    snprintf(both, sizeof both, "(%.20s%.20s)", text[into], text[from]);
    memcpy(text[into], both, sizeof both);
}

START_TEST(tree_sums_in_its_order)
{
    char text[6][64] = {"a", "b", "c", "d", "e", "f"};
    tree_join(6, put_brackets, text);
    ck_assert_str_eq(text[0], "(((ab)(cd))(ef))");
    /* 1 is lost beside 2^24 in float: (2^24 + 1) + (1 + 1), not ((2^24 + 1) + 1) + 1. */
    enum { N = 300 };
    float part[4][N];
    double wide[4][N];
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < N; i++) part[k][i] = k == 0 ? 16777216.0f : 1.0f, wide[k][i] = k == 0 ? 0x1p53 : 1.0;
    tree_sum_f32(4, N, part[0]);
    tree_sum_f64(4, N, wide[0]);
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq((double)part[0][i], 16777218.0);
        ck_assert_double_eq(wide[0][i], 0x1p53 + 2.0);
    }
}
END_TEST

/* What subtrees add up alone joins to the bytes of the whole, for every power of two of them. */
START_TEST(tree_sums_subtrees_apart)
{
    enum { CHUNKS = 16, N = 5 };
    float all[CHUNKS][N], apart[CHUNKS][N];
    for (int trees = 2; trees <= CHUNKS; trees *= 2) {
        Rng rng = rng_make(1, RNG_INIT, (uint64_t)trees);
        for (int k = 0; k < CHUNKS; k++)
            for (int i = 0; i < N; i++) all[k][i] = apart[k][i] = rng_normal(&rng);
        tree_sum_f32(CHUNKS, N, all[0]);
        const int each = CHUNKS / trees;
        for (int k = 0; k < trees; k++) {
            tree_sum_f32(each, N, apart[k * each]);
            memcpy(apart[k], apart[k * each], sizeof apart[k]);
        }
        tree_sum_f32(trees, N, apart[0]);
        ck_assert_mem_eq(apart[0], all[0], sizeof all[0]);
    }
}
END_TEST

static void halve_smallest(void *context, int chunk, int thread)
{
    (void)thread;
    volatile float smallest = FLT_MIN;
    ((float *)context)[chunk] = smallest * 0.5f;
}

/* A program built with -ffast-math flushes denormals in its own thread. */
START_TEST(parallel_keeps_denormals)
{
#ifdef __SSE__
    unsigned flushing = _mm_getcsr() | 0x8040; /* flush to zero, denormals are zero */
    _mm_setcsr(flushing);
    flushing = _mm_getcsr(); /* valgrind's CPU has no such flags */
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        float y[16];
        _mm_setcsr(flushing);
        parallel_for(16, halve_smallest, y);
        const unsigned after = _mm_getcsr();
        _mm_setcsr(flushing & ~0x8040u);
        ck_assert_uint_eq(after, flushing);
        for (int i = 0; i < 16; i++) ck_assert(y[i] == FLT_MIN / 2 && y[i] > 0.0f);
    }
    parallel_set_threads(2);
#else
    float y[1];
    parallel_for(1, halve_smallest, y);
    ck_assert(y[0] > 0.0f);
#endif
}
END_TEST

START_TEST(file_is_whole_or_absent)
{
    char dir[] = "/tmp/bitfold_test_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    Arena *a = arena_create();
    char *path = file_join(a, dir, "sub/x.bin");
    ck_assert_int_eq(file_make_dir(file_dirname(a, path)), STATUS_OK);
    ck_assert_int_eq(file_write(a, path, "hello", 5), STATUS_OK);
    unsigned char *data;
    size_t n;
    ck_assert_int_eq(file_read(a, path, 100, &data, &n), STATUS_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_str_eq((char *)data, "hello");
    ck_assert_int_eq(file_read(a, path, 4, &data, &n), STATUS_FORMAT);

    /* A disk that is full: the old content stays and no temporary is left behind. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    static char big[100000];
    const Status status = file_write(a, path, big, sizeof big);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "sub/x.bin: cannot write"));
    ck_assert_int_eq(file_read(a, path, 100, &data, &n), STATUS_OK);
    ck_assert_str_eq((char *)data, "hello");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(file_dirname(a, path)), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_str_eq(file_stem(a, "configs/a.b.json"), "a.b");
    arena_destroy(a);
}
END_TEST

TEST_MAIN("base", status_keeps_the_sentence, arena_stops_asking_after_a_reset, rng_is_philox, rng_draws_are_fair,
          parallel_runs_each_chunk_once, parallel_images_keeps_images_whole, tree_sums_in_its_order,
          tree_sums_subtrees_apart, parallel_keeps_denormals, file_is_whole_or_absent)
