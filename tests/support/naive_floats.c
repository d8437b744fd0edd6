/* The naive interpreter's floats: sums in double, rounded to the output's format at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/naive_model.h"

static const Grid *input(const NaiveModel *m, const cJSON *n, int k)
{
    return &m->tensor[naive_by_name(m, cJSON_GetArrayItem(naive_member(n, "inputs"), k)->valuestring)];
}

static Grid *output(const NaiveModel *m, const cJSON *n) { return &m->tensor[naive_by_name(m, naive_text(n, "name"))]; }

bool naive_touches_floats(const NaiveModel *m, const cJSON *n)
{
    return output(m, n)->format != NULL || input(m, n, 0)->format != NULL;
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    int exponent, fraction; /* bits */
    double largest;
    bool overflows;
} FormatRule;

static const FormatRule *rule_of(const char *format)
{
    static const FormatRule rules[] = {{"float32", 8, 23, 0x1.fffffep127, true},
                                       {"float16", 5, 10, 65504, true},
                                       {"bfloat16", 8, 7, 0x1.fep127, true},
                                       {"float8_e4m3", 4, 3, 448, false},
                                       {"float8_e5m2", 5, 2, 57344, false}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].name, format) == 0) return &rules[i];
    abort();
}

static double rounded(double x, const char *format)
{
    const FormatRule *r = rule_of(format);
    int e = 0;
    frexp(x, &e);
    const int bias = (1 << (r->exponent - 1)) - 1, least = 1 - bias;
    const double step = ldexp(1.0, (e - 1 < least ? least : e - 1) - r->fraction), y = nearbyint(x / step) * step;
    if (fabs(y) <= r->largest) return y;
    return copysign(r->overflows ? (double)INFINITY : r->largest, x);
}

/* The i-th value of `stored`. */
static double stored_value(const void *stored, const char *format, long i)
{
    const FormatRule *r = rule_of(format);
    if (r->fraction == 23) return (double)((const float *)stored)[i];
    const int bytes = r->exponent + r->fraction > 7 ? 2 : 1, bias = (1 << (r->exponent - 1)) - 1;
    const unsigned char *at = (const unsigned char *)stored + i * bytes;
    const int code = bytes == 2 ? at[0] | at[1] << 8 : at[0];
    const int e = code >> r->fraction & ((1 << r->exponent) - 1), f = code & ((1 << r->fraction) - 1);
    const double x = ldexp(e == 0 ? f : f + (1 << r->fraction), (e == 0 ? 1 : e) - bias - r->fraction);
    return code >> (r->exponent + r->fraction) != 0 ? -x : x;
}

static double activated(const cJSON *n, double x)
{
    const cJSON *activation = cJSON_GetObjectItemCaseSensitive(n, "activation");
    if (activation == NULL || strcmp(activation->valuestring, "none") == 0) return x;
    const double y = x > 0.0 ? x : 0.0;
    return strcmp(activation->valuestring, "relu6") == 0 && y > 6.0 ? 6.0 : y;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* Weight `at`, of output o, which has `each`. */
static double weight(const NaiveModel *m, const cJSON *n, int o, long at, long each)
{
    const char *name = naive_text(n, "name"), *format = naive_text(n, "weight_format");
    const void *w = naive_binary(m, name, "weight");
    if (strcmp(format, "int8") != 0) return stored_value(w, format, at);
    const cJSON *group = cJSON_GetObjectItemCaseSensitive(n, "weight_group");
    long scale = o;
    if (group != NULL) scale = o * ((each - 1) / group->valueint + 1) + at % each / group->valueint;
    int code = ((const int8_t *)w)[at];
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(n, "weight_affine")))
        code -= ((const int8_t *)naive_binary(m, name, "weight_zero_point"))[scale];
    const float real = ((const float *)naive_binary(m, name, "weight_scale"))[scale] * (float)code;
    return (double)real;
}

/* Values on the grid of 256 codes that their own range gives. */
static double *on_own_grid(const double *x, long n)
{
    float lo = 0.0f, hi = 0.0f;
    for (long i = 0; i < n; i++) lo = fminf(lo, (float)x[i]), hi = fmaxf(hi, (float)x[i]);
    float scale = (hi - lo) / 255.0f;
    if (scale == 0.0f) scale = 1.0f;
    const double zero = nearbyint(fmin(255.0, (double)(-lo / scale)));
    double *y = malloc(sizeof *y * (size_t)n);
    for (long i = 0; i < n; i++)
        y[i] = (double)scale * (fmin(255.0, fmax(0.0, nearbyint((double)((float)x[i] / scale)) + zero)) - zero);
    return y;
}

static void convolve(const NaiveModel *m, const cJSON *n, const Grid *in, Grid *y)
{
    const char *op = naive_text(n, "op");
    const bool depthwise = strcmp(op, "depthwise_conv2d") == 0, dense = strcmp(op, "dense") == 0;
    Grid x = *in;
    if (dense) x.c = x.h * x.w * x.c, x.h = x.w = 1;
    const bool dynamic = cJSON_GetObjectItemCaseSensitive(n, "input_bits") != NULL;
    if (dynamic) x.x = on_own_grid(x.x, (long)x.h * x.w * x.c);
    const float *bias = naive_binary(m, y->name, "bias");
    const int kh = dense ? 1 : naive_number(n, "kernel", 0), kw = dense ? 1 : naive_number(n, "kernel", 1);
    const int sh = dense ? 1 : naive_number(n, "stride", 0), sw = dense ? 1 : naive_number(n, "stride", 1);
    const int dh = dense ? 1 : naive_number(n, "dilation", 0), dw = dense ? 1 : naive_number(n, "dilation", 1);
    const int top = dense ? 0 : naive_number(n, "padding", 0), left = dense ? 0 : naive_number(n, "padding", 2);
    const int groups = dense ? 1 : naive_number(n, "groups", 0), cg = x.c / groups, og = y->c / groups;
    for (int o = 0; o < y->c; o++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++) {
                double sum = (double)bias[o];
                for (int k = 0; k < kh; k++)
                    for (int l = 0; l < kw; l++) {
                        const int row = i * sh - top + k * dh, column = j * sw - left + l * dw;
                        if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
                        for (int c = 0; c < cg; c++) {
                            const long at =
                                depthwise ? ((long)k * kw + l) * y->c + o : (((long)o * kh + k) * kw + l) * cg + c;
                            sum += x.x[((long)row * x.w + column) * x.c + o / og * cg + c] *
                                   weight(m, n, o, at, (long)kh * kw * cg);
                        }
                    }
                y->x[((long)i * y->w + j) * y->c + o] = sum;
            }
    if (dynamic) free(x.x);
}

