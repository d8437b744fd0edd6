#include "tests/support/naive_model.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- the arithmetic ---------------------------------------------------------------------------------------------- */

static int64_t power2(int n) { return (int64_t)1 << n; }

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

int64_t naive_half_to_even(double x)
{
    const double below = floor(x), rest = x - below;
    const int64_t n = (int64_t)below;
    return rest > 0.5 || (rest == 0.5 && n % 2 != 0) ? n + 1 : n;
}

static int64_t clamp(int64_t x, int lo, int hi) { return x < lo ? lo : x > hi ? hi : x; }

typedef struct {
    int64_t m;
    int e;
} Fixed;

static Fixed fixed(double M)
{
    Fixed f = {0, 0};
    while (M >= 1.0) M /= 2.0, f.e++;
    while (M < 0.5) M *= 2.0, f.e--;
    f.m = (int64_t)floor(M * 2147483648.0 + 0.5);
    if (f.m == power2(31)) f.m /= 2, f.e++;
    return f.e < -31 ? (Fixed){0, 0} : f;
}

/* R(x) for the tflite roundings. */
static int64_t rescale(char rounding, int64_t x, Fixed f)
{
    if (rounding == 's') return floor_divide(x * f.m + power2(30 - f.e), power2(31 - f.e));
    if (f.e > 0) x *= power2(f.e);
    const int64_t t = floor_divide(x * f.m + power2(30), power2(31));
    if (f.e >= 0) return t;
    const int64_t d = power2(-f.e), magnitude = ((t < 0 ? -t : t) + d / 2) / d;
    return t < 0 ? -magnitude : magnitude;
}

/* R(x) of int32 in nodes that have int16 codes. */
static int64_t rescale_wide(const NaiveModel *m, int64_t x, Fixed f)
{
    return rescale(m->rounding == 's' ? 's' : 'd', x, f);
}

/* The most the sum of an output can be, of codes lo to hi around 0. */
static int64_t largest_sum(const int8_t *w, int count, int64_t bias, int lo, int hi)
{
    int64_t sum = bias < 0 ? -bias : bias;
    for (int i = 0; i < count; i++) sum += (int64_t)abs(w[i]) * (-lo > hi ? -lo : hi);
    return sum;
}

/* The rescaled sum of int16 codes and weights: the multiplier has 15 bits. */
static int64_t rescale_sum(int64_t sum, Fixed f)
{
    const int64_t m = f.m >= 0x7fff0000 ? 0x7fff : floor_divide(f.m + power2(15), power2(16));
    return floor_divide(sum * m + power2(14 - f.e), power2(15 - f.e));
}

/* A real multiplier in both forms: float32 for xnnpack and onnxruntime, fixed point for the others. */
typedef struct {
    float f;
    Fixed q;
} Multiplier;

static int64_t output_code(const NaiveModel *m, int64_t acc, Multiplier M, const Grid *y, const cJSON *n)
{
    const bool real = m->rounding == 'x' || m->rounding == 'o';
    const int64_t r = real ? naive_half_to_even((double)((float)acc * M.f)) : rescale(m->rounding, acc, M.q);
    return clamp(y->zero + r, naive_number(n, "clamp", 0), naive_number(n, "clamp", 1));
}

static int64_t pixel(const Grid *g, int i, int j, int c) { return g->q[((int64_t)i * g->w + j) * g->c + c]; }

