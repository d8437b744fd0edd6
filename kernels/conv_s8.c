/* Integer convolution.  With a product on bytes the image's codes are read as they are: in place where no window leaves
 * the image, else from a strip that holds the zero point's code outside it.  Otherwise a strip holds q - zx in 16 bits
 * and zeros outside the image (kernels/strip.h). */
#include "kernels/gemm_s16.h"
#include "kernels/gemm_s8.h"
#include "kernels/strip.h"
#include "kernels/window.h"

/* A block of output rows keeps its sums in the first-level cache until they are codes. */
enum { SUMS_BYTES = 24 * 1024, MOST_PIXELS = 96, LEAST_PIXELS = 16 };

/* The product of one group: n columns, `runs` runs of k. */
typedef struct {
    Strip strip; /* rows: of a block */
    int n, runs, k;
} Product;

static Product product_make(const ConvGeom *g)
{
    Product p = {.strip = strip_make(g), .n = g->o / g->groups};
    const int fits = SUMS_BYTES / (int)sizeof(int32_t) / g->ow / g->o, rows = fits < 1 ? 1 : fits;
    if (rows < p.strip.rows) p.strip.rows = rows;
    p.strip.height = strip_height(g, p.strip.rows);
    p.runs = g->kh * p.strip.runs, p.k = p.strip.taps_per_run * (g->c / g->groups);
    return p;
}

/* A 1x1 convolution with stride 1 and no padding does not care about rows: the images become one with rows of so many
 * pixels as suit the product, and one row with the rest. */
static bool pointwise(const ConvGeom *g, int images, ConvGeom *wide, ConvGeom *rest)
{
    *wide = *rest = *g;
    if (!is_pointwise(g)) return false;
    const int fits = SUMS_BYTES / (int)sizeof(int32_t) / g->o / LEAST_PIXELS * LEAST_PIXELS;
    const int row = fits < LEAST_PIXELS ? LEAST_PIXELS : fits > MOST_PIXELS ? MOST_PIXELS : fits;
    const ptrdiff_t pixels = (ptrdiff_t)images * g->h * g->w;
    wide->h = wide->oh = (int)(pixels / row);
    wide->w = wide->ow = row;
    rest->h = rest->oh = 1;
    rest->w = rest->ow = (int)(pixels % row);
    return true;
}

static bool on_bytes(void) { return kernels()->gemm_runs_s8 != NULL; }

/* Of a group: bytes have their column sums after the panels. */
static size_t group_bytes(const Product *p)
{
    if (!on_bytes()) return sizeof(int16_t) * gemm_s16_packed_runs_count(p->n, p->runs, p->k);
    return (size_t)s8_panels_bytes(p->n, p->runs, p->k) + sizeof(int32_t) * (size_t)s8_columns(p->n);
}

static size_t packed_bytes(const ConvGeom *g)
{
    const Product p = product_make(g);
    return (size_t)g->groups * group_bytes(&p);
}

static const int32_t *column_sums(const Product *p, const void *packed)
{
    return (const int32_t *)((const char *)packed + s8_panels_bytes(p->n, p->runs, p->k));
}

static void pack(const ConvGeom *g, const int8_t *w, void *packed)
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

/* Scratch: the first value of every accumulator, the sums of a block, the strip. */
static size_t start_bytes(const ConvGeom *g)
{
    return on_bytes() ? align_up(sizeof(int32_t) * (size_t)g->groups * (size_t)s8_columns(g->o / g->groups)) : 0;
}

static size_t sums_bytes(const ConvGeom *g, const Product *p)
{
    return align_up(sizeof(int32_t) * (size_t)p->strip.rows * (size_t)g->ow * (size_t)g->o);
}

static size_t strip_bytes(const ConvGeom *g, const Product *p)
{
    const size_t values = (size_t)(p->strip.height * p->strip.width * g->c), cell = on_bytes() ? 1 : sizeof(int16_t);
    return align_up(values * cell + S8_QUAD);
}

