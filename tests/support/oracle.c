#include "tests/support/oracle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

ConvGeom oracle_geom(ConvGeom g)
{
    g.oh = (g.h + g.pt + g.pb - ((g.kh - 1) * g.dh + 1)) / g.sh + 1;
    g.ow = (g.w + g.pl + g.pr - ((g.kw - 1) * g.dw + 1)) / g.sw + 1;
    return g;
}

size_t oracle_input_count(const ConvGeom *g, int images) { return (size_t)images * (size_t)(g->h * g->w * g->c); }
size_t oracle_output_count(const ConvGeom *g, int images) { return (size_t)images * (size_t)(g->oh * g->ow * g->o); }
size_t oracle_weight_count(const ConvGeom *g) { return (size_t)(g->o * g->kh * g->kw * (g->c / g->groups)); }

/* One term of a convolution: y[at_y] += x[at_x] * w[at_w]. */
typedef struct {
    size_t y, x, w;
} Term;
typedef void TermVisitor(void *context, Term term);

static void for_each_term(const ConvGeom *g, bool depthwise, int images, TermVisitor *visit, void *context)
{
    const int cg = g->c / g->groups, og = g->o / g->groups;
    for (int n = 0; n < images; n++)
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++)
                for (int o = 0; o < g->o; o++)
                    for (int i = 0; i < g->kh; i++)
                        for (int j = 0; j < g->kw; j++)
                            for (int c = 0; c < cg; c++) {
                                const int y = oy * g->sh - g->pt + i * g->dh, x = ox * g->sw - g->pl + j * g->dw;
                                if (y < 0 || y >= g->h || x < 0 || x >= g->w) continue;
                                const int channel = o / og * cg + c;
                                visit(context,
                                      (Term){.y = (size_t)(((n * g->oh + oy) * g->ow + ox) * g->o + o),
                                             .x = (size_t)(((n * g->h + y) * g->w + x) * g->c + channel),
                                             .w = (size_t)(depthwise ? (i * g->kw + j) * g->o + o
                                                                     : ((o * g->kh + i) * g->kw + j) * cg + c)});
                            }
}

typedef struct {
    const float *x, *w, *dy;
    const int8_t *qx, *qw;
    int zx;
    double *out, *magnitude;
    int64_t *acc;
} Operands;

static void add(const Operands *p, size_t at, double term)
{
    p->out[at] += term;
    if (p->magnitude != NULL) p->magnitude[at] += fabs(term);
}

static void forward_term(void *context, Term t)
{
    const Operands *p = context;
    add(p, t.y, (double)p->x[t.x] * (double)p->w[t.w]);
}

static void data_term(void *context, Term t)
{
    const Operands *p = context;
    add(p, t.x, (double)p->dy[t.y] * (double)p->w[t.w]);
}

static void weights_term(void *context, Term t)
{
    const Operands *p = context;
    add(p, t.w, (double)p->dy[t.y] * (double)p->x[t.x]);
}

static void s8_term(void *context, Term t)
{
    const Operands *p = context;
    p->acc[t.y] += (int64_t)(p->qx[t.x] - p->zx) * p->qw[t.w];
}

static void clear(size_t n, double *a, double *b)
{
    memset(a, 0, n * sizeof *a);
    if (b != NULL) memset(b, 0, n * sizeof *b);
}

void oracle_conv_forward(const ConvGeom *g, bool depthwise, int images, const float *x, const float *w, double *y,
                         double *magnitude)
{
    clear(oracle_output_count(g, images), y, magnitude);
    for_each_term(g, depthwise, images, forward_term, &(Operands){.x = x, .w = w, .out = y, .magnitude = magnitude});
}

void oracle_conv_backward_data(const ConvGeom *g, bool depthwise, int images, const float *dy, const float *w,
                               double *dx, double *magnitude)
{
    clear(oracle_input_count(g, images), dx, magnitude);
    for_each_term(g, depthwise, images, data_term, &(Operands){.dy = dy, .w = w, .out = dx, .magnitude = magnitude});
}

void oracle_conv_backward_weights(const ConvGeom *g, bool depthwise, int images, const float *x, const float *dy,
                                  double *dw, double *magnitude)
{
    clear(oracle_weight_count(g), dw, magnitude);
    for_each_term(g, depthwise, images, weights_term, &(Operands){.x = x, .dy = dy, .out = dw, .magnitude = magnitude});
}

void oracle_conv_s8(const ConvGeom *g, bool depthwise, int images, const int8_t *x, int zx, const int8_t *w,
                    int64_t *acc)
{
    memset(acc, 0, oracle_output_count(g, images) * sizeof *acc);
    for_each_term(g, depthwise, images, s8_term, &(Operands){.qx = x, .zx = zx, .qw = w, .acc = acc});
}

/* The cells of one window and channel, in the order of the taps. */
static int window(const ConvGeom *g, int oy, int ox, int c, int cells[])
{
    int n = 0;
    for (int i = 0; i < g->kh; i++)
        for (int j = 0; j < g->kw; j++) {
            const int y = oy * g->sh - g->pt + i * g->dh, x = ox * g->sw - g->pl + j * g->dw;
            if (y >= 0 && y < g->h && x >= 0 && x < g->w) cells[n++] = (y * g->w + x) * g->c + c;
        }
    return n;
}

enum { MAX_WINDOW = 1024 };

void oracle_maxpool(const ConvGeom *g, int images, const float *x, double *y, int32_t *argmax)
{
    int cells[MAX_WINDOW];
    for (int n = 0; n < images; n++, x += g->h * g->w * g->c)
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++)
                for (int c = 0; c < g->c; c++, y++, argmax++) {
                    const int count = window(g, oy, ox, c, cells);
                    *argmax = count > 0 ? cells[0] : -1;
                    for (int i = 1; i < count; i++)
                        if (x[cells[i]] > x[*argmax]) *argmax = cells[i];
                    *y = count > 0 ? (double)x[*argmax] : 0;
                }
}

void oracle_avgpool(const ConvGeom *g, int images, const float *x, double *y, int *count)
{
    int cells[MAX_WINDOW];
    for (int n = 0; n < images; n++, x += g->h * g->w * g->c)
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++)
                for (int c = 0; c < g->c; c++, y++, count++) {
                    *count = window(g, oy, ox, c, cells);
                    *y = 0;
                    for (int i = 0; i < *count; i++) *y += (double)x[cells[i]];
                    if (*count > 0) *y /= *count;
                }
}

size_t oracle_differences(size_t n, const float *got, const double *want, const double *magnitude, double tolerance)
{
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        const double allowed = tolerance * magnitude[i] + 1e-30, error = fabs((double)got[i] - want[i]);
        if (error <= allowed) continue;
        if (wrong++ == 0)
            fprintf(stderr, "value %zu of %zu: %.9g; must be %.9g within %.3g\n", i, n, (double)got[i], want[i],
                    allowed);
    }
    return wrong;
}

void oracle_fill(size_t n, uint64_t seed, float *x)
{
    Rng r = rng_make(seed, RNG_TEST, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)((int32_t)rng_u32(&r) >> 8) * 0x1p-23f;
}

void oracle_fill_codes(size_t n, uint64_t seed, int8_t *q)
{
    Rng r = rng_make(seed, RNG_TEST, 1);
    for (size_t i = 0; i < n; i++) q[i] = (int8_t)(rng_u32(&r) >> 24);
}
