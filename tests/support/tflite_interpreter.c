#include "tests/support/tflite_interpreter.h"

#include <math.h>
#include <string.h>

#include "kernels/requant_multiply.h"
#include "tests/support/tflite_run.h"

typedef TfliteRun Run;
typedef TfliteWindow Window;

const TfliteTensor *tflite_run_tensor(const Run *r, int32_t t) { return &r->m->tensor[t]; }
static const TfliteTensor *tensor(const Run *r, int32_t t) { return tflite_run_tensor(r, t); }

long tflite_elements(const TfliteTensor *t)
{
    long n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}
static long elements(const TfliteTensor *t) { return tflite_elements(t); }

static int zero_point(const TfliteTensor *t) { return (int)t->zero_point[0]; }

static int highest(const TfliteTensor *y, int activation)
{
    if (activation != TFLITE_RELU6) return INT8_MAX;
    const float six = truncf(6.0f / y->scale[0] + 0.5f); /* of a fine grid beyond any int */
    return six < (float)(INT8_MAX - zero_point(y)) ? zero_point(y) + (int)six : INT8_MAX;
}

static int lowest(const TfliteTensor *y, int activation)
{
    return activation == TFLITE_NO_ACTIVATION ? INT8_MIN : zero_point(y);
}

int tflite_before(int padding, int in, int out, int stride, int window)
{
    const int total = (out - 1) * stride + window - in;
    return padding == TFLITE_SAME && total > 0 ? total / 2 : 0;
}

static void convolve(const Run *r, const TfliteOperator *o, Window k)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *w = tensor(r, o->input[1]), *y = tensor(r, o->output[0]);
    const int8_t *in = r->value[o->input[0]], *weights = w->data;
    const int32_t *bias = tensor(r, o->input[2])->data;
    const int outputs = y->shape[3], channels = x->shape[3], per_group = k.multiplier > 0 ? 1 : w->shape[3];
    const int groups = channels / per_group;
    const int top = tflite_before(k.padding, x->shape[1], y->shape[1], k.sh, (k.kh - 1) * k.dh + 1);
    const int left = tflite_before(k.padding, x->shape[2], y->shape[2], k.sw, (k.kw - 1) * k.dw + 1);
    int8_t *out = r->value[o->output[0]];
    for (int oy = 0; oy < y->shape[1]; oy++)
        for (int ox = 0; ox < y->shape[2]; ox++)
            for (int f = 0; f < outputs; f++) {
                int32_t acc = bias[f];
                for (int i = 0; i < k.kh; i++)
                    for (int j = 0; j < k.kw; j++)
                        for (int c = 0; c < per_group; c++) {
                            const int row = oy * k.sh - top + i * k.dh, column = ox * k.sw - left + j * k.dw;
                            if (row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2]) continue;
                            const int from =
                                k.multiplier > 0 ? f / k.multiplier : f / (outputs / groups) * per_group + c;
                            const int at = k.multiplier > 0 ? (i * k.kw + j) * outputs + f
                                                            : ((f * k.kh + i) * k.kw + j) * per_group + c;
                            acc += (in[(row * x->shape[2] + column) * channels + from] - zero_point(x)) * weights[at];
                        }
                const Multiplier M =
                    multiplier_make(r->rounding, x->scale[0], w->scale[w->scales > 1 ? f : 0], y->scale[0]);
                *out++ = requant(r->rounding, acc, M, zero_point(y), lowest(y, k.activation), highest(y, k.activation));
            }
}

