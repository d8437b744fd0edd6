#include "base/rng.h"

#include <math.h>

static uint32_t mulhilo(uint32_t a, uint32_t b, uint32_t *hi)
{
    const uint64_t p = (uint64_t)a * b;
    *hi = (uint32_t)(p >> 32);
    return (uint32_t)p;
}

static void philox4x32_10(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint32_t hi0, hi1;
        const uint32_t lo0 = mulhilo(0xD2511F53u, c0, &hi0);
        const uint32_t lo1 = mulhilo(0xCD9E8D57u, c2, &hi1);
        c0 = hi1 ^ c1 ^ k0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ k1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

Rng rng_make(uint64_t seed, RngPurpose purpose, uint64_t index)
{
    return (Rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                 .counter = {0, (uint32_t)purpose, (uint32_t)index, (uint32_t)(index >> 32)},
                 .used = 4};
}

uint32_t rng_u32(Rng *rng)
{
    if (rng->used == 4) {
        philox4x32_10(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

float rng_uniform(Rng *rng) { return (float)(rng_u32(rng) >> 8) * 0x1p-24f; }

float rng_normal(Rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = 0;
        return rng->spare;
    }
    const double u = ((double)rng_u32(rng) + 1.0) * 0x1p-32; /* (0, 1]: log is finite */
    const double v = (double)rng_u32(rng) * 0x1p-32;
    const double r = sqrt(-2.0 * log(u)), angle = 6.283185307179586 * v;
    rng->spare = (float)(r * sin(angle));
    rng->has_spare = 1;
    return (float)(r * cos(angle));
}

uint32_t rng_below(Rng *rng, uint32_t n)
{
    const uint32_t limit = UINT32_MAX - (UINT32_MAX % n + 1) % n; /* last value of the last whole run of n */
    uint32_t x;
    do x = rng_u32(rng);
    while (x > limit);
    return x % n;
}

void rng_permutation(Rng *rng, uint32_t n, uint32_t *order)
{
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = rng_below(rng, i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}
