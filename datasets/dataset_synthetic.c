/* Images made from the seed alone, of any shape, for tests and benchmarks.
 *
 *     pixel = 128 + 40 (g T_class[(y + dy) mod H, (x + dx) mod W, c] + noise N),   N ~ normal(0, 1)
 *
 * T_class is a sum of WAVES plane waves of low frequency, scaled to variance 1; each image has a place (dx, dy) of up
 * to a quarter of the side and a gain g of 0.7 to 1.3 of its own, so that a class is more than its mean image. */
#include <math.h>

#include "base/rng.h"
#include "datasets/reader.h"

enum { WAVES = 6, MAX_FREQUENCY = 3, CLASSES = 10 };

static void make_template(uint64_t seed, int class, const int hwc[3], float *t)
{
    const int h = hwc[0], w = hwc[1], c = hwc[2];
    const double tau = 6.283185307179586;
    Rng rng = rng_make(seed, RNG_SYNTHETIC, (uint64_t) class);
    for (int64_t i = 0; i < (int64_t)h * w * c; i++) t[i] = 0;
    for (int wave = 0; wave < WAVES; wave++) {
        int fy, fx;
        do { /* not the constant wave */
            fy = (int)rng_below(&rng, 2 * MAX_FREQUENCY + 1) - MAX_FREQUENCY;
            fx = (int)rng_below(&rng, 2 * MAX_FREQUENCY + 1) - MAX_FREQUENCY;
        } while (fy == 0 && fx == 0);
        for (int k = 0; k < c; k++) {
            const double phase = (double)rng_uniform(&rng);
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++)
                    t[((int64_t)y * w + x) * c + k] +=
                        (float)sin(tau * ((double)fy * y / h + (double)fx * x / w + phase));
        }
    }
    const float unit = (float)sqrt(2.0 / WAVES); /* a wave has variance 1/2 */
    for (int64_t i = 0; i < (int64_t)h * w * c; i++) t[i] *= unit;
}

static void make_image(Rng *rng, const int hwc[3], const float *t, float noise, uint8_t *out)
{
    const int h = hwc[0], w = hwc[1], c = hwc[2];
    const int dy = (int)rng_below(rng, (uint32_t)h / 4 + 1), dx = (int)rng_below(rng, (uint32_t)w / 4 + 1);
    const float gain = 0.7f + 0.6f * rng_uniform(rng);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const float *from = t + ((int64_t)((y + dy) % h) * w + (x + dx) % w) * c;
            for (int k = 0; k < c; k++) {
                const float v = 128.5f + 40.0f * (gain * from[k] + (noise > 0 ? noise * rng_normal(rng) : 0.0f));
                *out++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
}

/* What the images of a split are made from.  Image i of the whole data set (training images first) has class i mod
 * classes. */
typedef struct {
    uint64_t seed;
    int first, classes; /* the split's first image */
    float noise;
    const float *templates; /* [classes,H,W,C] */
} Recipe;

static Status make_sample(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    (void)scratch;
    const Recipe *r = source->context;
    const uint64_t i = (uint64_t)r->first + (uint64_t)index;
    Rng rng = rng_make(r->seed, RNG_SYNTHETIC, (uint64_t)MAX_CLASSES + i);
    const size_t class = i % (uint64_t)r->classes;
    make_image(&rng, source->input.dim, r->templates + class * sample_bytes(&source->input), r->noise, input);
    return STATUS_OK;
}

/* Images that may be kept are made now. */
static Status make_set(const Recipe *recipe, int n, const int hwc[3], Arena *arena, DataSplits *out, Dataset *set)
{
    SampleSource *source;
    Recipe *own = ARENA_ARRAY(arena, Recipe, 1);
    *own = *recipe;
    int32_t *labels = arena_try_alloc(arena, (size_t)n * sizeof *labels);
    if (labels == NULL) return status_prefix(STATUS_NOMEM, "data: %d synthetic images", n);
    for (int i = 0; i < n; i++) labels[i] = (recipe->first + i) % recipe->classes;
    TRY(source_of_files(arena, n, hwc, targets_classes(labels), make_sample, own, false, &source));
    if (reader_keeps(out, (uint64_t)n, hwc)) {
        const size_t image = sample_bytes(&source->input);
        uint8_t *images = arena_try_alloc(arena, (size_t)n * image);
        if (images == NULL) return status_prefix(STATUS_NOMEM, "data: %d synthetic images", n);
        for (int i = 0; i < n; i++) TRY(make_sample(source, i, arena, images + (size_t)i * image));
        source = source_of_bytes(arena, n, hwc, images, targets_classes(labels));
    }
    *set = dataset_of(source, recipe->classes);
    return STATUS_OK;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    const int classes = label_limit(cfg, CLASSES);
    TRY(made_counts(cfg));
    const size_t image = (size_t)want_hwc[0] * (size_t)want_hwc[1] * (size_t)want_hwc[2];
    float *templates = arena_try_alloc(arena, (size_t)classes * image * sizeof *templates);
    if (templates == NULL) return status_prefix(STATUS_NOMEM, "data: %d classes", classes);
    for (int k = 0; k < classes; k++) make_template(seed, k, want_hwc, templates + (size_t)k * image);
    Recipe recipe = {seed, 0, classes, (float)cfg->synthetic_noise, templates};
    TRY(make_set(&recipe, cfg->synthetic_train, want_hwc, arena, out, &out->train));
    recipe.first = cfg->synthetic_train;
    return make_set(&recipe, cfg->synthetic_test, want_hwc, arena, out, &out->test);
}

const DatasetType dataset_synthetic = {
    .name = "synthetic", .doc = "separable classes of any shape, made from the seed", .load = load, .made = true};
