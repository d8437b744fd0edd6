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

/* y[ox + p] = sum over the taps inside, in their order, for P neighbours that have the same taps inside. */
#define FORWARD_PIXELS(P, V, LOAD, LOAD_WEIGHT)                                                                        \
    {                                                                                                                  \
        V sum[P] = {{0}};                                                                                              \
        FOR_EACH_TAP(g, rows, columns, tap, cell)                                                                      \
        {                                                                                                              \
            const V weight = LOAD_WEIGHT(w + tap * g->o);                                                              \
            UNROLL for (int p = 0; p < P; p++) sum[p] += LOAD(x + cell + p * step) * weight;                           \
        }                                                                                                              \
        UNROLL for (int p = 0; p < P; p++)* (V *)(y + p * g->o) = sum[p];                                              \
        ox += P, y += P * (ptrdiff_t)g->o;                                                                             \
    }
#define FORWARD_ROW(V, LOAD, LOAD_WEIGHT)                                                                              \
    {                                                                                                                  \
        const ConvGeom local = *geom, *const g = &local; /* which no store changes */                                  \
        const Taps rows = rows_inside(g, oy);                                                                          \
        const ptrdiff_t step = (ptrdiff_t)g->sw * g->c;                                                                \
        x += c / (g->o / g->c), w += c, y += c;                                                                        \
        for (int ox = 0; ox < g->ow;) {                                                                                \
            const Taps columns = columns_inside(g, ox);                                                                \
            const bool four = columns.to - columns.from == g->kw && ox + 4 <= g->ow &&                                 \
                              columns.first + 3 * g->sw + (g->kw - 1) * g->dw < g->w;                                  \
            if (four)                                                                                                  \
                FORWARD_PIXELS(4, V, LOAD, LOAD_WEIGHT)                                                                \
            else                                                                                                       \
                FORWARD_PIXELS(1, V, LOAD, LOAD_WEIGHT)                                                                \
        }                                                                                                              \
    }

static void LANED(forward_row)(const ConvGeom *geom, int oy, const float *x, const float *w, float *y, int c)
FORWARD_ROW(F, FLOATS, FLOATS)

static void LANED(forward_row_codes)(const ConvGeom *geom, int oy, ConvInput in, const int8_t *x, const float *w,
                                     float *y, int c)
FORWARD_ROW(F, DEQUANTIZED, FLOATS)

/* dx[cell] += dy[ox] * w[tap], tap by tap. */
static void LANED(backward_data_row)(const ConvGeom *geom, int oy, const float *dy, const float *w, float *dx, int c)
{
    const ConvGeom local = *geom, *const g = &local;
    const Taps rows = rows_inside(g, oy);
    const ptrdiff_t step = (ptrdiff_t)g->sw * g->c;
    dx += c / (g->o / g->c), w += c, dy += c;
    for (int i = rows.from; i < rows.to; i++)
        for (int j = 0; j < g->kw; j++) {
            const Taps across = outputs_inside(g, j);
            const F weight = FLOATS(w + (ptrdiff_t)(i * g->kw + j) * g->o);
            float *const start = dx + ((ptrdiff_t)(rows.first + i * g->dh) * g->w + across.first) * g->c;
            for (ptrdiff_t ox = across.from; ox < across.to; ox++) *(F *)(start + ox * step) += FLOATS(dy + ox * g->o) * weight;
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
                const Taps across = outputs_inside(g, j);                                                              \
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

#define SHIFTED(p) (INTEGERS(p) - zx)

static void LANED(forward_row_s8)(const ConvGeom *geom, int oy, const int8_t *x, int zx, const int8_t *w, int32_t *y, int c)
FORWARD_ROW(I, SHIFTED, INTEGERS)

#undef SHIFTED
#undef FORWARD_PIXELS
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
