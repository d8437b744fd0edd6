/* The TFLite interpreter's floats: plain loops in double, rounded to float32 at the end. */
#include <math.h>
#include <string.h>

#include "base/format.h"
#include "kernels/requant.h"
#include "tests/support/tflite_interpreter.h"
#include "tests/support/tflite_run.h"

static const float *values(const TfliteRun *r, int32_t t)
{
    const TfliteTensor *x = tflite_run_tensor(r, t);
    if (x->data != NULL) return x->data;
    return r->known != NULL && r->known[t] != NULL ? r->known[t] : (const void *)r->value[t];
}

/* Values on the asymmetric grid of 256 codes that their own range gives, as hybrid kernels read them. */
static const float *on_own_grid(const TfliteRun *r, const float *x, long n)
{
    double lo = 0.0, hi = 0.0;
    for (long i = 0; i < n; i++) lo = fmin(lo, (double)x[i]), hi = fmax(hi, (double)x[i]);
    const double scale = hi > lo ? (hi - lo) / 255.0 : 1.0, zero = round(-128.0 - lo / scale);
    float *y = ARENA_ARRAY(r->arena, float, n);
    for (long i = 0; i < n; i++)
        y[i] = (float)(scale * (fmin(127.0, fmax(-128.0, round((double)x[i] / scale) + zero)) - zero));
    return y;
}

static bool is_hybrid(const TfliteRun *r, const TfliteOperator *o)
{
    return tflite_run_tensor(r, o->input[1])->type == TFLITE_INT8;
}

static const float *activations(const TfliteRun *r, const TfliteOperator *o)
{
    const float *x = values(r, o->input[0]);
    return is_hybrid(r, o) ? on_own_grid(r, x, tflite_elements(tflite_run_tensor(r, o->input[0]))) : x;
}

static const float *weights_of(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *w = tflite_run_tensor(r, o->input[1]);
    if (!is_hybrid(r, o)) return values(r, o->input[1]);
    const long n = tflite_elements(w), inner = w->axis == 0 ? n / w->shape[0] : 1;
    float *y = ARENA_ARRAY(r->arena, float, n);
    for (long i = 0; i < n; i++) y[i] = w->scale[i / inner % w->scales] * (float)((const int8_t *)w->data)[i];
    return y;
}

static float *result(const TfliteRun *r, const TfliteOperator *o) { return (void *)r->value[o->output[0]]; }

static double activated(double x, int activation)
{
    if (activation == TFLITE_NO_ACTIVATION) return x;
    const double y = x > 0.0 ? x : 0.0;
    return activation == TFLITE_RELU6 && y > 6.0 ? 6.0 : y;
}

static void convolve(const TfliteRun *r, const TfliteOperator *o, TfliteWindow k)
{
    const TfliteTensor *x = tflite_run_tensor(r, o->input[0]), *w = tflite_run_tensor(r, o->input[1]);
    const TfliteTensor *y = tflite_run_tensor(r, o->output[0]);
    const float *in = activations(r, o), *weights = weights_of(r, o), *bias = values(r, o->input[2]);
    const int outputs = y->shape[3], channels = x->shape[3], per_group = k.multiplier > 0 ? 1 : w->shape[3];
    const int top = tflite_before(k.padding, x->shape[1], y->shape[1], k.sh, (k.kh - 1) * k.dh + 1);
    const int left = tflite_before(k.padding, x->shape[2], y->shape[2], k.sw, (k.kw - 1) * k.dw + 1);
    float *out = result(r, o);
    for (int cell = 0; cell < y->shape[1] * y->shape[2]; cell++)
        for (int f = 0; f < outputs; f++) {
            double sum = (double)bias[f];
            for (int tap = 0; tap < k.kh * k.kw; tap++) {
                const int row = cell / y->shape[2] * k.sh - top + tap / k.kw * k.dh;
                const int column = cell % y->shape[2] * k.sw - left + tap % k.kw * k.dw;
                if (row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2]) continue;
                for (int c = 0; c < per_group; c++) {
                    const int from =
                        k.multiplier > 0 ? f / k.multiplier : f / (outputs / (channels / per_group)) * per_group + c;
                    const int at = k.multiplier > 0 ? tap * outputs + f : (f * k.kh * k.kw + tap) * per_group + c;
                    sum += (double)in[(row * x->shape[2] + column) * channels + from] * (double)weights[at];
                }
            }
            *out++ = (float)activated(sum, k.activation);
        }
}

