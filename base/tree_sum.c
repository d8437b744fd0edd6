#include "base/tree_sum.h"

enum { BLOCK = 256 }; /* values of each part at a time, so that 16 parts stay in the first-level cache */

void tree_sum_f32(int chunks, size_t n, float *part)
{
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t m = n - at < BLOCK ? n - at : BLOCK;
        for (int step = 1; step < chunks; step *= 2)
            for (int k = 0; k + step < chunks; k += 2 * step) {
                float *restrict into = part + (size_t)k * n + at;
                const float *restrict from = part + (size_t)(k + step) * n + at;
#pragma omp simd
                for (size_t i = 0; i < m; i++) into[i] += from[i];
            }
    }
}

void tree_sum_f64(int chunks, size_t n, double *part)
{
    for (int step = 1; step < chunks; step *= 2)
        for (int k = 0; k + step < chunks; k += 2 * step) {
            double *restrict into = part + (size_t)k * n;
            const double *restrict from = part + (size_t)(k + step) * n;
            for (size_t i = 0; i < n; i++) into[i] += from[i];
        }
}

void tree_join(int chunks, TreeJoin *join, void *context)
{
    for (int step = 1; step < chunks; step *= 2)
        for (int k = 0; k + step < chunks; k += 2 * step) join(context, k, k + step);
}