static void pool(const Run *r, const TfliteOperator *o, bool max)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *y = tensor(r, o->output[0]);
    const int32_t *k = o->option;
    const int channels = x->shape[3];
    const int top = tflite_before(k[POOL_PADDING], x->shape[1], y->shape[1], k[POOL_STRIDE_H], k[POOL_HEIGHT]);
    const int left = tflite_before(k[POOL_PADDING], x->shape[2], y->shape[2], k[POOL_STRIDE_W], k[POOL_WIDTH]);
    int8_t *out = r->value[o->output[0]];
    for (int oy = 0; oy < y->shape[1]; oy++)
        for (int ox = 0; ox < y->shape[2]; ox++)
            for (int c = 0; c < channels; c++) {
                int sum = 0, n = 0, most = INT8_MIN;
                for (int i = 0; i < k[POOL_HEIGHT]; i++)
                    for (int j = 0; j < k[POOL_WIDTH]; j++) {
                        const int row = oy * k[POOL_STRIDE_H] - top + i, column = ox * k[POOL_STRIDE_W] - left + j;
                        if (row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2]) continue;
                        const int q = r->value[o->input[0]][(row * x->shape[2] + column) * channels + c];
                        sum += q, n++;
                        if (q > most) most = q;
                    }
                const int mean = (sum > 0 ? sum + n / 2 : sum - n / 2) / n;
                *out++ =
                    (int8_t)clamp_int(max ? most : mean, lowest(y, k[POOL_ACTIVATION]), highest(y, k[POOL_ACTIVATION]));
            }
}

/* Indices of a table are kept as codes: 128 less. */
static void gather(const Run *r, const TfliteOperator *o)
{
    const int8_t *table = tensor(r, o->input[0])->data;
    for (long i = 0; i < elements(tensor(r, o->output[0])); i++)
        r->value[o->output[0]][i] = table[r->value[o->input[1]][i] + 128];
}

/* As LiteRT does: in float32. */
static void curve(const Run *r, const TfliteOperator *o, bool hyperbolic)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *y = tensor(r, o->output[0]);
    for (long i = 0; i < elements(y); i++) {
        const float real = x->scale[0] * (float)(r->value[o->input[0]][i] - zero_point(x));
        const float value = hyperbolic ? tanhf(real) : 1.0f / (1.0f + expf(-real));
        r->value[o->output[0]][i] =
            (int8_t)clamp_int((int)lrintf(value / y->scale[0]) + zero_point(y), INT8_MIN, INT8_MAX);
    }
}

static void add(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *a = tensor(r, o->input[0]), *b = tensor(r, o->input[1]), *y = tensor(r, o->output[0]);
    AddParams p;
    add_params_make(r->rounding, a->scale[0], zero_point(a), b->scale[0], zero_point(b), y->scale[0], zero_point(y),
                    lowest(y, o->option[ADD_ACTIVATION]), highest(y, o->option[ADD_ACTIVATION]), &p);
    for (long i = 0; i < elements(y); i++)
        r->value[o->output[0]][i] = requant_add(&p, r->value[o->input[0]][i], r->value[o->input[1]][i]);
}

static void multiply(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *a = tensor(r, o->input[0]), *b = tensor(r, o->input[1]), *y = tensor(r, o->output[0]);
    MultiplyParams p;
    multiply_params_make(r->rounding, a->scale[0], zero_point(a), b->scale[0], zero_point(b), y->scale[0],
                         zero_point(y), lowest(y, o->option[MUL_ACTIVATION]), highest(y, o->option[MUL_ACTIVATION]),
                         &p);
    for (long i = 0; i < elements(y); i++)
        r->value[o->output[0]][i] =
            requant_multiply(&p, r->value[o->input[0]][i], r->value[o->input[1]][i % elements(b)]);
}

static void concat(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *y = tensor(r, o->output[0]);
    const int axis = o->option[CONCAT_AXIS], channels = y->shape[axis];
    int first = 0;
    for (int k = 0; k < o->inputs; k++) {
        const int part = tensor(r, o->input[k])->shape[axis];
        for (long i = 0; i < elements(y) / channels; i++)
            memcpy(r->value[o->output[0]] + i * channels + first, r->value[o->input[k]] + i * part, (size_t)part);
        first += part;
    }
}

