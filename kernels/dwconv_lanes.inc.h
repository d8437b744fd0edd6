/* Included by dwconv.inc.h once per LANES: one output row of a depthwise convolution for the output channels
 * c .. c + LANES - 1, in the compiler's vector types.  c / M is the input channel (LANES > 1 only for M = 1). */
#define LANED_(name, lanes) name##_##lanes
#define LANED_JOIN(name, lanes) LANED_(name, lanes)
#define LANED(name) LANED_JOIN(name, LANES)
#define F LANED(F)
#define I LANED(I)

typedef float F __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define FLOATS(p) (*(const F *)(p))
#define INTEGERS(p) ((I)LANED(integers)(p)) /* LANES codes as int32 */
#define DEQUANTIZED(p) (in.scale * __builtin_convertvector(INTEGERS(p) - in.zero_point, F))

/* y[ox] = sum over the taps inside, in their order */
#define FORWARD_ROW(LOAD)                                                                                              \
    {                                                                                                                  \
        const ConvGeom local = *geom, *const g = &local; /* which no store changes */                                  \
        const Taps rows = rows_inside(g, oy);                                                                          \
        x += c / (g->o / g->c), w += c, y += c;                                                                        \
        for (int ox = 0; ox < g->ow; ox++, y += g->o) {                                                                \
            const Taps columns = columns_inside(g, ox);                                                                \
            F sum = {0};                                                                                               \
            FOR_EACH_TAP(g, rows, columns, tap, cell) sum += LOAD(x + cell) * FLOATS(w + tap * g->o);                  \
            *(F *)y = sum;                                                                                             \
        }                                                                                                              \
    }

static void LANED(forward_row)(const ConvGeom *geom, int oy, const float *x, const float *w, float *y, int c)
FORWARD_ROW(FLOATS)

static void LANED(forward_row_codes)(const ConvGeom *geom, int oy, ConvInput in, const int8_t *x, const float *w,
                                     float *y, int c)
FORWARD_ROW(DEQUANTIZED)

/* dx[cell] += dy[ox] * w[tap] */
static void LANED(backward_data_row)(const ConvGeom *geom, int oy, const float *dy, const float *w, float *dx, int c)
{
    const ConvGeom local = *geom, *const g = &local;
    const Taps rows = rows_inside(g, oy);
    dx += c / (g->o / g->c), w += c, dy += c;
    for (int ox = 0; ox < g->ow; ox++, dy += g->o) {
        const Taps columns = columns_inside(g, ox);
        const F d = FLOATS(dy);
        FOR_EACH_TAP(g, rows, columns, tap, cell) *(F *)(dx + cell) += d * FLOATS(w + tap * g->o);
    }
}

/* dw[tap] += sum over the ox whose cell is inside of dy[ox] * x[cell] */
#define BACKWARD_WEIGHTS_ROW(LOAD)                                                                                     \
    {                                                                                                                  \
        const ConvGeom local = *geom, *const g = &local; /* which no store changes */                                  \
        const Taps rows = rows_inside(g, oy);                                                                          \
        const ptrdiff_t step = (ptrdiff_t)g->sw * g->c;                                                                \
        x += c / (g->o / g->c), dw += c, dy += c;                                                                      \
        for (int i = rows.from; i < rows.to; i++)                                                                      \
            for (int j = 0; j < g->kw; j++) {                                                                          \
                const Taps across = taps_inside(j * g->dw - g->pl, g->sw, g->ow, g->w); /* ox in place of the tap */   \
                const ptrdiff_t start = ((ptrdiff_t)(rows.first + i * g->dh) * g->w + across.first) * g->c;            \
                F *const at = (F *)(dw + (ptrdiff_t)(i * g->kw + j) * g->o);                                           \
                F sum = *at;                                                                                           \
                for (ptrdiff_t ox = across.from; ox < across.to; ox++)                                                 \
                    sum += LOAD(x + start + ox * step) * FLOATS(dy + ox * g->o);                                       \
                *at = sum;                                                                                             \
            }                                                                                                          \
    }

static void LANED(backward_weights_row)(const ConvGeom *geom, int oy, const float *x, const float *dy, float *dw, int c)
BACKWARD_WEIGHTS_ROW(FLOATS)

static void LANED(backward_weights_row_codes)(const ConvGeom *geom, int oy, ConvInput in, const int8_t *x,
                                              const float *dy, float *dw, int c)
BACKWARD_WEIGHTS_ROW(DEQUANTIZED)

static void LANED(forward_row_s8)(const ConvGeom *geom, int oy, const int8_t *x, int zx, const int8_t *w, int32_t *acc,
                                  int c)
{
    const ConvGeom local = *geom, *const g = &local;
    const Taps rows = rows_inside(g, oy);
    x += c / (g->o / g->c), w += c, acc += c;
    for (int ox = 0; ox < g->ow; ox++, acc += g->o) {
        const Taps columns = columns_inside(g, ox);
        I sum = {0};
        FOR_EACH_TAP(g, rows, columns, tap, cell) sum += (INTEGERS(x + cell) - zx) * INTEGERS(w + tap * g->o);
        *(I *)acc = sum;
    }
}

#undef FORWARD_ROW
#undef BACKWARD_WEIGHTS_ROW
#undef FLOATS
#undef DEQUANTIZED
#undef INTEGERS
#undef F
#undef I
#undef LANED
#undef LANED_JOIN
#undef LANED_
#undef LANES
