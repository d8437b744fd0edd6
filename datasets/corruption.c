#include "datasets/corruption.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

const char *const corruption_names[] = {"none", "brightness", "contrast", "noise", "blur", NULL};

typedef struct {
    const SampleSource *from;
    CorruptionConfig config;
    uint64_t seed;
} Corruption;

static uint8_t pixel(double v) { return (uint8_t)fmin(fmax(rint(v), 0.0), 255.0); }

static void change_values(const Corruption *c, int index, size_t n, uint8_t *p)
{
    Rng rng = rng_make(c->seed, RNG_CORRUPT, (uint64_t)index);
    const double amount = c->config.amount;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)p[i];
        switch ((CorruptionKind)c->config.corruption) {
        case CORRUPTION_BRIGHTNESS:
            p[i] = pixel(v + 255.0 * amount);
            break;
        case CORRUPTION_CONTRAST:
            p[i] = pixel(127.5 + (1.0 + amount) * (v - 127.5));
            break;
        case CORRUPTION_NOISE:
            p[i] = pixel(v + 255.0 * amount * (double)rng_normal(&rng));
            break;
        case CORRUPTION_NONE:
        case CORRUPTION_BLUR:
            break;
        }
    }
}

/* One axis: n positions `step` apart, for `lines` values that lie side by side. */
static void blur_line(const double *weight, int reach, int n, size_t step, const double *x, double *y)
{
    for (int i = 0; i < n; i++) {
        double sum = 0.0;
        for (int k = -reach; k <= reach; k++) {
            const int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
            sum += weight[k < 0 ? -k : k] * x[(size_t)at * step];
        }
        y[(size_t)i * step] = sum;
    }
}

static void blur(const Corruption *c, Arena *scratch, uint8_t *p)
{
    const int h = c->from->input.dim[0], w = c->from->input.dim[1], channels = c->from->input.dim[2];
    const double deviation = fabs(c->config.amount);
    const int reach = (int)ceil(3.0 * deviation);
    const size_t n = (size_t)h * (size_t)w * (size_t)channels, row = (size_t)w * (size_t)channels;
    double *weight = ARENA_ARRAY(scratch, double, reach + 1), *x = ARENA_ARRAY(scratch, double, n),
           *y = ARENA_ARRAY(scratch, double, n), sum = 0.0;
    for (int k = 0; k <= reach; k++) {
        weight[k] = k == 0 ? 1.0 : exp(-0.5 * k * k / (deviation * deviation));
        sum += k == 0 ? weight[k] : 2.0 * weight[k];
    }
    for (int k = 0; k <= reach; k++) weight[k] /= sum;
    for (size_t i = 0; i < n; i++) x[i] = (double)p[i];
    for (int r = 0; r < h; r++)
        for (int k = 0; k < channels; k++) {
            const size_t at = (size_t)r * row + (size_t)k;
            blur_line(weight, reach, w, (size_t)channels, x + at, y + at);
        }
    for (size_t i = 0; i < row; i++) blur_line(weight, reach, h, row, y + i, x + i);
    for (size_t i = 0; i < n; i++) p[i] = pixel(x[i]);
}

static Status read_corrupt(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    const Corruption *c = source->context;
    TRY(source_read(c->from, index, scratch, input));
    if (c->config.corruption == CORRUPTION_BLUR)
        blur(c, scratch, input);
    else
        change_values(c, index, sample_bytes(&source->input), input);
    return STATUS_OK;
}

Status dataset_corrupt(Arena *arena, const Dataset *from, const CorruptionConfig *config, uint64_t seed, Dataset *out)
{
    Corruption *c = ARENA_ARRAY(arena, Corruption, 1);
    *c = (Corruption){from->source, *config, seed};
    SampleSource *source;
    const SampleSource *was = from->source;
    TRY(source_of_files(arena, was->count, was->input.dim, was->targets, read_corrupt, c, false, &source));
    *out = *from;
    out->source = source;
    return STATUS_OK;
}