/* conv2d, depthwise_conv2d and dense, which is a 1 x 1 convolution of a 1 x 1 image. */
static void convolve(const NaiveModel *m, const cJSON *n, const Grid *in, Grid *y)
{
    const char *op = naive_text(n, "op");
    const int depthwise = strcmp(op, "depthwise_conv2d") == 0, dense = strcmp(op, "dense") == 0;
    Grid x = *in;
    if (dense) x.c = x.h * x.w * x.c, x.h = x.w = 1;
    const int8_t *w = naive_binary(m, y->name, "weight");
    const void *bias = naive_binary(m, y->name, "bias");
    const float *scale = naive_binary(m, y->name, "weight_scale");
    const int kh = dense ? 1 : naive_number(n, "kernel", 0), kw = dense ? 1 : naive_number(n, "kernel", 1);
    const int sh = dense ? 1 : naive_number(n, "stride", 0), sw = dense ? 1 : naive_number(n, "stride", 1);
    const int dh = dense ? 1 : naive_number(n, "dilation", 0), dw = dense ? 1 : naive_number(n, "dilation", 1);
    const int top = dense ? 0 : naive_number(n, "padding", 0), left = dense ? 0 : naive_number(n, "padding", 2);
    const int groups = dense ? 1 : naive_number(n, "groups", 0), cg = x.c / groups, og = y->c / groups;
    bool in_int32 = dense && (m->rounding == 'x' || m->rounding == 'o') && in->wide;
    for (int o = 0; o < y->c && in_int32; o++)
        in_int32 = largest_sum(w + (int64_t)o * cg, cg, ((const int64_t *)bias)[o], in->lo, in->hi) < power2(31);
    for (int o = 0; o < y->c; o++) {
        const float xw = x.scale * scale[o];
        const double exact = (double)x.scale * (double)scale[o] / (double)y->scale;
        const Multiplier M = {xw / y->scale, fixed(exact)};
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++) {
                int64_t acc = in->wide ? ((const int64_t *)bias)[o] : ((const int32_t *)bias)[o];
                for (int k = 0; k < kh; k++)
                    for (int l = 0; l < kw; l++) {
                        const int row = i * sh - top + k * dh, column = j * sw - left + l * dw;
                        if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
                        for (int c = 0; c < cg; c++) {
                            const int64_t at = depthwise ? ((int64_t)k * kw + l) * y->c + o
                                                         : (((int64_t)o * kh + k) * kw + l) * cg + c;
                            acc += (pixel(&x, row, column, o / og * cg + c) - x.zero) * w[at];
                        }
                    }
                y->q[((int64_t)i * y->w + j) * y->c + o] =
                    y->sums    ? acc
                    : in->wide ? clamp(in_int32 ? rescale('s', acc, M.q) : rescale_sum(acc, M.q),
                                       naive_number(n, "clamp", 0), naive_number(n, "clamp", 1))
                               : output_code(m, acc, M, y, n);
            }
    }
}

/* A tensor on another grid. */
static void requantize(const NaiveModel *m, const cJSON *n, const Grid *x, Grid *y, long count)
{
    const float ratio = x->scale / y->scale;
    const Fixed M = fixed((double)x->scale / (double)y->scale);
    for (long i = 0; i < count; i++) {
        const int64_t q = x->q[i] - x->zero;
        const float real = x->scale * (float)q, quotient = real / y->scale;
        const int64_t r = x->wide || y->wide   ? rescale_wide(m, q, M)
                          : m->rounding == 'x' ? floor_divide(naive_half_to_even(256.0 * (double)ratio) * q + 128, 256)
                          : m->rounding == 'o' ? naive_half_to_even((double)quotient)
                                               : rescale(m->rounding, q, M);
        y->q[i] = clamp(y->zero + r, naive_number(n, "clamp", 0), naive_number(n, "clamp", 1));
    }
}

typedef struct {
    int64_t sum, count, best;
    float real; /* the sum of the dequantized codes */
} Cells;

static int64_t average(const NaiveModel *m, const Cells *w, const Grid *x, bool whole)
{
    const int64_t rounded = ((w->sum < 0 ? -w->sum : w->sum) + w->count / 2) / w->count;
    if (m->rounding != 'o' || x->wide) return w->sum < 0 ? -rounded : rounded;
    const float n = (float)w->count;
    if (whole) {
        const float area = x->scale * n, factor = x->scale / area;
        return x->zero + naive_half_to_even((double)((float)(w->sum - w->count * x->zero) * factor));
    }
    const float mean = w->real / n, steps = mean / x->scale;
    return naive_half_to_even((double)(steps + (float)(x->zero + 128))) - 128;
}

