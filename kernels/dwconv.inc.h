/* Body of dwconv__ISA.c: depthwise convolutions by blocks of channels, the widest vectors first.  Output channel c*M + m
 * reads input channel c; M > 1 goes lane by lane.  The file defines ISA_NAME and WIDEST, its largest number of lanes. */
#include "kernels/isa.h"
#include "kernels/window.h"

#define UNROLL _Pragma("GCC unroll 4")

/* integers_L(p): L codes as int32. */
#ifdef __AVX2__
#include <immintrin.h>
#include <string.h>
#define integers_16(p) _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define integers_8(p) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))
INLINE __m128i integers_4(const int8_t *p)
{
    int four;
    memcpy(&four, p, sizeof four);
    return _mm_cvtepi8_epi32(_mm_cvtsi32_si128(four));
}
#else
#define integers_4(p) {(p)[0], (p)[1], (p)[2], (p)[3]}
#endif
#define integers_1(p) {(p)[0]}

#if WIDEST >= 16
#define LANES 16
#include "kernels/dwconv_lanes.inc.h"
#endif
#if WIDEST >= 8
#define LANES 8
#include "kernels/dwconv_lanes.inc.h"
#endif
#define LANES 4
#include "kernels/dwconv_lanes.inc.h"
#define LANES 1
#include "kernels/dwconv_lanes.inc.h"

#if WIDEST >= 16
#define BLOCKS_16(row, ...) for (; c + 16 <= vectored; c += 16) row##_16(__VA_ARGS__, c);
#else
#define BLOCKS_16(row, ...)
#endif
#if WIDEST >= 8
#define BLOCKS_8(row, ...) for (; c + 8 <= vectored; c += 8) row##_8(__VA_ARGS__, c);
#else
#define BLOCKS_8(row, ...)
#endif

/* row(..., c) for all output channels. */
#define ALL_CHANNELS(g, row, ...)                                                                                      \
    do {                                                                                                               \
        const int vectored = (g)->o == (g)->c ? (g)->c : 0;                                                            \
        int c = 0;                                                                                                     \
        BLOCKS_16(row, __VA_ARGS__)                                                                                    \
        BLOCKS_8(row, __VA_ARGS__)                                                                                     \
        for (; c + 4 <= vectored; c += 4) row##_4(__VA_ARGS__, c);                                                     \
        for (; c < (g)->o; c++) row##_1(__VA_ARGS__, c);                                                               \
    } while (0)

void ISA(dwconv_f32_forward)(const ConvGeom *g, int images, ConvInput x, const float *w, float *y)
{
    for (int n = 0; n < images; n++)
        for (int oy = 0; oy < g->oh; oy++, y += (ptrdiff_t)g->ow * g->o)
            if (x.x != NULL)
                ALL_CHANNELS(g, forward_row, g, oy, x.x + n * image_count(g), w, y);
            else
                ALL_CHANNELS(g, forward_row_codes, g, oy, x, x.codes + n * image_count(g), w, y);
}

void ISA(dwconv_f32_backward_data)(const ConvGeom *g, int images, const float *dy, const float *w, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g))
        for (int oy = 0; oy < g->oh; oy++, dy += (ptrdiff_t)g->ow * g->o)
            ALL_CHANNELS(g, backward_data_row, g, oy, dy, w, dx);
}

void ISA(dwconv_f32_backward_weights)(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw)
{
    for (int n = 0; n < images; n++)
        for (int oy = 0; oy < g->oh; oy++, dy += (ptrdiff_t)g->ow * g->o)
            if (x.x != NULL)
                ALL_CHANNELS(g, backward_weights_row, g, oy, x.x + n * image_count(g), dy, dw);
            else
                ALL_CHANNELS(g, backward_weights_row_codes, g, oy, x, x.codes + n * image_count(g), dy, dw);
}

void ISA(dwconv_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int zx, const int8_t *w, int32_t *acc)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++, acc += (ptrdiff_t)g->ow * g->o)
            ALL_CHANNELS(g, forward_row_s8, g, oy, x, zx, w, acc);
}
