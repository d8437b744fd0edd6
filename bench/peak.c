#include "bench/peak.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "kernels/kernels.h"
#include "kernels/tiles.h"

enum { ROUNDS = 200000, REPEATS = 11, SUMS = 12 };

/* Operations of `rounds` rounds. */
typedef double Loop(long rounds);

/* SUMS independent sums in registers hide the latency of 4 cycles at up to 3 instructions a cycle.  The instruction is
 * written out: a compiler must neither merge nor drop it. */
#define LOOP(function, isa, instruction, V, zero, lanes)                                                               \
    __attribute__((target(isa))) static double function(long rounds)                                                   \
    {                                                                                                                  \
        V s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero, s8 = zero,           \
          s9 = zero, s10 = zero, s11 = zero;                                                                           \
        const V a = zero, b = zero;                                                                                    \
        for (long r = 0; r < rounds; r++)                                                                              \
            __asm__ volatile(instruction " %13, %12, %0\n\t" instruction " %13, %12, %1\n\t" instruction               \
                                         " %13, %12, %2\n\t" instruction " %13, %12, %3\n\t" instruction               \
                                         " %13, %12, %4\n\t" instruction " %13, %12, %5\n\t" instruction               \
                                         " %13, %12, %6\n\t" instruction " %13, %12, %7\n\t" instruction               \
                                         " %13, %12, %8\n\t" instruction " %13, %12, %9\n\t" instruction               \
                                         " %13, %12, %10\n\t" instruction " %13, %12, %11"                             \
                             : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7),         \
                               "+v"(s8), "+v"(s9), "+v"(s10), "+v"(s11)                                                \
                             : "v"(a), "v"(b));                                                                        \
        return 2.0 * SUMS * lanes * (double)rounds;                                                                    \
    }

/* From the lowest to the highest; the last one the CPU has is the peak.  All zeros: no denormals on the way. */
typedef struct {
    const char *name;
    bool here;
    Loop *loop;
} Peak;

#ifdef __x86_64__
#include <immintrin.h>
LOOP(fma_256, "avx2,fma", "vfmadd231ps", __m256, _mm256_setzero_ps(), 8)
LOOP(fma_512, "avx512f", "vfmadd231ps", __m512, _mm512_setzero_ps(), 16)
LOOP(dot_512, "avx512f,avx512vnni", "vpdpbusd", __m512i, _mm512_setzero_si512(), 64)

/* SUMS products of 16 x 64 by 64 x 16 a round, four sums in turn. */
static double dot_tiles(long rounds)
{
    TileConfig config = {.palette = 1};
    for (int t = 0; t < TILE_COUNT; t++) config.row_bytes[t] = TILE_BYTES, config.rows[t] = TILE_ROWS;
    tile_configure(&config);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS / 4; i++) {
            tile_dot(0, 4, 6);
            tile_dot(1, 4, 7);
            tile_dot(2, 5, 6);
            tile_dot(3, 5, 7);
        }
    return 2.0 * SUMS * TILE_ROWS * TILE_ROWS * TILE_BYTES * (double)rounds;
}
#endif

typedef struct {
    Loop *loop;
    double operations[256];
} PeakRun;

static void run_loop(void *context, int chunk, int thread)
{
    (void)thread;
    PeakRun *race = context;
    race->operations[chunk] = race->loop(ROUNDS);
}

static double best_rate(Loop *loop, int threads)
{
    PeakRun race = {.loop = loop};
    double best = 0;
    parallel_set_threads(threads);
    for (int i = 0; i < REPEATS; i++) {
        const double start = timing_seconds();
        parallel_for(threads, run_loop, &race);
        const double rate = race.operations[0] * threads / (timing_seconds() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static double highest(const Peak *peaks, int n, int threads, const char **name)
{
    *name = "none";
    double rate = 0;
    for (int i = n - 1; i >= 0 && rate == 0; i--)
        if (peaks[i].here) *name = peaks[i].name, rate = best_rate(peaks[i].loop, threads);
    return rate;
}

double peak_float(int threads, const char **name)
{
#ifdef __x86_64__
    const Peak peaks[] = {
        {"AVX2 FMA", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), fma_256},
        {"AVX-512 FMA", __builtin_cpu_supports("avx512f"), fma_512},
    };
    return highest(peaks, sizeof peaks / sizeof peaks[0], threads, name);
#else
    return highest(NULL, 0, threads, name);
#endif
}

double peak_int8(int threads, const char **name)
{
#ifdef __x86_64__
    const Peak peaks[] = {
        {"vpdpbusd", __builtin_cpu_supports("avx512vnni"), dot_512},
        {"tdpbssd", strcmp(kernels()->isa, "amx") == 0, dot_tiles},
    };
    return highest(peaks, sizeof peaks / sizeof peaks[0], threads, name);
#else
    return highest(NULL, 0, threads, name);
#endif
}

typedef struct {
    float *a, *b, *c;
    size_t n; /* of each array, each thread's */
    int times;
} Triad;

static void run_triad(void *context, int chunk, int thread)
{
    (void)thread;
    const Triad *t = context;
    float *restrict a = t->a + (size_t)chunk * t->n;
    const float *restrict b = t->b + (size_t)chunk * t->n, *restrict c = t->c + (size_t)chunk * t->n;
    for (int r = 0; r < t->times; r++)
        for (size_t i = 0; i < t->n; i++) a[i] = b[i] + 0.5f * c[i];
}

double peak_triad(int threads, size_t bytes)
{
    enum { BYTES_A_RUN = 64 << 20 };
    Arena *arena = arena_create();
    Triad t = {.n = bytes / (3 * sizeof(float)) / (size_t)threads, .times = (int)(BYTES_A_RUN / bytes) + 1};
    const size_t all = t.n * (size_t)threads;
    t.a = ARENA_ARRAY(arena, float, all), t.b = ARENA_ARRAY(arena, float, all), t.c = ARENA_ARRAY(arena, float, all);
    double best = 0;
    parallel_set_threads(threads);
    for (int i = 0; i < REPEATS; i++) {
        const double start = timing_seconds();
        parallel_for(threads, run_triad, &t);
        const double rate = 3.0 * sizeof(float) * (double)all * t.times / (timing_seconds() - start);
        if (rate > best) best = rate;
    }
    arena_destroy(arena);
    return best;
}
