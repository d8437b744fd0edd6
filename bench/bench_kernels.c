/* GFLOP/s of the convolution kernels on one thread, each beside the multiply-add peak measured in the same run.
 *
 *     bench_kernels [IMAGES]      every shape below; BITFOLD_ISA chooses the variant
 *
 * A shape is timed only after its result agreed with the reference variant.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/rng.h"
#include "kernels/isa.h"

typedef struct {
    const char *name;
    ConvGeom g;
    bool depthwise;
} Shape;

#define CONV(H, W, C, O, K, S, P0, P1)                                                                                 \
    {                                                                                                                  \
        .h = H, .w = W, .c = C, .o = O, .kh = K, .kw = K, .sh = S, .sw = S, .dh = 1, .dw = 1, .pt = P0, .pb = P1,      \
        .pl = P0, .pr = P1, .groups = 1, .oh = (H + P0 + P1 - K) / S + 1, .ow = (W + P0 + P1 - K) / S + 1              \
    }
#define DEPTHWISE(H, W, C, S)                                                                                          \
    {                                                                                                                  \
        .h = H, .w = W, .c = C, .o = C, .kh = 3, .kw = 3, .sh = S, .sw = S, .dh = 1, .dw = 1, .pt = 1, .pb = 1,        \
        .pl = 1, .pr = 1, .groups = C, .oh = (H + 2 - 3) / S + 1, .ow = (W + 2 - 3) / S + 1                            \
    }

static const Shape shapes[] = {
    {"32x32x3 to 16, 3x3", CONV(32, 32, 3, 16, 3, 1, 1, 1), false},
    {"32x32x16 to 16, 3x3", CONV(32, 32, 16, 16, 3, 1, 1, 1), false},
    {"32x32x16 to 32, 3x3, /2", CONV(32, 32, 16, 32, 3, 2, 0, 1), false},
    {"16x16x32 to 32, 3x3", CONV(16, 16, 32, 32, 3, 1, 1, 1), false},
    {"16x16x32 to 64, 3x3, /2", CONV(16, 16, 32, 64, 3, 2, 0, 1), false},
    {"8x8x64 to 64, 3x3", CONV(8, 8, 64, 64, 3, 1, 1, 1), false},
    {"32x32x16 to 32, 1x1, /2", CONV(32, 32, 16, 32, 1, 2, 0, 0), false},
    {"12x12x64 to 64, 1x1", CONV(12, 12, 64, 64, 1, 1, 0, 0), false},
    {"3x3x256 to 256, 1x1", CONV(3, 3, 256, 256, 1, 1, 0, 0), false},
    {"28x28x1 to 6, 5x5", CONV(28, 28, 1, 6, 5, 1, 2, 2), false},
    {"14x14x6 to 16, 5x5", CONV(14, 14, 6, 16, 5, 1, 0, 0), false},
    {"4x4x512 to 512, 3x3", CONV(4, 4, 512, 512, 3, 1, 1, 1), false},
    {"dense 1024 to 1024", CONV(1, 1, 1024, 1024, 1, 1, 0, 0), false},
    {"dense 400 to 120", CONV(1, 1, 400, 120, 1, 1, 0, 0), false},
    {"depthwise 48x48x8", DEPTHWISE(48, 48, 8, 1), true},
    {"depthwise 24x24x32", DEPTHWISE(24, 24, 32, 1), true},
    {"depthwise 25x5x64", DEPTHWISE(25, 5, 64, 1), true},
    {"depthwise 6x6x128", DEPTHWISE(6, 6, 128, 1), true},
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    ConvGeom g;
    bool depthwise;
    int images;
    ConvInput floats, codes;
    const float *w, *dy;
    float *packed, *out;
    const int8_t *qw;
    void *packed_s8;
    int32_t *acc;
    void *scratch;
} Work;

typedef enum { FORWARD, FORWARD_CODES, BACKWARD_DATA, BACKWARD_WEIGHTS, FORWARD_S8, KINDS } Kind;
static const char *const kind_names[] = {"forward", "from codes", "bwd data", "bwd weights", "int8"};

static void run(const Work *w, Kind kind)
{
    const Kernels *t = kernels();
    const ConvGeom *g = &w->g;
    const int n = w->images;
    const ConvInput x = kind == FORWARD_CODES ? w->codes : w->floats;
    if (w->depthwise) {
        if (kind == FORWARD || kind == FORWARD_CODES) t->dwconv_f32_forward(g, n, x, w->w, w->out);
        if (kind == BACKWARD_DATA) t->dwconv_f32_backward_data(g, n, w->dy, w->w, w->out);
        if (kind == BACKWARD_WEIGHTS) t->dwconv_f32_backward_weights(g, n, x, w->dy, w->out);
        if (kind == FORWARD_S8) t->dwconv_s8_forward(g, n, w->codes.codes, 3, w->qw, w->acc);
    } else {
        if (kind == FORWARD || kind == FORWARD_CODES) conv_f32_forward(g, n, x, w->packed, w->out, w->scratch);
        if (kind == BACKWARD_DATA) conv_f32_backward_data(g, n, w->dy, w->w, w->out, w->scratch);
        if (kind == BACKWARD_WEIGHTS) conv_f32_backward_weights(g, n, x, w->dy, w->out, w->scratch);
        if (kind == FORWARD_S8) conv_s8_forward(g, n, w->codes.codes, 3, w->packed_s8, w->acc, w->scratch);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of one run. */
