#include "kernels/strip.h"

#include <string.h>

Strip strip_make(const ConvGeom *g)
{
    Strip s = {.width = (ptrdiff_t)(g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1};
    s.in_place = g->pt == 0 && g->pl == 0 && strip_height(g, g->oh) <= g->h && s.width <= g->w;
    const ptrdiff_t fits = STRIP_BYTES / (ptrdiff_t)sizeof(float) / (s.width * g->c); /* strip rows */
    const ptrdiff_t rows = (fits - strip_height(g, 1)) / g->sh + 1;
    s.rows = rows < 1 ? 1 : rows > g->oh ? g->oh : (int)rows;
    s.height = strip_height(g, s.rows);
    const bool contiguous = g->groups == 1 && g->dw == 1;
    s.taps_per_run = contiguous ? g->kw : 1;
    s.runs = contiguous ? 1 : g->kw;
    return s;
}

/* Padding, the part of the row inside the image, padding; counts in values. */
typedef struct {
    ptrdiff_t left, middle, right;
} RowParts;

static RowParts row_parts(const ConvGeom *g, const Strip *s)
{
    const ptrdiff_t left = g->pl < s->width ? g->pl : s->width;
    const ptrdiff_t middle = s->width - left < g->w ? s->width - left : g->w;
    return (RowParts){left * g->c, middle * g->c, (s->width - left - middle) * g->c};
}

void strip_fill_f32(const ConvGeom *g, const Strip *s, int first, int height, const ConvInput *x, float *strip)
{
    const Kernels *const table = kernels();
    const RowParts p = row_parts(g, s);
    for (int y = first; y < first + height; y++, strip += s->width * g->c) {
        const bool inside = y >= 0 && y < g->h;
        const ptrdiff_t from = (ptrdiff_t)y * g->w * g->c;
        memset(strip, 0, (size_t)(inside ? p.left : s->width * g->c) * sizeof *strip);
        if (!inside) continue;
        if (x->x != NULL)
            memcpy(strip + p.left, x->x + from, (size_t)p.middle * sizeof *strip);
        else
            table->dequantize((size_t)p.middle, x->codes + from, x->scale, x->zero_point, strip + p.left);
        memset(strip + p.left + p.middle, 0, (size_t)p.right * sizeof *strip);
    }
}

void strip_fill_s16(const ConvGeom *g, const Strip *s, int first, int height, const int8_t *x, int zx, int16_t *strip)
{
    const Kernels *const table = kernels();
    const RowParts p = row_parts(g, s);
    for (int y = first; y < first + height; y++, strip += s->width * g->c) {
        const bool inside = y >= 0 && y < g->h;
        memset(strip, 0, (size_t)(inside ? p.left : s->width * g->c) * sizeof *strip);
        if (!inside) continue;
        table->widen((size_t)p.middle, x + (ptrdiff_t)y * g->w * g->c, zx, strip + p.left);
        memset(strip + p.left + p.middle, 0, (size_t)p.right * sizeof *strip);
    }
    *strip = 0; /* an odd run reads one value more */
}

void strip_fill_s8(const ConvGeom *g, const Strip *s, int first, int height, const int8_t *x, int zx, int8_t *strip)
{
    const RowParts p = row_parts(g, s);
    for (int y = first; y < first + height; y++, strip += s->width * g->c) {
        const bool inside = y >= 0 && y < g->h;
        memset(strip, zx, (size_t)(inside ? p.left : s->width * g->c));
        if (!inside) continue;
        memcpy(strip + p.left, x + (ptrdiff_t)y * g->w * g->c, (size_t)p.middle);
        memset(strip + p.left + p.middle, zx, (size_t)p.right);
    }
}

bool strip_pointwise(const ConvGeom *g, int images, ConvGeom *wide, int *wide_images, ConvGeom *rest)
{
    *wide = *rest = *g;
    *wide_images = images;
    if (!is_pointwise(g)) return false;
    const ptrdiff_t pixels = (ptrdiff_t)images * g->h * g->w;
    *wide_images = (int)(pixels / PIXELS);
    wide->h = wide->oh = rest->h = rest->oh = 1;
    wide->w = wide->ow = PIXELS;
    rest->w = rest->ow = (int)(pixels % PIXELS);
    return true;
}
