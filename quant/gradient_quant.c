#include "quant/gradient_quant.h"

#include <math.h>

#include "base/rng.h"
#include "kernels/requant.h"

enum { IMAGE_BITS = 17, LAYER_BITS = 11, NOISE_BITS = 16 };

uint64_t gradient_key(long step, int layer)
{
    const uint64_t of_step = (uint64_t)step << LAYER_BITS;
    return (of_step | ((uint64_t)layer & ((1u << LAYER_BITS) - 1))) << IMAGE_BITS;
}

/* A draw is two numbers of 16 bits, in the middle of 2^16 parts of [-1/2, 1/2). */
static float noise_of(uint32_t draw)
{
    const uint32_t part = draw & ((1u << NOISE_BITS) - 1);
    return ((float)part + 0.5f) * (1.0f / (1u << NOISE_BITS)) - 0.5f;
}

static void quantize_image(const GradientQuant *g, uint64_t index, size_t n, float *dr)
{
    const float levels = (float)((1 << g->bits) - 1);
    float m0 = 0.0f;
    for (size_t i = 0; i < n; i++) m0 = fabsf(dr[i]) > m0 ? fabsf(dr[i]) : m0;
    if (!(m0 > 0.0f) || !isfinite(m0)) return; /* what is not finite is the trainer's to find */
    const float to = 0.5f / m0, step = 2.0f * m0 / levels, middle = 0.5f * levels;
    Rng rng = rng_make(g->seed, RNG_GRADIENT, index);
    uint32_t draw = 0;
    for (size_t i = 0; i < n; i++) {
        draw = i % 2 == 0 ? rng_u32(&rng) : draw >> NOISE_BITS;
        float r = (dr[i] * to + 0.5f) * levels + noise_of(draw);
        r = r < 0.0f ? 0.0f : r > levels ? levels : r;
        dr[i] = step * ((float)round_small(r) - middle);
    }
}

void gradient_quantize(const GradientQuant *g, long first, long images, size_t image, float *dr)
{
    for (long i = 0; i < images; i++) quantize_image(g, g->key + (uint64_t)(first + i), image, dr + (size_t)i * image);
}
