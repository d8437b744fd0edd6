/* AVX-512: 12 rows by 2 vectors of 16 lanes, 24 of the 32 registers accumulate; up to 8 columns in halves. */
#ifdef __AVX512F__
#include <immintrin.h>

#define ISA_NAME avx512
#define WIDE 16
#define NARROW 8
#define MR 12
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

#define VECTOR_16(name) _mm512_##name
#define VECTOR_8(name) _mm256_##name
#define VECTOR(name) LANED(VECTOR)(name)
typedef __m512 V_16;
typedef __m256 V_8;
typedef __mmask16 Mask;

#define V LANED(V)
#define v_zero() VECTOR(setzero_ps)()
#define v_set1(x) VECTOR(set1_ps)(x)
#define v_load(p) VECTOR(loadu_ps)(p)
#define v_store(p, v) VECTOR(storeu_ps)(p, v)
#define v_fma(a, b, c) VECTOR(fmadd_ps)(a, b, c)
#define mask_make(lanes) ((__mmask16)((1u << (lanes)) - 1))
#define v_load_mask(p, mask) VECTOR(maskz_loadu_ps)(mask, p)
#define v_store_mask(p, v, mask) VECTOR(mask_storeu_ps)(p, mask, v)

#include "kernels/gemm_f32.inc"
#endif