static void pool(const NaiveModel *m, const cJSON *n, const Grid *x, Grid *y, int averages)
{
    const bool whole = naive_number(n, "kernel", 0) == x->h && naive_number(n, "kernel", 1) == x->w &&
                       naive_number(n, "padding", 0) + naive_number(n, "padding", 1) == 0 &&
                       naive_number(n, "padding", 2) + naive_number(n, "padding", 3) == 0;
    for (int i = 0; i < y->h; i++)
        for (int j = 0; j < y->w; j++)
            for (int c = 0; c < y->c; c++) {
                Cells w = {.best = INT64_MIN};
                for (int k = 0; k < naive_number(n, "kernel", 0); k++)
                    for (int l = 0; l < naive_number(n, "kernel", 1); l++) {
                        const int row = i * naive_number(n, "stride", 0) - naive_number(n, "padding", 0) + k;
                        const int column = j * naive_number(n, "stride", 1) - naive_number(n, "padding", 2) + l;
                        if (row < 0 || row >= x->h || column < 0 || column >= x->w) continue;
                        const int64_t q = pixel(x, row, column, c);
                        const float real = x->scale * (float)(q - x->zero);
                        w.sum += q, w.count++, w.real += real;
                        if (q > w.best) w.best = q;
                    }
                y->q[((int64_t)i * y->w + j) * y->c + c] =
                    averages ? clamp(average(m, &w, x, whole), naive_number(n, "clamp", 0), naive_number(n, "clamp", 1))
                             : w.best;
            }
}

/* ONNX Runtime's add: codes as uint8, fused multiply-adds. */
static int64_t add_reals(const Grid *a, const Grid *b, const Grid *y, long i)
{
    const float ra = a->scale / y->scale, rb = b->scale / y->scale, zb = rb * (float)(b->zero + 128);
    const float fixed_part = (float)(y->zero + 128) - fmaf(ra, (float)(a->zero + 128), zb);
    const float with_b = fmaf(rb, (float)(b->q[i] + 128), fixed_part);
    return naive_half_to_even((double)fmaf(ra, (float)(a->q[i] + 128), with_b)) - 128 - y->zero;
}

static void add(const NaiveModel *m, const cJSON *n, const Grid *a, const Grid *b, Grid *y, long count)
{
    const float ra = a->scale / y->scale, rb = b->scale / y->scale;
    int shift = 20;
    for (float r = ra > rb ? ra : rb; r >= 2.0f; r /= 2.0f) shift--;
    for (float r = ra > rb ? ra : rb; r < 1.0f; r *= 2.0f) shift++;
    const int64_t A = naive_half_to_even((double)ra * (double)power2(shift)),
                  B = naive_half_to_even((double)rb * (double)power2(shift));
    const double twice = 2.0 * (double)(a->scale > b->scale ? a->scale : b->scale);
    const Fixed fa = fixed((double)a->scale / twice), fb = fixed((double)b->scale / twice),
                fy = fixed(twice / (1048576.0 * (double)y->scale));
    if (a->wide) {
        const Fixed last = fixed(twice / (32768.0 * (double)y->scale));
        for (long i = 0; i < count; i++) {
            const int64_t sum = rescale_wide(m, a->q[i] * power2(15), fa) + rescale_wide(m, b->q[i] * power2(15), fb);
            y->q[i] = clamp(rescale_wide(m, sum, last), naive_number(n, "clamp", 0), naive_number(n, "clamp", 1));
        }
        return;
    }
    for (long i = 0; i < count; i++) {
        const int64_t qa = a->q[i] - a->zero, qb = b->q[i] - b->zero;
        int64_t r;
        if (m->rounding == 'x')
            r = floor_divide(A * qa + B * qb + power2(shift - 1), power2(shift));
        else if (m->rounding == 'o')
            r = add_reals(a, b, y, i);
        else
            r = rescale(m->rounding,
                        rescale(m->rounding, qa * power2(20), fa) + rescale(m->rounding, qb * power2(20), fb), fy);
        y->q[i] = clamp(y->zero + r, naive_number(n, "clamp", 0), naive_number(n, "clamp", 1));
    }
}