static void pad(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *y = tensor(r, o->output[0]);
    const int32_t(*border)[2] = tensor(r, o->input[1])->data;
    int8_t *out = r->value[o->output[0]];
    const int8_t code = o->inputs == 3 ? *(const int8_t *)tensor(r, o->input[2])->data : (int8_t)zero_point(x);
    memset(out, code, (size_t)elements(y));
    const long row_bytes = (long)x->shape[2] * x->shape[3];
    for (int i = 0; i < x->shape[1]; i++)
        memcpy(out + ((long)(i + border[1][0]) * y->shape[2] + border[2][0]) * y->shape[3],
               r->value[o->input[0]] + i * row_bytes, (size_t)row_bytes);
}

/* XNNPACK has 8 bits behind the point; TFLite's own kernel 31 bits of fixed point. */
static int8_t quantize_code(Rounding rounding, float s_x, float s_y, int d, int z_y)
{
    if (rounding == ROUNDING_XNNPACK) {
        const int m = (int)lrintf(256.0f * (s_x / s_y));
        return (int8_t)clamp_int(z_y + ((d * m + 128) >> 8), INT8_MIN, INT8_MAX);
    }
    Multiplier M = {0};
    quantize_multiplier((double)s_x / (double)s_y, &M.m, &M.e);
    return requant(rounding, d, M, z_y, INT8_MIN, INT8_MAX);
}

static void quantize(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *y = tensor(r, o->output[0]);
    for (long i = 0; i < elements(y); i++)
        r->value[o->output[0]][i] = quantize_code(r->rounding, x->scale[0], y->scale[0],
                                                  r->value[o->input[0]][i] - zero_point(x), zero_point(y));
}

static void clip(const Run *r, const TfliteOperator *o, int activation)
{
    const TfliteTensor *y = tensor(r, o->output[0]);
    for (long i = 0; i < elements(y); i++)
        r->value[o->output[0]][i] =
            (int8_t)clamp_int(r->value[o->input[0]][i], lowest(y, activation), highest(y, activation));
}

static void bound_codes(const Run *r, const TfliteOperator *o, bool from_below)
{
    const int8_t bound = *(const int8_t *)tensor(r, o->input[1])->data;
    for (long i = 0; i < elements(tensor(r, o->output[0])); i++) {
        const int8_t q = r->value[o->input[0]][i];
        r->value[o->output[0]][i] = (from_below ? q < bound : q > bound) ? bound : q;
    }
}

static void copy(const Run *r, const TfliteOperator *o)
{
    memcpy(r->value[o->output[0]], r->value[o->input[0]], (size_t)elements(tensor(r, o->output[0])));
}

static void dense(const Run *r, const TfliteOperator *o)
{
    const TfliteTensor *x = tensor(r, o->input[0]), *w = tensor(r, o->input[1]), *y = tensor(r, o->output[0]);
    const int8_t *weights = w->data;
    const int32_t *bias = tensor(r, o->input[2])->data;
    const int activation = o->option[FC_ACTIVATION];
    for (int f = 0; f < w->shape[0]; f++) {
        int32_t acc = bias[f];
        for (int c = 0; c < w->shape[1]; c++)
            acc += (r->value[o->input[0]][c] - zero_point(x)) * weights[(long)f * w->shape[1] + c];
        const Multiplier M = multiplier_make(r->rounding, x->scale[0], w->scale[w->scales > 1 ? f : 0], y->scale[0]);
        r->value[o->output[0]][f] =
            requant(r->rounding, acc, M, zero_point(y), lowest(y, activation), highest(y, activation));
    }
}

bool tflite_window(const Run *r, const TfliteOperator *o, Window *window)
{
    const int32_t *k = o->option, *w = o->inputs > 1 ? tensor(r, o->input[1])->shape : NULL;
    if (o->op == &tflite_ops[TFLITE_CONV_2D])
        *window = (Window){w[1],
                           w[2],
                           k[CONV_STRIDE_H],
                           k[CONV_STRIDE_W],
                           k[CONV_DILATION_H],
                           k[CONV_DILATION_W],
                           k[CONV_PADDING],
                           k[CONV_ACTIVATION],
                           0};
    else if (o->op == &tflite_ops[TFLITE_DEPTHWISE_CONV_2D])
        *window = (Window){w[1],
                           w[2],
                           k[DW_STRIDE_H],
                           k[DW_STRIDE_W],
                           k[DW_DILATION_H],
                           k[DW_DILATION_W],
                           k[DW_PADDING],
                           k[DW_ACTIVATION],
                           k[DW_MULTIPLIER]};
    else
        return false;
    return true;
}

