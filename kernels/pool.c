/* Pools: for each output pixel, for each cell of its window inside the image, one loop over the channels. */
#include <string.h>

#include "kernels/requant.h"
#include "kernels/window.h"

static int window_count(Taps rows, Taps columns) { return (rows.to - rows.from) * (columns.to - columns.from); }

#define T float
#define INDEX uint8_t
#define POOL max_f32_u8
#include "kernels/maxpool.inc"

#define T float
#define INDEX uint16_t
#define POOL max_f32_u16
#include "kernels/maxpool.inc"

#define T int8_t
#define INDEX uint8_t
#define POOL max_s8_u8
#include "kernels/maxpool.inc"

#define T int8_t
#define INDEX uint16_t
#define POOL max_s8_u16
#include "kernels/maxpool.inc"

size_t maxpool_index_bytes(const ConvGeom *g) { return g->kh * g->kw <= UINT8_MAX + 1 ? 1 : sizeof(uint16_t); }

void maxpool_f32_forward(const ConvGeom *g, int images, const float *x, float *y, void *argmax)
{
    if (maxpool_index_bytes(g) == 1)
        max_f32_u8(g, images, x, y, argmax);
    else
        max_f32_u16(g, images, x, y, argmax);
}

void maxpool_s8_forward(const ConvGeom *g, int images, const int8_t *x, int8_t *y, void *argmax)
{
    if (maxpool_index_bytes(g) == 1)
        max_s8_u8(g, images, x, y, argmax);
    else
        max_s8_u16(g, images, x, y, argmax);
}

static void add_where_u8(int c, const float *restrict dy, const uint8_t *restrict argmax, uint8_t tap,
                         float *restrict dx)
{
#pragma omp simd
    for (int i = 0; i < c; i++) dx[i] += argmax[i] == tap ? dy[i] : 0.0f;
}

static void add_where_u16(int c, const float *restrict dy, const uint16_t *restrict argmax, uint16_t tap,
                          float *restrict dx)
{
#pragma omp simd
    for (int i = 0; i < c; i++) dx[i] += argmax[i] == tap ? dy[i] : 0.0f;
}

void maxpool_backward(const ConvGeom *g, int images, const float *dy, const void *argmax, bool fresh, float *dx)
{
    const bool narrow = maxpool_index_bytes(g) == 1;
    const uint8_t *u8 = argmax;
    const uint16_t *u16 = argmax;
    size_t at = 0;
    for (int n = 0; n < images; n++, dx += image_count(g)) {
        if (fresh) memset(dx, 0, (size_t)image_count(g) * sizeof *dx); /* an image at a time: it stays in the cache */
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, at += (size_t)g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                FOR_EACH_TAP(g, rows, columns, tap, cell)
                {
                    if (narrow)
                        add_where_u8(g->c, dy + at, u8 + at, (uint8_t)tap, dx + cell);
                    else
                        add_where_u16(g->c, dy + at, u16 + at, (uint16_t)tap, dx + cell);
                }
            }
    }
}

static void add(int c, const float *restrict x, float *restrict y)
{
#pragma omp simd
    for (int i = 0; i < c; i++) y[i] += x[i];
}

void avgpool_f32_forward(const ConvGeom *g, int images, const float *x, float *y)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const int count = window_count(rows, columns);
                memset(y, 0, (size_t)g->c * sizeof *y);
                FOR_EACH_CELL(g, rows, columns, cell) add(g->c, x + cell, y);
                for (int i = 0; count > 0 && i < g->c; i++) y[i] /= (float)count;
            }
}

void avgpool_backward(const ConvGeom *g, int images, const float *dy, bool fresh, float *dx)
{
    for (int n = 0; n < images; n++, dx += image_count(g)) {
        if (fresh) memset(dx, 0, (size_t)image_count(g) * sizeof *dx);
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, dy += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const float count = (float)window_count(rows, columns);
                FOR_EACH_CELL(g, rows, columns, cell)
                {
                    float *restrict d = dx + cell;
                    const float *restrict e = dy;
#pragma omp simd
                    for (int i = 0; i < g->c; i++) d[i] += e[i] / count;
                }
            }
    }
}

enum { BLOCK = 64 };

static void add_codes(int c, const int8_t *restrict x, int32_t *restrict sum)
{
#pragma omp simd
    for (int i = 0; i < c; i++) sum[i] += x[i];
}

void avgpool_s8_forward(const ConvGeom *g, int images, const int8_t *x, int lo, int hi, int8_t *y)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const int count = window_count(rows, columns);
                for (int c = 0; c < g->c; c += BLOCK) {
                    const int some = g->c - c < BLOCK ? g->c - c : BLOCK;
                    int32_t sum[BLOCK] = {0};
                    FOR_EACH_CELL(g, rows, columns, cell) add_codes(some, x + cell + c, sum);
                    for (int i = 0; i < some; i++) y[c + i] = count > 0 ? average_codes(sum[i], count, lo, hi) : 0;
                }
            }
}
