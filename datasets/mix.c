#include "datasets/mix.h"

#include <math.h>
#include <string.h>

bool mix_is_on(const AugmentConfig *a) { return a != NULL && (a->mixup > 0 || a->cutmix > 0); }

/* In (0, 1]. */
static double draw_positive(Rng *rng) { return 1.0 - (double)rng_uniform(rng); }

/* The logarithm of a draw of Gamma(alpha, 1) (Marsaglia and Tsang 2000): small alphas have draws below any double. */
static double draw_log_gamma(double alpha, Rng *rng)
{
    const double boost = alpha < 1.0 ? log(draw_positive(rng)) / alpha : 0.0; /* Gamma(a) = Gamma(a + 1) U^(1/a) */
    const double d = (alpha < 1.0 ? alpha + 1.0 : alpha) - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        const double x = (double)rng_normal(rng), root = 1.0 + c * x, v = root * root * root;
        if (v <= 0.0) continue;
        if (log(draw_positive(rng)) < 0.5 * x * x + d - d * v + d * log(v)) return boost + log(d * v);
    }
}

/* Beta(alpha, alpha). */
static double draw_share(double alpha, Rng *rng)
{
    const double a = draw_log_gamma(alpha, rng), b = draw_log_gamma(alpha, rng);
    return 1.0 / (1.0 + exp(b - a));
}

static int clamp(int v, int most) { return v < 0 ? 0 : v > most ? most : v; }

Mix mix_draw(const AugmentConfig *augment, const int hwc[3], Rng *rng)
{
    Mix mix = {.cut = augment->cutmix > 0};
    if (augment->mixup > 0 && augment->cutmix > 0) mix.cut = rng_below(rng, 2) == 1;
    mix.share = draw_share(mix.cut ? augment->cutmix : augment->mixup, rng);
    if (!mix.cut) return mix;
    const double side = sqrt(1.0 - mix.share);
    const int h = (int)(side * hwc[0] + 0.5), w = (int)(side * hwc[1] + 0.5);
    const int y = (int)rng_below(rng, (uint32_t)hwc[0]) - h / 2, x = (int)rng_below(rng, (uint32_t)hwc[1]) - w / 2;
    mix.y = clamp(y, hwc[0]), mix.h = clamp(y + h, hwc[0]) - mix.y;
    mix.x = clamp(x, hwc[1]), mix.w = clamp(x + w, hwc[1]) - mix.x;
    mix.share = 1.0 - (double)mix.h * mix.w / ((double)hwc[0] * hwc[1]);
    return mix;
}

void mix_images(const Mix *mix, const int hwc[3], const uint8_t *partner, uint8_t *image)
{
    const size_t row = (size_t)hwc[1] * (size_t)hwc[2], bytes = (size_t)hwc[0] * row;
    if (mix->cut) {
        const size_t first = (size_t)mix->x * (size_t)hwc[2], width = (size_t)mix->w * (size_t)hwc[2];
        for (int y = mix->y; y < mix->y + mix->h; y++)
            memcpy(image + (size_t)y * row + first, partner + (size_t)y * row + first, width);
        return;
    }
    const float share = (float)mix->share;
    for (size_t i = 0; i < bytes; i++)
        image[i] = (uint8_t)((float)partner[i] + share * ((float)image[i] - (float)partner[i]) + 0.5f);
}
