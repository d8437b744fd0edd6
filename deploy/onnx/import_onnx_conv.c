/* Conv, Gemm and MatMul: weights into the layouts of our layers. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* Where weight (o, i) of the file goes, i running over what one output reads: [O] rows of `inner`, in an order. */
typedef struct {
    int outputs;
    long inner;          /* weights of an output */
    long from_o, from_i; /* steps in the file; (o, i) is at o from_o + i from_i */
    const int *order;    /* [inner] i's place in our order; NULL: the same */
    bool last;           /* outputs run fastest in ours (depthwise) */
} Layout;

static long place(const Layout *y, int o, long i)
{
    const long at = y->order == NULL ? i : y->order[i];
    return y->last ? at * y->outputs + o : o * y->inner + at;
}

/* Codes with one scale per output, or one for all. */
static Status take_codes(Import *im, const ImportNode *n, const Constant *c, const Layout *y, int axis, ImportLayer *l)
{
    if (c->scales == 0 || c->tensor.type != ONNX_INT8)
        return UNSUPPORTED(im, n,
                           "weights in float beside quantized activations; must be int8 behind DequantizeLinear");
    if (c->scales > 1 && c->axis != axis)
        return UNSUPPORTED(im, n, "weight scales along axis %d; must be along axis %d, the outputs", c->axis, axis);
    for (int i = 0; i < c->scales; i++)
        if (c->zero_point[i] != 0)
            return UNSUPPORTED(im, n, "weights with zero point %d; must be symmetric: 0 (uint8: 128)",
                               c->zero_point[i]);
    const int8_t *from = c->tensor.data;
    int8_t *to = import_alloc(im, (size_t)c->tensor.count);
    l->weight_scale = import_alloc(im, sizeof(float) * (size_t)y->outputs);
    if (to == NULL || l->weight_scale == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int o = 0; o < y->outputs; o++) {
        l->weight_scale[o] = c->scale[c->scales > 1 ? o : 0];
        for (long i = 0; i < y->inner; i++) to[place(y, o, i)] = from[o * y->from_o + i * y->from_i];
    }
    l->codes = to;
    return STATUS_OK;
}

static Status take_floats(Import *im, const ImportNode *n, const Constant *c, const Layout *y, float factor,
                          ImportLayer *l)
{
    const float *from;
    TRY(import_floats(im, n, c, &from));
    float *to = import_alloc(im, sizeof(float) * (size_t)c->tensor.count);
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int o = 0; o < y->outputs; o++)
        for (long i = 0; i < y->inner; i++) to[place(y, o, i)] = factor * from[o * y->from_o + i * y->from_i];
    l->weights = to;
    return STATUS_OK;
}

static Status take_weights(Import *im, const ImportNode *n, const Constant *c, const Layout *y, int axis, float factor,
                           ImportLayer *l)
{
    if (!im->quantized) return take_floats(im, n, c, y, factor, l);
    if (factor != 1.0f) return UNSUPPORTED(im, n, "alpha: %g of a quantized product; must be 1", (double)factor);
    return take_codes(im, n, c, y, axis, l);
}

/* Integers whose scale is that of the sums stay as they are; others are taken as numbers. */
Status import_bias(Import *im, const ImportNode *n, int input, float factor, ImportLayer *l)
{
    Constant *c;
    if (import_input(im, n, input) == NULL) return STATUS_OK;
    TRY(import_constant(im, n, input, &c));
    const int outputs = l->out.c;
    const OnnxTensor *t = &c->tensor;
    const bool row = t->count == 1 || (t->count == outputs && t->rank >= 1 && t->dim[t->rank - 1] == outputs);
    if (!row)
        return UNSUPPORTED(im, n, "input %d: a bias of %lld numbers; must be one for each of %d outputs", input,
                           (long long)t->count, outputs);
    bool exact = im->quantized && t->type == ONNX_INT32 && c->scales > 0 && t->count == outputs && factor == 1.0f;
    for (int o = 0; o < outputs && exact; o++) {
        const int s = c->scales > 1 ? o : 0;
        const float sum = import_grid_of(im, l->input[0])->scale * l->weight_scale[o];
        exact = c->zero_point[s] == 0 && fabsf(c->scale[s] - sum) <= 1e-5f * sum;
    }
    if (exact) return import_at(im, n, onnx_tensor_ints(im->arena, t, &l->bias_codes));
    const float *from;
    TRY(import_floats(im, n, c, &from));
    l->bias = import_alloc(im, sizeof(float) * (size_t)outputs);
    if (l->bias == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int o = 0; o < outputs; o++) l->bias[o] = factor * from[t->count == 1 ? 0 : o];
    return STATUS_OK;
}

static Status finish(Import *im, const ImportNode *n, int layer, const View *view)
{
    const Activated y = import_layer_output(im, n, layer, view);
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* ---- Conv -------------------------------------------------------------------------------------------------------- */

/* For each weight of an output in [I,KH,KW] order: its place in [KH,KW,I]. */
static Status channels_last(Import *im, const ImportNode *n, int channels, long cells, const int **order)
{
    int *to = import_alloc(im, sizeof(int) * (size_t)(channels * cells));
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int c = 0; c < channels; c++)
        for (long k = 0; k < cells; k++) to[c * cells + k] = (int)(k * channels + c);
    *order = to;
    return STATUS_OK;
}

