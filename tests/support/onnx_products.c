/* The ONNX interpreter's windows and products, in integers as in floats. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "tests/support/onnx_call.h"

/* ---- windows ----------------------------------------------------------------------------------------------------- */

typedef struct {
    int kernel[2], stride[2], pad[4], dilation[2];
} Window;

static OnnxArray window_output(const OnnxCall *c, Window *w, bool dilated, int64_t channels)
{
    w->dilation[0] = w->dilation[1] = 1;
    onnx_call_ints(c, "kernel_shape", 2, w->kernel);
    onnx_call_ints(c, "strides", 2, w->stride);
    onnx_call_ints(c, "pads", 4, w->pad);
    if (dilated) onnx_call_ints(c, "dilations", 2, w->dilation);
    int64_t dim[4] = {c->in[0]->dim[0], channels};
    for (int i = 0; i < 2; i++)
        dim[2 + i] = (c->in[0]->dim[2 + i] + w->pad[i] + w->pad[2 + i] - (w->kernel[i] - 1) * w->dilation[i] - 1) /
                         w->stride[i] +
                     1;
    return onnx_call_array(c->arena, 4, dim);
}

/* x[n,k] at cell (i, j) of output (y, x) of the window; NULL outside the image. */
static const double *cell(const OnnxArray *x, const Window *w, int64_t plane, const int64_t at[2], int i, int j)
{
    const int64_t r = at[0] * w->stride[0] - w->pad[0] + i * w->dilation[0];
    const int64_t s = at[1] * w->stride[1] - w->pad[1] + j * w->dilation[1];
    if (r < 0 || s < 0 || r >= x->dim[2] || s >= x->dim[3]) return NULL;
    return x->x + (plane * x->dim[2] + r) * x->dim[3] + s;
}

OnnxArray onnx_call_conv(const OnnxCall *c)
{
    const OnnxArray *x = c->in[0], *weight = c->in[1];
    const int64_t outputs = weight->dim[0], each = weight->dim[1];
    const int64_t groups = onnx_attribute_int(c->node, "group", 1);
    ck_assert_int_eq(each * groups, x->dim[1]);
    Window w;
    OnnxArray y = window_output(c, &w, true, outputs);
    for (int64_t p = 0; p < y.count; p++) {
        const int64_t at[2] = {p / y.dim[3] % y.dim[2], p % y.dim[3]}, plane = p / y.dim[3] / y.dim[2];
        const int64_t o = plane % outputs, first = plane / outputs * x->dim[1] + o / (outputs / groups) * each;
        double sum = c->inputs > 2 ? c->in[2]->x[o] : 0;
        const double *f = weight->x + o * each * w.kernel[0] * w.kernel[1];
        for (int64_t k = 0; k < each; k++)
            for (int i = 0; i < w.kernel[0]; i++)
                for (int j = 0; j < w.kernel[1]; j++, f++) {
                    const double *v = cell(x, &w, first + k, at, i, j);
                    if (v != NULL) sum += *v * *f;
                }
        y.x[p] = sum;
    }
    return y;
}

static OnnxArray pool(const OnnxCall *c, bool mean)
{
    Window w;
    OnnxArray y = window_output(c, &w, false, c->in[0]->dim[1]);
    for (int64_t p = 0; p < y.count; p++) {
        const int64_t at[2] = {p / y.dim[3] % y.dim[2], p % y.dim[3]}, plane = p / y.dim[3] / y.dim[2];
        double sum = 0, most = -DBL_MAX;
        int cells = 0;
        for (int i = 0; i < w.kernel[0]; i++)
            for (int j = 0; j < w.kernel[1]; j++) {
                const double *v = cell(c->in[0], &w, plane, at, i, j);
                if (v != NULL) sum += *v, most = fmax(most, *v), cells++;
            }
        y.x[p] = mean ? sum / cells : most;
    }
    return y;
}

OnnxArray onnx_call_max_pool(const OnnxCall *c) { return pool(c, false); }