static void dense(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *w = tflite_run_tensor(r, o->input[1]);
    const float *in = activations(r, o), *weights = weights_of(r, o), *bias = values(r, o->input[2]);
    for (int f = 0; f < w->shape[0]; f++) {
        double sum = (double)bias[f];
        for (int c = 0; c < w->shape[1]; c++) sum += (double)in[c] * (double)weights[(long)f * w->shape[1] + c];
        result(r, o)[f] = (float)activated(sum, o->option[FC_ACTIVATION]);
    }
}

static void pool(const TfliteRun *r, const TfliteOperator *o, bool max)
{
    const TfliteTensor *x = tflite_run_tensor(r, o->input[0]), *y = tflite_run_tensor(r, o->output[0]);
    const int32_t *k = o->option;
    const int channels = x->shape[3];
    const int top = tflite_before(k[POOL_PADDING], x->shape[1], y->shape[1], k[POOL_STRIDE_H], k[POOL_HEIGHT]);
    const int left = tflite_before(k[POOL_PADDING], x->shape[2], y->shape[2], k[POOL_STRIDE_W], k[POOL_WIDTH]);
    for (long i = 0; i < tflite_elements(y); i++) {
        const int c = (int)(i % channels), cell = (int)(i / channels);
        double sum = 0.0, most = -(double)INFINITY;
        int n = 0;
        for (int tap = 0; tap < k[POOL_HEIGHT] * k[POOL_WIDTH]; tap++) {
            const int row = cell / y->shape[2] * k[POOL_STRIDE_H] - top + tap / k[POOL_WIDTH];
            const int column = cell % y->shape[2] * k[POOL_STRIDE_W] - left + tap % k[POOL_WIDTH];
            if (row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2]) continue;
            const double v = (double)values(r, o->input[0])[(row * x->shape[2] + column) * channels + c];
            sum += v, n++;
            most = v > most ? v : most;
        }
        result(r, o)[i] = (float)activated(max ? most : sum / n, k[POOL_ACTIVATION]);
    }
}

static void concat(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *y = tflite_run_tensor(r, o->output[0]);
    const int axis = o->option[CONCAT_AXIS], channels = y->shape[axis];
    for (int k = 0, first = 0; k < o->inputs; k++) {
        const int part = tflite_run_tensor(r, o->input[k])->shape[axis];
        for (long i = 0; i < tflite_elements(y) / channels; i++)
            for (int c = 0; c < part; c++)
                result(r, o)[i * channels + first + c] = values(r, o->input[k])[i * part + c];
        first += part;
    }
}

static void pad(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *x = tflite_run_tensor(r, o->input[0]), *y = tflite_run_tensor(r, o->output[0]);
    const int32_t(*border)[2] = tflite_run_tensor(r, o->input[1])->data;
    const float outside = o->inputs == 3 ? *values(r, o->input[2]) : 0.0f;
    for (long i = 0; i < tflite_elements(y); i++) result(r, o)[i] = outside;
    for (long i = 0; i < tflite_elements(x); i++) {
        const long c = i % x->shape[3], column = i / x->shape[3] % x->shape[2], row = i / x->shape[3] / x->shape[2];
        result(r, o)[((row + border[1][0]) * y->shape[2] + column + border[2][0]) * y->shape[3] + c] =
            values(r, o->input[0])[i];
    }
}

static void join(const TfliteRun *r, const TfliteOperator *o, bool product, int activation)
{
    const long factors = tflite_elements(tflite_run_tensor(r, o->input[1]));
    for (long i = 0; i < tflite_elements(tflite_run_tensor(r, o->output[0])); i++) {
        const double a = (double)values(r, o->input[0])[i], b = (double)values(r, o->input[1])[i % factors];
        result(r, o)[i] = (float)activated(product ? a * b : a + b, activation);
    }
}

static void each(const TfliteRun *r, const TfliteOperator *o, int activation)
{
    for (long i = 0; i < tflite_elements(tflite_run_tensor(r, o->output[0])); i++)
        result(r, o)[i] = (float)activated((double)values(r, o->input[0])[i], activation);
}

static double curve(TfliteOpIndex op, double x)
{
    if (op == TFLITE_HARD_SWISH) return x * fmin(fmax(x + 3.0, 0.0), 6.0) / 6.0;
    return op == TFLITE_TANH ? tanh(x) : 1.0 / (1.0 + exp(-x));
}

