/* Integer depthwise convolution: rows on bytes where the variant has them and the shape fits, else the table's plain
 * dwconv_s8_forward. */
#include "kernels/dwconv_s8.h"

#include <string.h>

#include "kernels/requant.h"
#include "kernels/strip.h"
#include "kernels/window.h"

/* Sums of a block of rows, and its strip, stay in the first-level cache. */
enum { BLOCK_BYTES = 16 * 1024, FLIP = 0x80 };

/* How a geometry is cut. */
typedef struct {
    bool rows_s8;
    int period, rows; /* output rows of a block */
    int width;        /* pixels of a plane */
    ptrdiff_t plane;  /* bytes of a plane */
} Cut;

static Cut cut_make(const ConvGeom *g)
{
    Cut c = {.period = requant_period(g->o)};
    c.rows_s8 = kernels()->dwconv_rows_s8 != NULL && g->o == g->c && g->kw <= DW_TAPS && c.period % DW_BLOCK == 0;
    c.width = g->ow + (g->kw - 1) * g->dw / g->sw;
    c.plane = (ptrdiff_t)align_up((size_t)g->ow * (size_t)g->c) +
              (ptrdiff_t)align_up((size_t)(c.width - g->ow) * (size_t)g->c);
    const ptrdiff_t sums = BLOCK_BYTES / (ptrdiff_t)sizeof(int32_t) / g->ow / g->o;
    const ptrdiff_t strips = (BLOCK_BYTES / (c.plane * g->sw) - strip_height(g, 1)) / g->sh + 1;
    const ptrdiff_t rows = sums < strips ? sums : strips;
    c.rows = rows < 1 ? 1 : rows > g->oh ? g->oh : (int)rows;
    return c;
}

static size_t weights_bytes(const ConvGeom *g, const Cut *c)
{
    return (size_t)(c->period / DW_BLOCK) * (size_t)g->kh * DW_BLOCK_BYTES;
}

bool dwconv_s8_by_rows(const ConvGeom *g) { return cut_make(g).rows_s8; }

static size_t packed_bytes(const ConvGeom *g)
{
    const Cut c = cut_make(g);
    return c.rows_s8 ? weights_bytes(g, &c) + sizeof(int32_t) * (size_t)c.period
                     : (size_t)g->kh * (size_t)g->kw * (size_t)g->o;
}

static void pack(const ConvGeom *g, const int8_t *w, void *packed)
{
    const Cut c = cut_make(g);
    memset(packed, 0, packed_bytes(g));
    if (!c.rows_s8) {
        memcpy(packed, w, packed_bytes(g));
        return;
    }
    int32_t *sums = (int32_t *)((char *)packed + weights_bytes(g, &c));
    for (int cell = 0; cell < c.period; cell++) {
        const int in = cell % DW_BLOCK, quad = in % 16 / 4, place = in / 16 * 16 + in % 4 * 4;
        int8_t *to = (int8_t *)packed + cell / DW_BLOCK * g->kh * DW_BLOCK_BYTES + quad * DW_BLOCK + place;
        for (int i = 0; i < g->kh; i++)
            for (int j = 0; j < g->kw; j++) {
                to[i * DW_BLOCK_BYTES + j] = w[(i * g->kw + j) * g->o + cell % g->o];
                sums[cell] += to[i * DW_BLOCK_BYTES + j];
            }
    }
}

/* Scratch: start [period], the sums of a block, the strip. */
static size_t start_bytes(const Cut *c) { return align_up(sizeof(int32_t) * (size_t)c->period); }

static size_t sums_bytes(const ConvGeom *g, const Cut *c)
{
    return align_up(sizeof(int32_t) * (size_t)g->ow * (size_t)g->o * (size_t)(c->rows_s8 ? c->rows : g->oh));
}

static size_t scratch_bytes(const ConvGeom *g)
{
    const Cut c = cut_make(g);
    const size_t strip = (size_t)strip_height(g, c.rows) * (size_t)(c.plane * g->sw);
    return start_bytes(&c) + sums_bytes(g, &c) + (c.rows_s8 ? align_up(strip) : 0) + ALIGN_BYTES;
}

static void flip(size_t n, const int8_t *from, uint8_t *to)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)from[i] ^ FLIP;
}

/* Every sw-th pixel; words of eight codes, because C is small. */
static void flip_strided(const ConvGeom *g, int pixels, const int8_t *from, uint8_t *to)
{
    const size_t C = (size_t)g->c;
    for (int p = 0; p < pixels; p++, from += (size_t)g->sw * C, to += C) {
        size_t i = 0;
        for (; i + 8 <= C; i += 8) {
            uint64_t word;
            memcpy(&word, from + i, sizeof word);
            word ^= 0x8080808080808080u;
            memcpy(to + i, &word, sizeof word);
        }
        for (; i < C; i++) to[i] = (uint8_t)from[i] ^ FLIP;
    }
}