OnnxArray onnx_call_average_pool(const OnnxCall *c)
{
    ck_assert_int_eq(onnx_attribute_int(c->node, "count_include_pad", 0), 0);
    return pool(c, true);
}

OnnxArray onnx_call_global_average(const OnnxCall *c)
{
    const int64_t dim[4] = {c->in[0]->dim[0], c->in[0]->dim[1], 1, 1};
    OnnxArray y = onnx_call_array(c->arena, 4, dim);
    const int64_t cells = c->in[0]->count / y.count;
    for (int64_t i = 0; i < c->in[0]->count; i++) y.x[i / cells] += c->in[0]->x[i] / (double)cells;
    return y;
}

OnnxArray onnx_call_gemm(const OnnxCall *c)
{
    const OnnxArray *x = c->in[0], *w = c->in[1];
    ck_assert_int_eq(onnx_attribute_int(c->node, "transB", 0), 1);
    ck_assert_int_eq(x->dim[1], w->dim[1]);
    const int64_t dim[2] = {x->dim[0], w->dim[0]};
    OnnxArray y = onnx_call_array(c->arena, 2, dim);
    for (int64_t i = 0; i < y.count; i++) {
        double sum = c->inputs > 2 ? c->in[2]->x[i % dim[1]] : 0;
        for (int64_t k = 0; k < x->dim[1]; k++)
            sum += x->x[i / dim[1] * x->dim[1] + k] * w->x[i % dim[1] * x->dim[1] + k];
        y.x[i] = sum;
    }
    return y;
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

/* codes, and the scale and zero point of their range, of one image. */
OnnxArray onnx_call_dynamic_quantize(const OnnxCall *c)
{
    const OnnxArray *x = c->in[0];
    ck_assert_int_eq(x->dim[0], 1);
    OnnxArray y = onnx_call_array(c->arena, x->rank, x->dim);
    float lo = 0.0f, hi = 0.0f;
    for (int64_t i = 0; i < x->count; i++) lo = fminf(lo, (float)x->x[i]), hi = fmaxf(hi, (float)x->x[i]);
    const float scale = hi > lo ? (hi - lo) / 255.0f : 1.0f;
    c->more[0] = onnx_call_array(c->arena, 0, NULL), c->more[1] = onnx_call_array(c->arena, 0, NULL);
    c->more[0].x[0] = (double)scale;
    c->more[1].x[0] = fmin(255, rint((double)(-lo / scale)));
    for (int64_t i = 0; i < y.count; i++)
        y.x[i] = fmin(255, fmax(0, rint((double)((float)x->x[i] / scale)) + c->more[1].x[0]));
    return y;
}

/* Input k less its zero point. */
static OnnxArray centred(const OnnxCall *c, int k)
{
    OnnxArray y = onnx_call_array(c->arena, c->in[k]->rank, c->in[k]->dim);
    ck_assert_int_eq(c->in[k + 2]->rank, 0);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = c->in[k]->x[i] - c->in[k + 2]->x[0];
    return y;
}

OnnxArray onnx_call_conv_integer(const OnnxCall *c)
{
    const OnnxArray x = centred(c, 0), w = centred(c, 1);
    OnnxCall products = *c;
    products.inputs = 2, products.in[0] = &x, products.in[1] = &w;
    return onnx_call_conv(&products);
}

OnnxArray onnx_call_matmul_integer(const OnnxCall *c)
{
    const OnnxArray x = centred(c, 0), w = centred(c, 1);
    const int64_t dim[2] = {x.dim[0], w.dim[1]};
    ck_assert_int_eq(x.dim[1], w.dim[0]);
    OnnxArray y = onnx_call_array(c->arena, 2, dim);
    for (int64_t i = 0; i < y.count; i++)
        for (int64_t k = 0; k < w.dim[0]; k++) y.x[i] += x.x[i / dim[1] * w.dim[0] + k] * w.x[k * dim[1] + i % dim[1]];
    return y;
}
