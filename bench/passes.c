#include "bench/passes.h"

#include "kernels/kernels.h"

enum { SIDE = 32, CHANNELS = 16, IMAGE = SIDE * SIDE * CHANNELS, PERIOD = 128 };

struct Passes {
    int threads, images; /* a part's */
    size_t n;            /* elements of a part */
    float *x, *y;
    int8_t *codes, *y_codes;
    float *pooled, *table; /* the maxima of x; a value per channel, repeated */
    int pass;
};

/* A part's arrays. */
typedef struct {
    int images;
    size_t n;
    const float *x;
    float *y;
    const int8_t *codes;
    int8_t *y_codes;
    const float *pooled, *table;
} Part;

static const ConvGeom halves = {.h = SIDE,
                                .w = SIDE,
                                .c = CHANNELS,
                                .o = CHANNELS,
                                .oh = SIDE / 2,
                                .ow = SIDE / 2,
                                .kh = 2,
                                .kw = 2,
                                .sh = 2,
                                .sw = 2,
                                .dh = 1,
                                .dw = 1,
                                .groups = CHANNELS};

static void run_dequantize(const Part *p) { kernels()->dequantize(p->n, p->codes, 0.02f, 3, p->y); }
static void run_widen(const Part *p) { kernels()->widen(p->n, p->codes, 3, (int16_t *)(void *)p->y_codes); }
static void run_scale_shift(const Part *p) { kernels()->scale_shift(p->n, PERIOD, p->table, p->table, p->x, p->y); }
static void run_relu(const Part *p) { kernels()->relu_f32(p->n, 6.0f, p->x, p->y); }
static void run_quantize(const Part *p)
{
    const QuantizeGrid grid = {.scale = 0.01f, .zero_point = 3, .lo = -128, .hi = 127};
    kernels()->quantize(p->n, p->x, &grid, p->y_codes, &(Extremes){.min = 1.0f, .max = -1.0f});
}
static NormTables norm(const Part *p)
{
    const float *t = p->table;
    return (NormTables){.scale = t, .shift = t, .mean = t, .mean_dy = t, .slope = t, .lo = -0.5f, .hi = 0.5f};
}
static void run_norm_sums(const Part *p)
{
    const NormTables n = norm(p);
    kernels()->norm_sums(p->n / 2, PERIOD, &n, p->x, p->x + p->n / 2, p->y, p->y + PERIOD);
}
static void run_norm_backward(const Part *p)
{
    const NormTables n = norm(p);
    kernels()->norm_backward(p->n / 2, PERIOD, &n, p->x, p->x + p->n / 2, p->y);
}
static void run_maxpool(const Part *p) { kernels()->maxpool_f32_forward(&halves, p->images, p->x, p->y); }
static void run_maxpool_s8(const Part *p) { kernels()->maxpool_s8_forward(&halves, p->images, p->codes, p->y_codes); }
static void run_maxpool_back(const Part *p)
{
    kernels()->maxpool_f32_backward(&halves, p->images, p->x, p->pooled, p->pooled, true, p->y);
}
static void run_avgpool(const Part *p) { avgpool_f32_forward(&halves, p->images, p->x, p->y); }
static void run_avgpool_s8(const Part *p)
{
    const AverageRule rule = {.kind = AVERAGE_CODES, .lo = -128, .hi = 127};
    kernels()->avgpool_s8_forward(&halves, p->images, p->codes, &rule, p->y_codes);
}
static void run_avgpool_back(const Part *p) { avgpool_backward(&halves, p->images, p->x, true, p->y); }

/* Bytes an element of the larger side. */
static const struct {
    const char *name;
    void (*run)(const Part *p);
    double bytes;
    bool codes; /* writes codes */
} passes[] = {
    {"dequantize", run_dequantize, 1 + 4, false},
    {"widen to 16 bits", run_widen, 1 + 2, true},
    {"normalize", run_scale_shift, 4 + 4, false},
    {"relu", run_relu, 4 + 4, false},
    {"quantize and observe", run_quantize, 4 + 1, true},
    {"batch norm's sums", run_norm_sums, (4 + 4) / 2.0, false},
    {"batch norm backward", run_norm_backward, (4 + 4 + 4) / 2.0, false},
    {"maxpool 2x2", run_maxpool, 4 + 8 / 4.0, false},
    {"maxpool 2x2, codes", run_maxpool_s8, 1 + 1 / 4.0, true},
    {"maxpool 2x2 backward", run_maxpool_back, 4 + 4 + 8 / 4.0, false},
    {"avgpool 2x2", run_avgpool, 4 + 4 / 4.0, false},
    {"avgpool 2x2, codes", run_avgpool_s8, 1 + 1 / 4.0, true},
    {"avgpool 2x2 backward", run_avgpool_back, 4 + 4 / 4.0, false},
};
const int pass_count = sizeof passes / sizeof passes[0];

const char *pass_name(int pass) { return passes[pass].name; }

Passes *passes_make(Arena *arena, int threads, size_t bytes)
{
    Passes *p = ARENA_ARRAY(arena, Passes, 1);
    const int images = (int)(bytes / sizeof(float) / IMAGE) / threads;
    *p = (Passes){.threads = threads, .images = images < 1 ? 1 : images};
    p->n = (size_t)p->images * IMAGE;
    const size_t all = p->n * (size_t)threads;
    p->x = random_floats(arena, all, 1), p->y = ARENA_ARRAY(arena, float, all);
    p->codes = random_codes(arena, all, 2), p->y_codes = ARENA_ARRAY(arena, int8_t, 2 * all);
    p->pooled = ARENA_ARRAY(arena, float, all / 4);
    p->table = random_floats(arena, PERIOD, 3);
    kernels()->maxpool_f32_forward(&halves, p->images * threads, p->x, p->pooled);
    return p;
}

static void run_part(void *context, int part)
{
    const Passes *p = context;
    const size_t at = (size_t)part * p->n, quarter = at / 4;
    passes[p->pass].run(&(Part){.images = p->images,
                                .n = p->n,
                                .x = p->x + at,
                                .y = p->y + at,
                                .codes = p->codes + at,
                                .y_codes = p->y_codes + 2 * at,
                                .pooled = p->pooled + quarter,
                                .table = p->table});
}

Race pass_race(Passes *p, int pass)
{
    p->pass = pass;
    const size_t all = p->n * (size_t)p->threads;
    return (Race){.threads = p->threads,
                  .run = run_part,
                  .context = p,
                  .out = passes[pass].codes ? (void *)p->y_codes : (void *)p->y,
                  .out_bytes = passes[pass].codes ? 2 * all : sizeof(float) * all,
                  .exact = passes[pass].codes};
}

double pass_bytes(const Passes *p, int pass) { return passes[pass].bytes * (double)p->n * p->threads; }