static void run_operator(const Run *r, const TfliteOperator *o)
{
    Window window;
    if (tflite_run_floats(r, o)) return;
    switch ((TfliteOpIndex)(o->op - tflite_ops)) {
    case TFLITE_CONV_2D:
    case TFLITE_DEPTHWISE_CONV_2D:
        if (tflite_window(r, o, &window)) convolve(r, o, window);
        break;
    case TFLITE_FULLY_CONNECTED:
        dense(r, o);
        break;
    case TFLITE_MAX_POOL_2D:
    case TFLITE_AVERAGE_POOL_2D:
        pool(r, o, o->op == &tflite_ops[TFLITE_MAX_POOL_2D]);
        break;
    case TFLITE_ADD:
        if (tensor(r, o->output[0])->type == TFLITE_INT32) {
            if (*(const int32_t *)tensor(r, o->input[1])->data == 128) copy(r, o);
        } else {
            add(r, o);
        }
        break;
    case TFLITE_CAST:
        copy(r, o);
        break;
    case TFLITE_GATHER:
        gather(r, o);
        break;
    case TFLITE_LOGISTIC:
    case TFLITE_TANH:
        curve(r, o, o->op == &tflite_ops[TFLITE_TANH]);
        break;
    case TFLITE_MUL:
        multiply(r, o);
        break;
    case TFLITE_CONCATENATION:
        concat(r, o);
        break;
    case TFLITE_PAD:
    case TFLITE_PADV2:
        pad(r, o);
        break;
    case TFLITE_QUANTIZE:
        quantize(r, o);
        break;
    case TFLITE_RELU_OP:
    case TFLITE_RELU6_OP:
        clip(r, o, o->op == &tflite_ops[TFLITE_RELU_OP] ? TFLITE_RELU : TFLITE_RELU6);
        break;
    case TFLITE_MAXIMUM:
    case TFLITE_MINIMUM:
        bound_codes(r, o, o->op == &tflite_ops[TFLITE_MAXIMUM]);
        break;
    case TFLITE_RESHAPE:
        copy(r, o);
        break;
    default:
        break;
    }
}

/* The reals of codes, on the grid to which the first operator quantizes them. */
static void dequantize_image(const Run *r, const int8_t *image, float *reals)
{
    const TfliteTensor *grid = tensor(r, r->m->node[0].output[0]);
    for (long i = 0; i < elements(grid); i++) reals[i] = grid->scale[0] * (float)(image[i] - zero_point(grid));
}

int8_t **tflite_run_knowing(Arena *arena, const TfliteModel *m, Rounding rounding, const int8_t *image,
                            const float *const *known)
{
    const Run r = {arena, m, rounding, ARENA_ARRAY(arena, int8_t *, m->tensors), known};
    const TfliteTensor *x = &m->tensor[m->input[0]];
    r.value[m->input[0]] = arena_alloc(arena, sizeof(float) * (size_t)elements(x));
    if (x->type == TFLITE_FLOAT32)
        dequantize_image(&r, image, (void *)r.value[m->input[0]]);
    else
        memcpy(r.value[m->input[0]], image, (size_t)elements(x));
    for (int i = 0; i < m->operators; i++) {
        const int32_t y = m->node[i].output[0];
        r.value[y] = arena_zalloc(arena, sizeof(float) * (size_t)elements(tensor(&r, y)));
        run_operator(&r, &m->node[i]);
    }
    return r.value;
}

int8_t **tflite_run(Arena *arena, const TfliteModel *m, Rounding rounding, const int8_t *image)
{
    return tflite_run_knowing(arena, m, rounding, image, NULL);
}
