/* Drawn bars at every angle, made from the seed alone: pictures whose targets are real numbers.
 *
 *     pixel = 128 + 80 g (coverage - 1/2) + 40 noise N,   N ~ normal(0, 1)
 *
 * A bar has a centre within a sixth of the sides about the middle, a length of 0.5 to 0.8 and a width of 0.1 to 0.2 of
 * the shorter side, a contrast g of 0.7 to 1.3 and an angle a of 0 to half a turn, after which it is the same bar.  So
 * its targets are cos 2a and sin 2a, which have no jump anywhere.  The coverage of a pixel is 1/2 less its centre's
 * distance from the edge, within 0 and 1. */
#include <math.h>

#include "base/rng.h"
#include "datasets/reader.h"

enum { VALUES = 2 };
static const char *const names[VALUES] = {"cos2a", "sin2a"};

typedef struct {
    uint64_t seed;
    int first; /* the split's first image among all */
    float noise;
} Recipe;

typedef struct {
    double y, x, cosine, sine; /* centre, direction */
    double length, width;      /* half of each */
    double contrast;
} Bar;

/* The bar of an image, and the generator of its noise. */
static Bar bar_of(const Recipe *r, int index, const int hwc[3], Rng *rng)
{
    *rng = rng_make(r->seed, RNG_SYNTHETIC, (uint64_t)MAX_CLASSES + (uint64_t)r->first + (uint64_t)index);
    const double h = hwc[0], w = hwc[1], side = fmin(h, w), half_turn = 3.141592653589793;
    double u[6];
    for (int i = 0; i < 6; i++) u[i] = (double)rng_uniform(rng);
    return (Bar){.y = h * (0.5 + (u[0] - 0.5) / 3) - 0.5,
                 .x = w * (0.5 + (u[1] - 0.5) / 3) - 0.5,
                 .cosine = cos(half_turn * u[2]),
                 .sine = sin(half_turn * u[2]),
                 .length = side * (0.25 + 0.15 * u[3]),
                 .width = side * (0.05 + 0.05 * u[4]),
                 .contrast = 0.7 + 0.6 * u[5]};
}

/* How far a point lies outside the bar; below 0 inside. */
static double distance(const Bar *b, double y, double x)
{
    const double dy = y - b->y, dx = x - b->x;
    const double along = fabs(b->cosine * dx + b->sine * dy) - b->length;
    const double across = fabs(b->cosine * dy - b->sine * dx) - b->width;
    return fmax(along, across);
}

static Status make_sample(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    (void)scratch;
    const int *hwc = source->input.dim;
    const Recipe *r = source->context;
    Rng rng;
    const Bar b = bar_of(r, index, hwc, &rng);
    for (int y = 0; y < hwc[0]; y++)
        for (int x = 0; x < hwc[1]; x++) {
            const double coverage = fmin(fmax(0.5 - distance(&b, y, x), 0.0), 1.0);
            for (int c = 0; c < hwc[2]; c++) {
                const double noise = r->noise > 0 ? (double)(r->noise * rng_normal(&rng)) : 0.0;
                const double v = 128.5 + 80 * b.contrast * (coverage - 0.5) + 40 * noise;
                *input++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
    return STATUS_OK;
}

static Status make_set(const Recipe *recipe, int n, const int hwc[3], Arena *arena, DataSplits *out, Dataset *set)
{
    SampleSource *source;
    Recipe *own = ARENA_ARRAY(arena, Recipe, 1);
    *own = *recipe;
    float *values = arena_try_alloc(arena, (size_t)n * VALUES * sizeof *values);
    if (values == NULL) return status_prefix(STATUS_NOMEM, "data: %d bars", n);
    for (int i = 0; i < n; i++) {
        Rng rng;
        const Bar b = bar_of(own, i, hwc, &rng);
        values[VALUES * i] = (float)(b.cosine * b.cosine - b.sine * b.sine);
        values[VALUES * i + 1] = (float)(2 * b.cosine * b.sine);
    }
    TRY(source_of_files(arena, n, hwc, targets_values(VALUES, values), make_sample, own,
                        reader_keeps(out, (uint64_t)n, hwc), &source));
    *set = dataset_of(source, VALUES);
    return STATUS_OK;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    Recipe recipe = {seed, 0, (float)cfg->synthetic_noise};
    TRY(made_counts(cfg));
    TRY(make_set(&recipe, cfg->synthetic_train, want_hwc, arena, out, &out->train));
    recipe.first = cfg->synthetic_train;
    TRY(make_set(&recipe, cfg->synthetic_test, want_hwc, arena, out, &out->test));
    out->class_names = ARENA_ARRAY(arena, const char *, VALUES);
    for (int k = 0; k < VALUES; k++) out->class_names[k] = names[k];
    return value_names(cfg, VALUES, out);
}

const DatasetType dataset_bars = {.name = "bars",
                                  .doc = "a bar at some angle a, made from the seed; its targets are cos 2a and sin 2a",
                                  .load = load,
                                  .made = true,
                                  .gives = GIVES_VALUES};