Status import_conv(Import *im, const ImportNode *n)
{
    Activated a;
    Constant *c;
    ImportWindow w;
    int layer;
    TRY(import_constant(im, n, 1, &c));
    const OnnxTensor *t = &c->tensor;
    if (t->rank != 4)
        return UNSUPPORTED(im, n, "a kernel of %d dimensions; must be of 2, rows and columns", t->rank - 2);
    TRY(import_nchw(im, n, 0, &a));
    TRY(import_window(im, n, a.size, t->dim + 2, &w));
    const int64_t groups = onnx_attribute_int(n->proto, "group", 1), outputs = t->dim[0];
    if (outputs < 1 || outputs > 65536 || groups < 1 || groups > a.size.c || groups * t->dim[1] != a.size.c ||
        outputs % groups != 0)
        return UNSUPPORTED(im, n,
                           "group: %lld, weights [%lld, %lld, ...] on %d channels; must divide 1 to 65536 outputs, and "
                           "group times the weights' channels must be those of the input",
                           (long long)groups, (long long)outputs, (long long)t->dim[1], a.size.c);
    const bool depthwise = groups == a.size.c && groups > 1 && outputs / groups <= 256;
    TRY(import_layer(im, n, depthwise ? IMPORT_DEPTHWISE : IMPORT_CONV, 1, &a, &layer));
    ImportLayer *l = &im->layer[layer];
    TRY(import_geom(im, n, l, &a, &w, (int)outputs, (int)groups));
    const long cells = (long)w.kernel[0] * w.kernel[1];
    Layout y = {.outputs = (int)outputs, .inner = cells * (long)t->dim[1], .from_i = 1, .last = depthwise};
    y.from_o = y.inner;
    if (t->dim[1] > 1) TRY(channels_last(im, n, (int)t->dim[1], cells, &y.order));
    TRY(take_weights(im, n, c, &y, 0, 1.0f, l));
    TRY(import_bias(im, n, 2, 1.0f, l));
    const View view = view_nchw(l->out);
    return finish(im, n, layer, &view);
}

/* ---- Gemm, MatMul ------------------------------------------------------------------------------------------------ */

/* y[o] = sum over k of x[k] w[k, o] (or w[o, k] if `transposed`), x running along view dimension `dim`. */
static Status dense(Import *im, const ImportNode *n, const Activated *a, int dim, const Constant *c, bool transposed,
                    float factor, int *layer)
{
    const OnnxTensor *t = &c->tensor;
    const long inner = view_length(&a->view, a->size, dim);
    if (t->rank != 2 || t->dim[transposed] != inner || t->dim[!transposed] < 1 || t->dim[!transposed] > 65536)
        return UNSUPPORTED(im, n, "weights [%lld, %lld] of rank %d on rows of %ld; must be a matrix that fits",
                           t->rank > 0 ? (long long)t->dim[0] : 0, t->rank > 1 ? (long long)t->dim[1] : 0, t->rank,
                           inner);
    const int outputs = (int)t->dim[!transposed];
    const long row = (long)a->size.h * a->size.w * a->size.c;
    TRY(import_layer(im, n, inner == row ? IMPORT_DENSE : IMPORT_CONV, 1, a, layer));
    ImportLayer *l = &im->layer[*layer];
    Layout y = {
        .outputs = outputs, .inner = inner, .from_o = transposed ? inner : 1, .from_i = transposed ? 1 : outputs};
    if (l->kind == IMPORT_DENSE) {
        TRY(import_at(im, n, view_order(im, &a->view.dim[dim], a->size, &y.order)));
        l->geom = dense_geom(1, (int)inner, outputs);
        l->out = (Extent){1, 1, outputs};
    } else { /* each cell's channels: a convolution of 1 x 1 */
        const ImportWindow one = {{1, 1}, {1, 1}, {1, 1}, {0}};
        TRY(import_geom(im, n, l, a, &one, outputs, 1));
    }
    return take_weights(im, n, c, &y, !transposed, factor, l);
}

Status import_gemm(Import *im, const ImportNode *n)
{
    Activated a;
    Constant *c;
    int layer;
    TRY(import_settled(im, n, 0, &a));
    TRY(import_constant(im, n, 1, &c));
    if (a.view.rank != 2) return UNSUPPORTED(im, n, "input 0: %d dimensions; must be [N, K]", a.view.rank);
    const float alpha = onnx_attribute_float(n->proto, "alpha", 1.0f),
                beta = onnx_attribute_float(n->proto, "beta", 1.0f);
    TRY(dense(im, n, &a, 1, c, onnx_attribute_int(n->proto, "transB", 0) != 0, alpha, &layer));
    TRY(import_bias(im, n, 2, beta, &im->layer[layer]));
    const View view = view_row(im->layer[layer].out);
    return finish(im, n, layer, &view);
}

Status import_matmul(Import *im, const ImportNode *n)
{
    Activated a;
    Constant *c;
    int layer;
    TRY(import_settled(im, n, 0, &a));
    TRY(import_constant(im, n, 1, &c));
    View view = a.view;
    const int last = view.rank - 1;
    const long inner = view_length(&view, a.size, last), row = (long)a.size.h * a.size.w * a.size.c;
    const bool channels = view.dim[last].n == 0 || (view.dim[last].n == 1 && view.dim[last].axis[0] == AXIS_C);
    if (last < 1 || (inner != row && (!channels || inner != a.size.c)))
        return UNSUPPORTED(im, n, "input 0: rows of %ld of %ld numbers; must be all of an image's, or its channels",
                           inner, row);
    TRY(dense(im, n, &a, last, c, false, 1.0f, &layer));
    const Extent out = im->layer[layer].out;
    view.dim[last] = view_dim(out, AXIS_C);
    return finish(im, n, layer, &view);
}
