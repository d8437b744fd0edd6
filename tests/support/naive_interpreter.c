#include "tests/support/naive_model.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file ---------------------------------------------------------------------------------------------------- */

const void *naive_binary(const NaiveModel *m, const char *owner, const char *what)
{
    char key[600];
    snprintf(key, sizeof key, "%s.%s", owner, what);
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(m->header, key);
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (cJSON_GetArraySize(offsets) != 2) abort();
    return m->data + (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble;
}

const cJSON *naive_member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (item == NULL) abort();
    return item;
}

const char *naive_text(const cJSON *object, const char *key) { return naive_member(object, key)->valuestring; }

int naive_number(const cJSON *object, const char *key, int index)
{
    const cJSON *item = naive_member(object, key);
    return cJSON_IsArray(item) ? cJSON_GetArrayItem(item, index)->valueint : item->valueint;
}

int naive_by_name(const NaiveModel *m, const char *name)
{
    for (int i = 0; i < m->tensors; i++)
        if (strcmp(m->tensor[i].name, name) == 0) return i;
    abort();
}

static unsigned char *slurp(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    unsigned char *file = malloc(*bytes + 1);
    if (fread(file, 1, *bytes, f) != *bytes) abort();
    fclose(f);
    return file;
}

NaiveModel *naive_open(const char *path)
{
    NaiveModel *m = calloc(1, sizeof *m);
    size_t bytes = 0, length = 0;
    m->file = slurp(path, &bytes);
    for (int i = 7; m->file != NULL && bytes >= 8 && i >= 0; i--) length = length << 8 | m->file[i];
    if (length == 0 || length > bytes - 8) {
        naive_close(m);
        return NULL;
    }
    m->data = m->file + 8 + length;
    m->header = cJSON_ParseWithLength((const char *)m->file + 8, length);
    const cJSON *metadata = naive_member(m->header, "__metadata__");
    if (strcmp(naive_text(metadata, "format"), "bitfold-int8") != 0) abort();
    const char *rounding = naive_text(metadata, "dialect");
    m->rounding = strcmp(rounding, "tflite-single") == 0   ? 's'
                  : strcmp(rounding, "tflite-double") == 0 ? 'd'
                                                           : rounding[0];
    m->graph = cJSON_Parse(naive_text(metadata, "graph"));
    const cJSON *tensors = naive_member(m->graph, "tensors");
    m->tensors = cJSON_GetArraySize(tensors);
    m->tensor = calloc((size_t)m->tensors, sizeof *m->tensor);
    const float *scale = naive_binary(m, "tensor", "scale");
    const int32_t *zero = naive_binary(m, "tensor", "zero_point");
    for (int i = 0; i < m->tensors; i++) {
        const cJSON *t = cJSON_GetArrayItem(tensors, i);
        Grid *g = &m->tensor[i];
        *g = (Grid){.name = naive_text(t, "name"),
                    .h = naive_number(t, "shape", 0),
                    .w = naive_number(t, "shape", 1),
                    .c = naive_number(t, "shape", 2),
                    .scale = scale[i],
                    .zero = zero[i]};
        const cJSON *format = cJSON_GetObjectItemCaseSensitive(t, "format");
        if (format != NULL) {
            g->format = format->valuestring;
            g->x = calloc((size_t)naive_elements(m, i), sizeof *g->x);
            continue;
        }
        g->lo = naive_number(t, "qmin", 0), g->hi = naive_number(t, "qmax", 0);
        g->q = calloc((size_t)naive_elements(m, i), sizeof *g->q);
    }
    return m;
}

void naive_close(NaiveModel *m)
{
    for (int i = 0; i < m->tensors; i++) free(m->tensor[i].q), free(m->tensor[i].x);
    free(m->tensor);
    cJSON_Delete(m->graph);
    cJSON_Delete(m->header);
    free(m->file);
    free(m);
}

int naive_tensors(const NaiveModel *m) { return m->tensors; }
const char *naive_name(const NaiveModel *m, int t) { return m->tensor[t].name; }
long naive_elements(const NaiveModel *m, int t) { return (long)m->tensor[t].h * m->tensor[t].w * m->tensor[t].c; }
const int64_t *naive_codes(const NaiveModel *m, int t) { return m->tensor[t].q; }
const double *naive_floats(const NaiveModel *m, int t) { return m->tensor[t].x; }
void naive_set_floats(NaiveModel *m, int t, const float *x)
{
    for (long i = 0; i < naive_elements(m, t); i++) m->tensor[t].x[i] = (double)x[i];
}

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
    const int32_t *bias = naive_binary(m, y->name, "bias");
    const float *scale = naive_binary(m, y->name, "weight_scale");
    const int kh = dense ? 1 : naive_number(n, "kernel", 0), kw = dense ? 1 : naive_number(n, "kernel", 1);
    const int sh = dense ? 1 : naive_number(n, "stride", 0), sw = dense ? 1 : naive_number(n, "stride", 1);
    const int dh = dense ? 1 : naive_number(n, "dilation", 0), dw = dense ? 1 : naive_number(n, "dilation", 1);
    const int top = dense ? 0 : naive_number(n, "padding", 0), left = dense ? 0 : naive_number(n, "padding", 2);
    const int groups = dense ? 1 : naive_number(n, "groups", 0), cg = x.c / groups, og = y->c / groups;
    for (int o = 0; o < y->c; o++) {
        const float xw = x.scale * scale[o];
        const double exact = (double)x.scale * (double)scale[o] / (double)y->scale;
        const Multiplier M = {xw / y->scale, fixed(exact)};
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++) {
                int64_t acc = bias[o];
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
                y->q[((int64_t)i * y->w + j) * y->c + o] = output_code(m, acc, M, y, n);
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
        const int64_t r = m->rounding == 'x'   ? floor_divide(naive_half_to_even(256.0 * (double)ratio) * q + 128, 256)
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
    if (m->rounding != 'o') return w->sum < 0 ? -rounded : rounded;
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
