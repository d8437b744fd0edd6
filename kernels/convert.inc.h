/* Body of convert__ISA.c: flat loops that the compiler vectorises for the file's CPU. */
#include "kernels/isa.h"

void ISA(dequantize)(size_t n, const int8_t *restrict q, float scale, int zero_point, float *restrict real)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) real[i] = scale * (float)(q[i] - zero_point);
}

void ISA(widen)(size_t n, const int8_t *restrict q, int zero_point, int16_t *restrict wide)
{
    const int16_t z = (int16_t)zero_point;
#pragma omp simd
    for (size_t i = 0; i < n; i++) wide[i] = (int16_t)(q[i] - z);
}