/* b's codes again and again: [1,1,C] at every cell. */
static void multiply(const NaiveModel *m, const cJSON *n, const Grid *a, const Grid *b, Grid *y, long count)
{
    const float ab = a->scale * b->scale;
    const double exact = (double)a->scale * (double)b->scale / (double)y->scale;
    const Multiplier M = {ab / y->scale, fixed(exact)};
    for (long i = 0; i < count; i++) {
        const int64_t product = (a->q[i] - a->zero) * (b->q[i % ((long)b->h * b->w * b->c)] - b->zero);
        if (a->wide) {
            const bool in_float = m->rounding == 'x' || m->rounding == 'o';
            y->q[i] = clamp(rescale_wide(m, product, in_float ? fixed((double)M.f) : M.q), naive_number(n, "clamp", 0),
                            naive_number(n, "clamp", 1));
            continue;
        }
        if (m->rounding != 'o') {
            y->q[i] = output_code(m, product, M, y, n);
            continue;
        }
        const float scaled = (float)product * M.f, code = scaled + (float)(y->zero + 128);
        y->q[i] =
            clamp(naive_half_to_even((double)code) - 128, naive_number(n, "clamp", 0), naive_number(n, "clamp", 1));
    }
}

static void concat(const NaiveModel *m, const cJSON *inputs, Grid *y)
{
    int first = 0;
    for (int k = 0; k < cJSON_GetArraySize(inputs); k++) {
        const Grid *x = &m->tensor[naive_by_name(m, cJSON_GetArrayItem(inputs, k)->valuestring)];
        for (int i = 0; i < y->h * y->w; i++)
            for (int c = 0; c < x->c; c++) y->q[(int64_t)i * y->c + first + c] = x->q[(int64_t)i * x->c + c];
        first += x->c;
    }
}

static void run_node(const NaiveModel *m, const cJSON *n)
{
    if (naive_touches_floats(m, n)) {
        naive_run_floats(m, n);
        return;
    }
    const char *op = naive_text(n, "op");
    const int output = naive_by_name(m, naive_text(n, "name"));
    const cJSON *inputs = naive_member(n, "inputs");
    const Grid *x = &m->tensor[naive_by_name(m, cJSON_GetArrayItem(inputs, 0)->valuestring)];
    Grid *y = &m->tensor[output];
    const long count = naive_elements(m, output);
    if (strstr(op, "conv2d") != NULL || strcmp(op, "dense") == 0) {
        convolve(m, n, x, y);
    } else if (strcmp(op, "max_pool") == 0 || strcmp(op, "average_pool") == 0) {
        pool(m, n, x, y, op[0] == 'a');
    } else if (strcmp(op, "add") == 0) {
        add(m, n, x, &m->tensor[naive_by_name(m, cJSON_GetArrayItem(inputs, 1)->valuestring)], y, count);
    } else if (strcmp(op, "multiply") == 0) {
        multiply(m, n, x, &m->tensor[naive_by_name(m, cJSON_GetArrayItem(inputs, 1)->valuestring)], y, count);
    } else if (strcmp(op, "concat") == 0) {
        concat(m, inputs, y);
    } else if (strcmp(op, "requant") == 0) {
        requantize(m, n, x, y, count);
    } else if (strcmp(op, "lut") == 0) {
        const int8_t *table = naive_binary(m, y->name, "table");
        for (long i = 0; i < count; i++) y->q[i] = table[x->q[i] + 128];
    } else if (strcmp(op, "embedding") == 0) {
        const int8_t *table = naive_binary(m, y->name, "table");
        for (long i = 0; i < count; i++) y->q[i] = table[(x->q[i / y->c] + 128) * y->c + i % y->c];
    } else if (strcmp(op, "reshape") == 0) {
        memcpy(y->q, x->q, sizeof *y->q * (size_t)count);
    } else {
        abort();
    }
}

int naive_nodes(const NaiveModel *m) { return cJSON_GetArraySize(naive_member(m->graph, "nodes")); }

void naive_image(NaiveModel *m, const int8_t *image)
{
    for (long i = 0; i < naive_elements(m, 0); i++) m->tensor[0].q[i] = image[i];
}

int naive_step(NaiveModel *m, int node)
{
    const cJSON *n = cJSON_GetArrayItem(naive_member(m->graph, "nodes"), node);
    run_node(m, n);
    return naive_by_name(m, naive_text(n, "name"));
}

void naive_run(NaiveModel *m, const int8_t *image)
{
    naive_image(m, image);
    for (int i = 0; i < naive_nodes(m); i++) naive_step(m, i);
}