static double seconds(const Work *w, Kind kind)
{
    enum { REPEATS = 7 };
    double times[REPEATS];
    run(w, kind);
    for (int i = 0; i < REPEATS; i++) {
        const double start = now_s();
        run(w, kind);
        times[i] = now_s() - start;
    }
    qsort(times, REPEATS, sizeof times[0], by_value);
    return times[REPEATS / 2];
}

/* Multiply-adds on registers alone: nothing can be faster.  The loops keep 24 (12) independent sums in flight. */
#ifdef __x86_64__
#include <immintrin.h>
#define FMA_LOOP(name, isa, V, SUMS, set1, fma, reduce)                                                                \
    __attribute__((target(isa))) static double name(long rounds)                                                       \
    {                                                                                                                  \
        V sum[SUMS];                                                                                                   \
        const V a = set1(0.999f), b = set1(1e-3f);                                                                     \
        UNROLL for (int i = 0; i < SUMS; i++) sum[i] = set1((float)i);                                                 \
        for (long r = 0; r < rounds; r++) UNROLL for (int i = 0; i < SUMS; i++) sum[i] = fma(sum[i], a, b);            \
        for (int i = 1; i < SUMS; i++) sum[0] = fma(sum[i], a, sum[0]);                                                \
        sink += reduce(sum[0]);                                                                                        \
        return 2.0 * SUMS * (double)(sizeof(V) / sizeof(float)) * (double)rounds;                                      \
    }