/* One plane of one row: pixel t is column t*sw + column of the image row x. */
static void fill_plane(const ConvGeom *g, const Cut *c, const int8_t *x, int column, int zx, uint8_t *to)
{
    const size_t C = (size_t)g->c;
    int from = column >= 0 ? 0 : ceil_div(-column, g->sw), end = column >= g->w ? 0 : ceil_div(g->w - column, g->sw);
    if (end > c->width) end = c->width;
    if (from > end) from = end;
    memset(to, (uint8_t)zx ^ FLIP, (size_t)from * C);
    const int8_t *first = x + (ptrdiff_t)(from * g->sw + column) * g->c;
    if (g->sw == 1)
        flip((size_t)(end - from) * C, first, to + (size_t)from * C);
    else
        flip_strided(g, end - from, first, to + (size_t)from * C);
    memset(to + (size_t)end * C, (uint8_t)zx ^ FLIP, (size_t)(c->width - end) * C);
}

static void fill_strip(const ConvGeom *g, const Cut *c, int first, int height, const int8_t *x, int zx, uint8_t *strip)
{
    const int planes = g->sw < (g->kw - 1) * g->dw + 1 ? g->sw : (g->kw - 1) * g->dw + 1; /* that any tap is in */
    for (int y = first; y < first + height; y++, strip += g->sw * c->plane)
        for (int p = 0; p < planes; p++) {
            uint8_t *to = strip + p * c->plane;
            if (y < 0 || y >= g->h)
                memset(to, (uint8_t)zx ^ FLIP, (size_t)c->width * (size_t)g->c);
            else
                fill_plane(g, c, x + (ptrdiff_t)y * g->w * g->c, p - g->pl, zx, to);
        }
}

static DwRowsS8 rows_make(const ConvGeom *g, const Cut *c, const void *packed)
{
    DwRowsS8 p = {
        .rows = g->kh, .cells = g->ow * g->c, .period = c->period, .w = packed, .ld = (ptrdiff_t)g->ow * g->c};
    p.row = g->dh * g->sw * c->plane, p.step = g->sh * g->sw * c->plane;
    for (int j = 0; j < DW_TAPS; j++) {
        const int column = (j < g->kw ? j : g->kw - 1) * g->dw;
        p.tap[j] = column % g->sw * c->plane + (ptrdiff_t)(column / g->sw) * g->c;
    }
    return p;
}

/* r NULL: sums to acc. */
static void forward(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, const RequantRows *r,
                    int32_t *acc, int8_t *y, void *scratch)
{
    const Cut c = cut_make(g);
    int32_t *const start = scratch_align(scratch), *const sums = (int32_t *)((char *)start + start_bytes(&c));
    uint8_t *const strip = (uint8_t *)sums + sums_bytes(g, &c);
    const int32_t *const column_sums = (const int32_t *)((const char *)packed + weights_bytes(g, &c));
    const RequantRows *const fused = r != NULL && rounding_is_float(r->rounding) ? r : NULL;
    for (int i = 0; i < c.period; i++) start[i] = (fused != NULL ? fused->bias[i] : 0) - (zx + FLIP) * column_sums[i];
    DwRowsS8 p = rows_make(g, &c, packed);
    p.x = strip, p.start = start, p.requant = fused;
    const size_t row = (size_t)p.ld;
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy += c.rows) {
            p.outputs = g->oh - oy < c.rows ? g->oh - oy : c.rows;
            fill_strip(g, &c, oy * g->sh - g->pt, strip_height(g, p.outputs), x, zx, strip);
            p.y = y, p.acc = r == NULL ? acc : sums;
            kernels()->dwconv_rows_s8(&p);
            if (r != NULL && fused == NULL) kernels()->requantize_rows(r, row * (size_t)p.outputs, sums, y);
            if (r == NULL)
                acc += row * (size_t)p.outputs;
            else
                y += row * (size_t)p.outputs;
        }
}

static void forward_sums(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, int32_t *acc,
                         void *scratch)
{
    if (dwconv_s8_by_rows(g))
        forward(g, images, x, zx, packed, NULL, acc, NULL, scratch);
    else
        kernels()->dwconv_s8_forward(g, images, x, zx, packed, acc);
}

static void forward_codes(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed,
                          const RequantRows *r, int8_t *y, void *scratch)
{
    const Cut c = cut_make(g);
    if (c.rows_s8) {
        forward(g, images, x, zx, packed, r, NULL, y, scratch);
        return;
    }
    int32_t *const sums = (int32_t *)((char *)scratch_align(scratch) + start_bytes(&c));
    const size_t image = (size_t)output_count(g, g->o);
    for (int n = 0; n < images; n++, x += image_count(g), y += image) {
        kernels()->dwconv_s8_forward(g, 1, x, zx, packed, sums);
        kernels()->requantize_rows(r, image, sums, y);
    }
}

const ConvS8 dwconv_s8 = {.packed_bytes = packed_bytes,
                          .pack = pack,
                          .scratch_bytes = scratch_bytes,
                          .sums = forward_sums,
                          .codes = forward_codes};