static void pool(const cJSON *n, const Grid *x, Grid *y, bool averages)
{
    for (int i = 0; i < y->h; i++)
        for (int j = 0; j < y->w; j++)
            for (int c = 0; c < y->c; c++) {
                double sum = 0, best = -(double)INFINITY;
                int count = 0;
                for (int k = 0; k < naive_number(n, "kernel", 0); k++)
                    for (int l = 0; l < naive_number(n, "kernel", 1); l++) {
                        const int row = i * naive_number(n, "stride", 0) - naive_number(n, "padding", 0) + k;
                        const int column = j * naive_number(n, "stride", 1) - naive_number(n, "padding", 2) + l;
                        if (row < 0 || row >= x->h || column < 0 || column >= x->w) continue;
                        const double v = x->x[((long)row * x->w + column) * x->c + c];
                        sum += v, count++;
                        if (v > best) best = v;
                    }
                y->x[((long)i * y->w + j) * y->c + c] = averages ? sum / count : best;
            }
}

static void concat(const NaiveModel *m, const cJSON *n, Grid *y)
{
    int first = 0;
    for (int k = 0; k < cJSON_GetArraySize(naive_member(n, "inputs")); k++) {
        const Grid *x = input(m, n, k);
        for (long i = 0; i < (long)y->h * y->w; i++)
            for (int c = 0; c < x->c; c++) y->x[i * y->c + first + c] = x->x[i * x->c + c];
        first += x->c;
    }
}

static double curve(const char *name, double x)
{
    const double ramp = fmin(fmax(x + 3.0, 0.0), 6.0) / 6.0, gate = 1.0 / (1.0 + exp(-x));
    if (strcmp(name, "hard_swish") == 0) return x * ramp;
    if (strcmp(name, "hard_sigmoid") == 0) return ramp;
    if (strcmp(name, "sigmoid") == 0) return gate;
    if (strcmp(name, "silu") == 0) return x * gate;
    if (strcmp(name, "tanh") == 0) return tanh(x);
    abort();
}

/* As the rounding's own runtime has it: float32 throughout, and nothing to differ in. */
static void quantize(const NaiveModel *m, const Grid *x, Grid *y, long count)
{
    const float inverse = 1.0f / y->scale;
    for (long i = 0; i < count && y->wide; i++)
        y->q[i] = (int64_t)round(fmin(fmax((double)((float)x->x[i] / y->scale), y->lo), y->hi));
    if (y->wide) return;
    for (long i = 0; i < count; i++) {
        const float v = (float)x->x[i];
        const double steps = m->rounding == 'x' ? (double)(v * inverse) : (double)(v / y->scale);
        const double within = fmin(fmax(steps, y->lo - y->zero), y->hi - y->zero);
        const bool even = m->rounding == 'x' || m->rounding == 'o';
        y->q[i] = (even ? naive_half_to_even(within) : (int64_t)round(within)) + y->zero;
    }
}

static void compute(const NaiveModel *m, const cJSON *n, const Grid *x, Grid *y, long count)
{
    const char *op = naive_text(n, "op");
    if (strstr(op, "conv2d") != NULL || strcmp(op, "dense") == 0) {
        convolve(m, n, x, y);
    } else if (strcmp(op, "max_pool") == 0 || strcmp(op, "average_pool") == 0) {
        pool(n, x, y, op[0] == 'a');
    } else if (strcmp(op, "add") == 0) {
        for (long i = 0; i < count; i++) y->x[i] = x->x[i] + input(m, n, 1)->x[i];
    } else if (strcmp(op, "multiply") == 0) {
        const Grid *b = input(m, n, 1);
        const long factors = (long)b->h * b->w * b->c;
        for (long i = 0; i < count; i++) y->x[i] = x->x[i] * b->x[i % factors];
    } else if (strcmp(op, "concat") == 0) {
        concat(m, n, y);
    } else if (strcmp(op, "lut") == 0) {
        for (long i = 0; i < count; i++) y->x[i] = curve(naive_text(n, "curve"), x->x[i]);
    } else if (strcmp(op, "requant") == 0 || strcmp(op, "reshape") == 0) {
        memcpy(y->x, x->x, sizeof *y->x * (size_t)count);
    } else if (strcmp(op, "dequantize") == 0) {
        for (long i = 0; i < count; i++) y->x[i] = (double)(x->scale * (float)(x->q[i] - x->zero));
    } else {
        abort();
    }
    for (long i = 0; i < count; i++) y->x[i] = rounded(activated(n, y->x[i]), y->format);
}

void naive_run_floats(const NaiveModel *m, const cJSON *n)
{
    Grid *y = output(m, n);
    const long count = (long)y->h * y->w * y->c;
    if (y->format == NULL)
        quantize(m, input(m, n, 0), y, count);
    else
        compute(m, n, input(m, n, 0), y, count);
}