static void curves(const TfliteRun *r, const TfliteOperator *o, TfliteOpIndex op)
{
    for (long i = 0; i < tflite_elements(tflite_run_tensor(r, o->output[0])); i++)
        result(r, o)[i] = (float)curve(op, (double)values(r, o->input[0])[i]);
}

/* Values of float16 are kept as floats. */
static void cast(const TfliteRun *r, const TfliteOperator *o)
{
    const long n = tflite_elements(tflite_run_tensor(r, o->output[0]));
    const bool narrows = tflite_run_tensor(r, o->output[0])->type == TFLITE_FLOAT16;
    format_round(narrows ? FORMAT_FLOAT16 : FORMAT_FLOAT32, (size_t)n, values(r, o->input[0]), result(r, o));
}

static int code(const TfliteTensor *t, const void *codes, long i)
{
    if (t->type != TFLITE_INT4) return ((const int8_t *)codes)[i];
    const int nibble = ((const uint8_t *)codes)[i / 2] >> (i % 2 * 4) & 15;
    return nibble > 7 ? nibble - 16 : nibble;
}

/* Of int8, int4 and float16; scales along an axis. */
static void dequantize(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *x = tflite_run_tensor(r, o->input[0]);
    const void *from = x->data != NULL ? x->data : r->value[o->input[0]];
    long inner = 1;
    for (int i = x->axis + 1; i < x->rank; i++) inner *= x->shape[i];
    for (long i = 0; i < tflite_elements(x); i++) {
        if (x->type == TFLITE_FLOAT16) {
            result(r, o)[i] = format_decode(FORMAT_FLOAT16, ((const uint16_t *)from)[i]);
            continue;
        }
        const long k = x->scales == 1 ? 0 : i / inner % x->scales;
        result(r, o)[i] = x->scale[k] * (float)(code(x, from, i) - (int)x->zero_point[k]);
    }
}

static void quantize(const TfliteRun *r, const TfliteOperator *o)
{
    const TfliteTensor *y = tflite_run_tensor(r, o->output[0]);
    quantize_reals(r->rounding, (size_t)tflite_elements(y), values(r, o->input[0]),
                   &(QuantizeGrid){y->scale[0], (int)y->zero_point[0], INT8_MIN, INT8_MAX}, r->value[o->output[0]]);
}

static bool is_float(const TfliteTensor *t) { return t->type == TFLITE_FLOAT32 || t->type == TFLITE_FLOAT16; }

static void compute(const TfliteRun *r, const TfliteOperator *o)
{
    const int32_t *k = o->option;
    const TfliteOpIndex op = (TfliteOpIndex)(o->op - tflite_ops);
    TfliteWindow window;
    if (tflite_window(r, o, &window))
        convolve(r, o, window);
    else if (op == TFLITE_FULLY_CONNECTED)
        dense(r, o);
    else if (op == TFLITE_MAX_POOL_2D || op == TFLITE_AVERAGE_POOL_2D)
        pool(r, o, op == TFLITE_MAX_POOL_2D);
    else if (op == TFLITE_ADD || op == TFLITE_MUL)
        join(r, o, op == TFLITE_MUL, k[op == TFLITE_MUL ? MUL_ACTIVATION : ADD_ACTIVATION]);
    else if (op == TFLITE_CONCATENATION)
        concat(r, o);
    else if (op == TFLITE_PAD || op == TFLITE_PADV2)
        pad(r, o);
    else if (op == TFLITE_RELU_OP || op == TFLITE_RELU6_OP)
        each(r, o, op == TFLITE_RELU_OP ? TFLITE_RELU : TFLITE_RELU6);
    else if (op == TFLITE_RESHAPE)
        each(r, o, TFLITE_NO_ACTIVATION);
    else if (op == TFLITE_LOGISTIC || op == TFLITE_TANH || op == TFLITE_HARD_SWISH)
        curves(r, o, op);
    else if (op == TFLITE_CAST)
        cast(r, o);
    else if (op == TFLITE_DEQUANTIZE)
        dequantize(r, o);
}

bool tflite_run_floats(const TfliteRun *r, const TfliteOperator *o)
{
    const bool from = is_float(tflite_run_tensor(r, o->input[0])), to = is_float(tflite_run_tensor(r, o->output[0]));
    if (!from && !to) return false;
    if (to)
        compute(r, o);
    else
        quantize(r, o);
    return true;
}
