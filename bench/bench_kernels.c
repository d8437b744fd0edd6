/* Speed of the kernels, each compared with what the machine can do at most, measured in the same run.
 *
 *     bench_kernels [--threads T] [--images N] [SHAPE...]      BITFOLD_ISA chooses the variant
 *
 * A kernel is timed only after its result agreed with the reference variant.  SHAPE: part of a name; default: all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/convolutions.h"
#include "bench/passes.h"
#include "bench/peak.h"

enum { PASS_BYTES = 8 << 20, MEMORY_BYTES = 256 << 20 /* beyond the caches */ };

typedef struct {
    int threads, images;
    char **shapes; /* NULL-ended */
    const char *isa;
    double floats, bytes8, triad; /* peaks */
} Bench;

static int disagrees(const char *name, const char *what, const char *isa)
{
    fprintf(stderr, "bench_kernels: %s: %s: %s disagrees with ref; not timed\n", name, what, isa);
    return 1;
}

static bool wanted(const Bench *b, const char *name)
{
    for (char **s = b->shapes; *s != NULL; s++)
        if (strstr(name, *s) != NULL) return true;
    return *b->shapes == NULL;
}

static void print_rate(double rate, double peak)
{
    if (peak > 0)
        printf("%7.1f (%3.0f%%)", rate / 1e9, 100 * rate / peak);
    else
        printf("%14.1f", rate / 1e9);
}

static int bench_convolutions(const Bench *b, Arena *arena)
{
    printf("\n%-26s", "GFLOP/s, GOP/s (of peak)");
    for (int d = 0; d < DIRECTIONS; d++) printf("%14s", direction_names[d]);
    printf("\n");
    for (int s = 0; s < bench_shape_count; s++) {
        if (!wanted(b, bench_shapes[s].name)) continue;
        arena_reset(arena);
        Convolution *c = convolution_make(arena, &bench_shapes[s], b->threads, b->images);
        printf("%-26s", bench_shapes[s].name);
        for (int d = 0; d < DIRECTIONS; d++) {
            const Race race = convolution_race(c, (Direction)d);
            if (!race_agrees(arena, &race, b->isa)) return disagrees(bench_shapes[s].name, direction_names[d], b->isa);
            print_rate(convolution_operations(c) / race_seconds(&race), d == FORWARD_S8 ? b->bytes8 : b->floats);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}

static int bench_passes(const Bench *b, Arena *arena)
{
    arena_reset(arena);
    Passes *p = passes_make(arena, b->threads, PASS_BYTES);
    printf("\nGB/s (of triad)\n");
    for (int i = 0; i < pass_count; i++) {
        if (!wanted(b, pass_name(i))) continue;
        const Race race = pass_race(p, i);
        if (!race_agrees(arena, &race, b->isa)) return disagrees(pass_name(i), "pass", b->isa);
        printf("%-26s", pass_name(i));
        print_rate(pass_bytes(p, i) / race_seconds(&race), b->triad);
        printf("\n");
    }
    return 0;
}

static int usage(const char *problem)
{
    fprintf(stderr, "bench_kernels: %s; usage: bench_kernels [--threads T] [--images N] [SHAPE...]\n", problem);
    return 2;
}

int main(int argc, char **argv)
{
    Bench b = {.threads = 1, .images = 16, .shapes = argv + 1};
    for (; *b.shapes != NULL && strncmp(*b.shapes, "--", 2) == 0; b.shapes += 2) {
        int *to = strcmp(*b.shapes, "--threads") == 0  ? &b.threads
                  : strcmp(*b.shapes, "--images") == 0 ? &b.images
                                                       : NULL;
        if (to == NULL || b.shapes[1] == NULL) return usage(*b.shapes);
        *to = atoi(b.shapes[1]);
        if (*to < 1 || *to > 256) return usage("T and N must be 1 to 256");
    }
    const char *error, *fma, *dot;
    if (!kernels_select(NULL, &error)) return usage(error);
    (void)argc;
    b.isa = kernels()->isa;
    b.floats = peak_float(b.threads, &fma), b.bytes8 = peak_int8(b.threads, &dot);
    b.triad = peak_triad(b.threads, PASS_BYTES);
    printf("%s, %d threads, %d images each\npeak of this machine now: %.1f GFLOP/s (%s), %.1f GOP/s (%s); triad of %d "
           "MiB: %.1f GB/s, of %d MiB: %.1f GB/s\n",
           b.isa, b.threads, b.images, b.floats / 1e9, fma, b.bytes8 / 1e9, dot, PASS_BYTES >> 20, b.triad / 1e9,
           MEMORY_BYTES >> 20, peak_triad(b.threads, MEMORY_BYTES) / 1e9);
    Arena *arena = arena_create();
    int failed = bench_convolutions(&b, arena);
    if (failed == 0) failed = bench_passes(&b, arena);
    arena_destroy(arena);
    return failed;
}