static size_t scratch_bytes(const ConvGeom *g)
{
    enum { MANY_PIXELS = 1 << 14 }; /* more than a block has */
    ConvGeom wide, rest;
    const int images = MANY_PIXELS / (g->h * g->w) + 1;
    pointwise(g, images, &wide, &rest);
    const Product p = product_make(&wide);
    return start_bytes(g) + sums_bytes(&wide, &p) + strip_bytes(&wide, &p) + ALIGN_BYTES;
}

/* One call for sums or codes. */
typedef struct {
    const ConvGeom *g;
    Product p;
    const RequantRows *requant; /* NULL: the sums themselves are wanted */
    int32_t *acc;
    int8_t *codes;
    const int8_t *end; /* of what the caller lets us read */
    int zx;
    const char *packed;
    int32_t *start; /* [groups][columns] */
    int32_t *sums;  /* of a block */
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
    const int first = oy * g->sh - g->pt, height = strip_height(g, rows);
    if (!on_bytes()) {
        strip_fill_s16(g, s, first, height, x, j->zx, j->strip);
        return (View){j->strip, s->width};
    }
    /* A run is read in whole quads: where that leaves the caller's memory, through the strip. */
    const int past = (S8_QUAD - j->p.k % S8_QUAD) % S8_QUAD;
    const int8_t *stop = x + ((ptrdiff_t)(first + height - 1) * g->w + s->width) * g->c + past;
    if (s->in_place && stop <= j->end) return (View){x + (ptrdiff_t)first * g->w * g->c, g->w};
    strip_fill_s8(g, s, first, height, x, j->zx, j->strip);
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

static void forward_images(const ConvGeom *g, int images, const int8_t *x, Job *j)
{
    const bool bytes = on_bytes();
    j->g = g;
    j->p = product_make(g);
    j->strip = (char *)j->sums + sums_bytes(g, &j->p);
    const int R = j->p.strip.rows;
    const size_t row = (size_t)g->ow * (size_t)g->o;
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy += R) {
            const int rows = g->oh - oy < R ? g->oh - oy : R;
            const View v = view_block(j, x, oy, rows);
            int32_t *sums = j->requant != NULL ? j->sums : j->acc;
            for (int r = 0; r < rows; r++)
                for (int group = 0; group < g->groups; group++)
                    (bytes ? product_s8 : product_s16)(j, &v, r, group, sums + (size_t)r * row);
            if (j->requant != NULL) {
                kernels()->requantize_rows(j->requant, (size_t)rows * row, sums, j->codes);
                j->codes += (size_t)rows * row;
            } else {
                j->acc += (size_t)rows * row;
            }
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

static void forward(const ConvGeom *g, int images, const int8_t *x, Job j, void *scratch)
{
    j.start = scratch_align(scratch);
    j.sums = (int32_t *)((char *)j.start + start_bytes(g));
    j.end = x + images * image_count(g);
    if (on_bytes()) fill_start(g, j.packed, j.zx, j.start);
    ConvGeom wide, rest;
    const bool flat = pointwise(g, images, &wide, &rest);
    if (wide.h > 0) forward_images(&wide, flat ? 1 : images, x, &j);
    if (flat && rest.w > 0) forward_images(&rest, 1, x + image_count(&wide), &j);
}

static void forward_sums(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, int32_t *acc,
                         void *scratch)
{
    forward(g, images, x, (Job){.zx = zx, .packed = packed, .acc = acc}, scratch);
}

static void forward_codes(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed,
                          const RequantRows *r, int8_t *y, void *scratch)
{
    forward(g, images, x, (Job){.zx = zx, .packed = packed, .requant = r, .codes = y}, scratch);
}

const ConvS8 conv_s8 = {.packed_bytes = packed_bytes,
                        .pack = pack,
                        .scratch_bytes = scratch_bytes,
                        .sums = forward_sums,
                        .codes = forward_codes};
