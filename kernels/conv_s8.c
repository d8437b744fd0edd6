/* Integer convolution.  With a product on bytes the image's codes are read as they are: in place where no window leaves
 * the image, else from a strip that holds the zero point's code outside it.  Otherwise a strip holds q - zx in 16 bits
 * and zeros outside the image (kernels/strip.h). */
#include <string.h>

#include "kernels/gemm_s16.h"
#include "kernels/gemm_s8.h"
#include "kernels/strip.h"
#include "kernels/window.h"

/* The product of one group: n columns, `runs` runs of k. */
typedef struct {
    Strip strip;
    int n, runs, k;
} Product;

static Product product_make(const ConvGeom *g)
{
    const Strip s = strip_make(g);
    return (Product){s, g->o / g->groups, g->kh * s.runs, s.taps_per_run * (g->c / g->groups)};
}

static bool on_bytes(void) { return kernels()->gemm_runs_s8 != NULL; }

static size_t align_up(size_t bytes) { return (bytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN; }

/* Of a group: bytes have their column sums behind the panels. */
static size_t group_bytes(const Product *p)
{
    if (!on_bytes()) return sizeof(int16_t) * gemm_s16_packed_runs_count(p->n, p->runs, p->k);
    return (size_t)s8_panels_bytes(p->n, p->runs, p->k) + sizeof(int32_t) * (size_t)s8_columns(p->n);
}

size_t conv_s8_packed_bytes(const ConvGeom *g)
{
    const Product p = product_make(g);
    return (size_t)g->groups * group_bytes(&p);
}

static const int32_t *column_sums(const Product *p, const void *packed)
{
    return (const int32_t *)((const char *)packed + s8_panels_bytes(p->n, p->runs, p->k));
}

void conv_s8_pack(const ConvGeom *g, const int8_t *w, void *packed)
{
    const Product p = product_make(g);
    const ptrdiff_t K = (ptrdiff_t)p.runs * p.k;
    char *to = packed;
    for (int group = 0; group < g->groups; group++, w += p.n * K, to += group_bytes(&p)) {
        if (on_bytes())
            gemm_s8_pack_runs(p.n, p.runs, p.k, w, K, (int8_t *)to, (int32_t *)column_sums(&p, to));
        else
            gemm_s16_pack_runs(p.n, p.runs, p.k, w, K, (int16_t *)to);
    }
}

/* Scratch: the first value of every accumulator, the strip. */
static size_t start_bytes(const ConvGeom *g, const Product *p)
{
    return on_bytes() ? sizeof(int32_t) * (size_t)g->groups * (size_t)s8_columns(p->n) : 0;
}

size_t conv_s8_scratch_bytes(const ConvGeom *g)
{
    ConvGeom wide, rest;
    int count;
    strip_pointwise(g, 1, &wide, &count, &rest);
    const Product p = product_make(&wide);
    const size_t values = (size_t)(p.strip.height * p.strip.width * g->c), cell = on_bytes() ? 1 : sizeof(int16_t);
    return start_bytes(g, &p) + align_up(values * cell + S8_READABLE) + SCRATCH_ALIGN;
}

static void fill_strip_s8(const ConvGeom *g, const Strip *s, int first, int height, const int8_t *x, int zx,
                          int8_t *strip)
{
    const ptrdiff_t row = s->width * g->c, left = (g->pl < s->width ? g->pl : s->width) * g->c;
    const ptrdiff_t middle = row - left < (ptrdiff_t)g->w * g->c ? row - left : (ptrdiff_t)g->w * g->c;
    for (int y = first; y < first + height; y++, strip += row) {
        const bool inside = y >= 0 && y < g->h;
        memset(strip, zx, (size_t)(inside ? left : row));
        if (!inside) continue;
        memcpy(strip + left, x + (ptrdiff_t)y * g->w * g->c, (size_t)middle);
        memset(strip + left + middle, zx, (size_t)(row - left - middle));
    }
}

/* One call of conv_s8_forward. */
typedef struct {
    const ConvGeom *g;
    Product p;
    const int8_t *end; /* of what the caller lets us read */
    int zx;
    const char *packed;
    int32_t *start; /* [groups][columns] */
    void *strip;
} Job;

/* The input of one block of output rows: row 0 of the first window. */
typedef struct {
    const void *at;
    ptrdiff_t width; /* in pixels */
} View;

static View view_block(const Job *j, const int8_t *x, int oy, int rows)
{
    const ConvGeom *g = j->g;
    const Strip *s = &j->p.strip;
    const int first = oy * g->sh - g->pt, height = (rows - 1) * g->sh + (g->kh - 1) * g->dh + 1;
    if (!on_bytes()) {
        strip_fill_s16(g, s, first, height, x, j->zx, j->strip);
        return (View){j->strip, s->width};
    }
    /* A run is read to a multiple of 64 bytes: where that leaves the caller's memory, through the strip. */
    const int8_t *stop = x + ((ptrdiff_t)(first + height - 1) * g->w + s->width) * g->c + S8_READABLE - 1;
    if (s->in_place && stop <= j->end) return (View){x + (ptrdiff_t)first * g->w * g->c, g->w};
    fill_strip_s8(g, s, first, height, x, j->zx, j->strip);
    return (View){j->strip, s->width};
}

/* Row r of the block's output rows, one group. */
static void product_s8(const Job *j, const View *v, int r, int group, int32_t *acc)
{
    const ConvGeom *g = j->g;
    const char *packed = j->packed + (size_t)group * group_bytes(&j->p);
    const int columns = s8_columns(j->p.n);
    kernels()->gemm_runs_s8(
        &(GemmS8){.m = g->ow,
                  .n = j->p.n,
                  .rows = g->kh,
                  .runs = j->p.strip.runs,
                  .k = j->p.k,
                  .a = (const int8_t *)v->at + r * g->sh * v->width * g->c + group * g->c / g->groups,
                  .am = (ptrdiff_t)g->sw * g->c,
                  .arow = g->dh * v->width * g->c,
                  .arun = (ptrdiff_t)g->dw * g->c,
                  .b = (const int8_t *)packed,
                  .start = j->start + group * columns,
                  .sums = column_sums(&j->p, packed),
                  .c = acc + group * j->p.n,
                  .ldc = g->o});
}

static void product_s16(const Job *j, const View *v, int r, int group, int32_t *acc)
{
    const ConvGeom *g = j->g;
    const char *packed = j->packed + (size_t)group * group_bytes(&j->p);
    kernels()->gemm_runs_s16(
        &(GemmS16){.m = g->ow,
                   .n = j->p.n,
                   .rows = g->kh,
                   .runs = j->p.strip.runs,
                   .k = j->p.k,
                   .a = (const int16_t *)v->at + r * g->sh * v->width * g->c + group * g->c / g->groups,
                   .am = (ptrdiff_t)g->sw * g->c,
                   .arow = g->dh * v->width * g->c,
                   .arun = (ptrdiff_t)g->dw * g->c,
                   .b = (const int16_t *)packed,
                   .c = acc + group * j->p.n,
                   .ldc = g->o});
}

static void forward_images(const ConvGeom *g, int images, const int8_t *x, Job job, int32_t *acc)
{
    job.g = g;
    job.p = product_make(g);
    const bool bytes = on_bytes();
    const int R = job.p.strip.rows;
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy += R) {
            const int rows = g->oh - oy < R ? g->oh - oy : R;
            const View v = view_block(&job, x, oy, rows);
            for (int r = 0; r < rows; r++, acc += (ptrdiff_t)g->ow * g->o)
                for (int group = 0; group < g->groups; group++)
                    (bytes ? product_s8 : product_s16)(&job, &v, r, group, acc);
        }
}

static void fill_start(const ConvGeom *g, const void *packed, int zx, int32_t *start)
{
    const Product p = product_make(g);
    const int columns = s8_columns(p.n);
    for (int group = 0; group < g->groups; group++, start += columns) {
        const int32_t *sums = column_sums(&p, (const char *)packed + (size_t)group * group_bytes(&p));
        for (int j = 0; j < columns; j++) start[j] = -zx * sums[j];
    }
}

void conv_s8_forward(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, int32_t *acc,
                     void *scratch)
{
    const Product p = product_make(g);
    int32_t *const start = scratch_align(scratch);
    if (on_bytes()) fill_start(g, packed, zx, start);
    const Job job = {.end = x + images * image_count(g),
                     .zx = zx,
                     .packed = packed,
                     .start = start,
                     .strip = (char *)start + start_bytes(g, &p)};
    ConvGeom wide, rest;
    int count;
    const bool pointwise = strip_pointwise(g, images, &wide, &count, &rest);
    forward_images(&wide, count, x, job, acc);
    if (pointwise && rest.w > 0)
        forward_images(&rest, 1, x + count * image_count(&wide), job, acc + count * output_count(&wide, g->o));
}