static volatile float sink;
FMA_LOOP(fma_512, "avx512f", __m512, 24, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)
FMA_LOOP(fma_256, "avx2,fma", __m256, 12, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
static double registers(long rounds)
{
    if (__builtin_cpu_supports("avx512f")) return fma_512(rounds);
    return __builtin_cpu_supports("fma") ? fma_256(rounds) : 0;
}
#else
static double registers(long rounds) { return 0 * (double)rounds; }
#endif

/* The gemm on operands that fit L1 and fill every tile. */
static double from_l1(long rounds)
{
    enum { M = 12, N = 32, K = 128 };
    static float a[M * K], b[N * K], c[M * N];
    for (long i = 0; i < rounds; i++) kernels()->gemm_f32(M, N, K, a, K, 1, b, N, c, N, true);
    return 2.0 * M * N * K * (double)rounds;
}

static double best_rate(double (*loop)(long), long rounds)
{
    double best = 0;
    for (int i = 0; i < 15; i++) {
        const double start = now_s(), flops = loop(rounds), rate = flops / (now_s() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static float *floats(Arena *arena, size_t n, uint64_t seed)
{
    float *x = ARENA_ARRAY(arena, float, n);
    Rng r = rng_make(seed, RNG_TEST, 0);
    for (size_t i = 0; i < n; i++) x[i] = rng_normal(&r);
    return x;
}

static int8_t *code_values(Arena *arena, size_t n, uint64_t seed)
{
    int8_t *q = ARENA_ARRAY(arena, int8_t, n);
    Rng r = rng_make(seed, RNG_TEST, 1);
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)(rng_below(&r, 255) - 127);
    return q;
}

static void pack(const Work *w)
{
    if (w->depthwise) return;
    conv_f32_pack(&w->g, w->w, w->packed);
    conv_s8_pack(&w->g, w->qw, w->packed_s8);
}

/* The variant against ref, all kinds; the largest difference relative to the largest value. */
static bool agrees(Arena *arena, const Work *w, const char *isa, size_t n)
{
    const char *error;
    float *want = ARENA_ARRAY(arena, float, n);
    for (int kind = 0; kind < KINDS; kind++) {
        const bool integers = kind == FORWARD_S8;
        float *got = w->out;
        if (integers) got = (void *)w->acc;
        kernels_select("ref", &error);
        memset(got, 0, n * sizeof *got);
        run(w, (Kind)kind);
        memcpy(want, got, n * sizeof *want);
        kernels_select(isa, &error);
        memset(got, 0, n * sizeof *got);
        run(w, (Kind)kind);
        double largest = 1e-30, off = 0;
        for (size_t i = 0; i < n && !integers; i++) {
            largest = fmax(largest, fabs((double)want[i]));
            off = fmax(off, fabs((double)want[i] - (double)got[i]));
        }
        if (integers ? memcmp(want, got, n * sizeof *want) != 0 : !(off < 1e-4 * largest)) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const int images = argc > 1 ? atoi(argv[1]) : 16;
    const char *error;
    if (images < 1 || !kernels_select(NULL, &error)) {
        fprintf(stderr, "bench_kernels: %s\n", images < 1 ? "IMAGES: must be 1 or more" : error);
        return 2;
    }
    Arena *arena = arena_create();
    const char *isa = kernels()->isa;
    const double l1 = best_rate(from_l1, 2000), limit = best_rate(registers, 300000), peak = fmax(limit, l1);
    printf("%s, one thread, %d images\npeak of this CPU now: %.1f GFLOP/s; gemm from L1: %.1f\n", isa, images,
           peak / 1e9, l1 / 1e9);
    printf("%-26s", "GFLOP/s (% of peak)");
    for (int kind = 0; kind < KINDS; kind++) printf("%14s", kind_names[kind]);
    printf("\n");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        arena_reset(arena);
        Work w = {.g = shapes[s].g, .depthwise = shapes[s].depthwise, .images = images};
        const ConvGeom *g = &w.g;
        const size_t nx = (size_t)images * (size_t)(g->h * g->w * g->c),
                     ny = (size_t)images * (size_t)(g->oh * g->ow * g->o);
        const size_t nw = (size_t)(g->o * g->kh * g->kw * (g->c / g->groups));
        const size_t most = nx > ny ? (nx > nw ? nx : nw) : ny > nw ? ny : nw;
        w.codes = (ConvInput){.codes = code_values(arena, nx, 1), .scale = 0.02f, .zero_point = 3};
        w.floats = (ConvInput){.x = floats(arena, nx, 2)};
        w.w = floats(arena, nw, 3), w.dy = floats(arena, ny, 4), w.qw = code_values(arena, nw, 5);
        w.packed = ARENA_ARRAY(arena, float, conv_f32_packed_count(g));
        w.packed_s8 = arena_alloc(arena, conv_s8_packed_bytes(g));
        w.out = ARENA_ARRAY(arena, float, most), w.acc = ARENA_ARRAY(arena, int32_t, most);
        w.scratch = arena_alloc(arena, conv_scratch_bytes(g) + conv_s8_scratch_bytes(g));
        pack(&w);
        if (!agrees(arena, &w, isa, most)) {
            fprintf(stderr, "bench_kernels: %s: %s disagrees with ref; not timed\n", shapes[s].name, isa);
            return 1;
        }
        const double flops = 2.0 * (double)ny * g->kh * g->kw * (g->c / g->groups);
        printf("%-26s", shapes[s].name);
        for (int kind = 0; kind < KINDS; kind++) {
            const double rate = flops / seconds(&w, (Kind)kind);
            printf("%7.1f (%3.0f%%)", rate / 1e9, 100 * rate / peak);
        }
        printf("\n");
    }
    arena_destroy(arena);
    return 0;
}
