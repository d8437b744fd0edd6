/* A node of the integer graph as TFLite operators. */
#include <math.h>
#include <string.h>

#include "autograd/curve.h"
#include "deploy/tflite/export_tflite.h"
#include "graph/node.h"

static Status fail_node(const Node *n, const char *said)
{
    return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": %s", n->name, said);
}

/* ---- clamps ------------------------------------------------------------------------------------------------------- */

TfliteClamp tflite_clamp(const Graph *g, const Node *n)
{
    const GraphTensor *y = &g->tensor[n->output];
    int lo, hi;
    if (node_is_float(g, n)) return (TfliteClamp){tflite_float_activation(n), INT8_MIN, INT8_MAX};
    if (n->op == NODE_QUANTIZE) return (TfliteClamp){TFLITE_NO_ACTIVATION, y->qmin, y->qmax};
    node_clamp(g, n, &lo, &hi);
    const float six = 6.0f / y->scale;
    const bool relu = lo == y->zero_point;
    /* Runtimes round 6 / scale in two ways; both must give hi. */
    const bool wide = graph_tensor_is_wide(y);
    const int lowest = wide ? INT16_MIN : INT8_MIN, highest = wide ? INT16_MAX : INT8_MAX;
    const bool relu6 = relu && six < (float)(highest - lowest + 1) && hi == y->zero_point + (int)rintf(six) &&
                       hi == y->zero_point + (int)floorf(six + 0.5f);
    TfliteClamp clamp = {.activation = TFLITE_NO_ACTIVATION, .lowest = lowest, .highest = highest};
    if (hi == highest && lo == lowest) return clamp;
    if (hi == highest ? relu : relu6)
        clamp.activation = hi == highest ? TFLITE_RELU : TFLITE_RELU6;
    else
        clamp.lowest = lo, clamp.highest = hi;
    return clamp;
}

/* ---- padding ----------------------------------------------------------------------------------------------------- */

static bool needs_pad(const TflitePadding *p) { return p->top + p->bottom + p->left + p->right > 0; }

/* A constant of one code on the grid of tensor `like`. */
static void add_code(TfliteBuild *b, const char *name, int code, int like)
{
    int16_t *value = ARENA_ARRAY(b->arena, int16_t, 1); /* little-endian: the first byte is the code in int8 */
    *value = (int16_t)code;
    const TfliteTensor *grid = &b->m->tensor[like];
    TfliteTensor *t = tflite_add_constant(b, name, grid->type, 1, (const int32_t[]){1}, value);
    t->scales = t->zero_points = 1, t->scale = grid->scale, t->zero_point = grid->zero_point;
}

/* x with a border of `code`, in floats of the lowest value if that is the lowest code: PAD has real zero for it, PADV2
 * any. */
static int add_pad(TfliteBuild *b, const Node *n, int x, const TflitePadding *p, int code)
{
    const GraphTensor *from = &b->g->tensor[n->input[0]];
    const int32_t shape[4] = {1, from->h + p->top + p->bottom, from->w + p->left + p->right, from->c};
    const int32_t border[8] = {0, 0, p->top, p->bottom, p->left, p->right, 0, 0};
    int32_t *data = memcpy(ARENA_ARRAY(b->arena, int32_t, 8), border, sizeof border);
    const int y = tflite_add_activation(b, arena_printf(b->arena, "%s/padded", n->name), 4, shape, n->input[0]);
    int32_t input[3] = {x, b->m->tensors, b->m->tensors + 1};
    tflite_add_constant(b, arena_printf(b->arena, "%s/paddings", n->name), TFLITE_INT32, 2, (const int32_t[]){4, 2},
                        data);
    const bool floats = graph_tensor_is_float(from);
    if (code == (floats ? 0 : from->zero_point)) {
        tflite_add_operator(b, TFLITE_PAD, 2, input, y);
        return y;
    }
    const char *border_name = arena_printf(b->arena, "%s/border", n->name);
    if (floats)
        tflite_add_constant(b, border_name, TFLITE_FLOAT32, 1, (const int32_t[]){1}, &tflite_lowest_float);
    else
        add_code(b, border_name, code, y);
    tflite_add_operator(b, TFLITE_PADV2, 3, input, y);
    return y;
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

static int64_t *zeros(TfliteBuild *b, int n) { return ARENA_ARRAY(b->arena, int64_t, n); }

/* Weights and bias of a node, as tensors b->m->tensors and the next: one scale for each output, or one in all where
 * `join` allows it and they are equal. */
static void add_int_weights(TfliteBuild *b, const Node *n, int rank, const int32_t *shape, int axis, bool join)
{
    const int outputs = n->geom.o;
    const float s_x = b->g->tensor[n->input[0]].scale;
    int scales = join ? 1 : outputs;
    for (int o = 0; o < outputs; o++)
        if (n->weight_scale[o] != n->weight_scale[0]) scales = outputs;
    TfliteTensor *w =
        tflite_add_constant(b, arena_printf(b->arena, "%s/weight", n->name), TFLITE_INT8, rank, shape, n->weights);
    w->scales = w->zero_points = scales;
    w->scale = n->weight_scale, w->zero_point = zeros(b, scales), w->axis = scales > 1 ? axis : 0;
    const bool wide = n->wide_bias != NULL;
    TfliteTensor *bias =
        tflite_add_constant(b, arena_printf(b->arena, "%s/bias", n->name), wide ? TFLITE_INT64 : TFLITE_INT32, 1,
                            (const int32_t[]){outputs}, wide ? (const void *)n->wide_bias : n->bias);
    float *product = ARENA_ARRAY(b->arena, float, scales);
    for (int o = 0; o < scales; o++) product[o] = s_x * n->weight_scale[o];
    bias->scales = bias->zero_points = scales;
    bias->scale = product, bias->zero_point = w->zero_point;
}

static Status check_weights(const TfliteBuild *b, const Node *n)
{
    const long count = node_is_float(b->g, n) && n->input_bits == 0 ? 0 : node_weights(n);
    for (long i = 0; i < count; i++)
        if (n->weights[i] == INT8_MIN)
            return fail_node(n,
                             "a weight of -128, as only imported models have; must be -127 to 127: export --to onnx or "
                             "--to c, or quantize the float model with bitfold");
    return STATUS_OK;
}

/* input[1] and input[2]: weights and bias. */
static Status add_weights(TfliteBuild *b, const Node *n, int rank, const int32_t *shape, int axis, bool join,
                          int32_t input[3])
{
    if (node_is_float(b->g, n)) return tflite_add_float_weights(b, n, rank, shape, axis, input);
    input[1] = b->m->tensors, input[2] = b->m->tensors + 1;
    add_int_weights(b, n, rank, shape, axis, join);
    return STATUS_OK;
}

/* ---- the kinds of nodes ------------------------------------------------------------------------------------------- */

static int add_output(TfliteBuild *b, const Node *n, int form)
{
    const GraphTensor *y = &b->g->tensor[n->output];
    const int32_t image[4] = {1, y->h, y->w, y->c}, flat[2] = {1, (int32_t)graph_tensor_elements(y)};
    const int at = form == FORM_FLAT ? tflite_add_activation(b, n->name, 2, flat, n->output)
                                     : tflite_add_activation(b, n->name, 4, image, n->output);
    return b->form[n->output][form] = at;
}

static Status add_conv(TfliteBuild *b, const Node *n)
{
    const ConvGeom *g = &n->geom;
    const bool depthwise = n->op == NODE_DWCONV2D;
    const TflitePadding p = tflite_padding(g);
    const TfliteClamp clamp = tflite_clamp(b->g, n);
    TRY(check_weights(b, n));
    int x = tflite_form(b, n->input[0], FORM_IMAGE);
    if (needs_pad(&p)) x = add_pad(b, n, x, &p, b->g->tensor[n->input[0]].zero_point);
    int32_t input[3] = {x};
    const int32_t filters[4] = {depthwise ? 1 : g->o, g->kh, g->kw, depthwise ? g->o : g->c / g->groups};
    TRY(add_weights(b, n, 4, filters, depthwise ? 3 : 0, false, input));
    TfliteOperator *o = tflite_add_operator(b, depthwise ? TFLITE_DEPTHWISE_CONV_2D : TFLITE_CONV_2D, 3, input,
                                            add_output(b, n, FORM_IMAGE));
    o->option[CONV_PADDING] = p.padding;
    o->option[CONV_STRIDE_W] = g->sw, o->option[CONV_STRIDE_H] = g->sh;
    if (depthwise) {
        o->option[DW_MULTIPLIER] = g->o / g->c, o->option[DW_ACTIVATION] = clamp.activation;
        o->option[DW_DILATION_W] = g->dw, o->option[DW_DILATION_H] = g->dh;
    } else {
        if (g->groups > 1) o->version = TFLITE_CONV_GROUPED_VERSION;
        o->option[CONV_ACTIVATION] = clamp.activation;
        o->option[CONV_DILATION_W] = g->dw, o->option[CONV_DILATION_H] = g->dh;
    }
    return STATUS_OK;
}

static Status add_dense(TfliteBuild *b, const Node *n)
{
    const TfliteClamp clamp = tflite_clamp(b->g, n);
    TRY(check_weights(b, n));
    if (n->wide_bias != NULL && b->g->rounding == ROUNDING_XNNPACK && !node_rescales_int32(b->g, n))
        return fail_node(n, "sums of int16 codes beyond 2^31, which LiteRT adds in int32 in a dense layer; export --to "
                            "safetensors, or quantize it in 8 bits");
    const int x = tflite_form(b, n->input[0], FORM_FLAT);
    int32_t input[3] = {x};
    TRY(add_weights(b, n, 2, (const int32_t[]){n->geom.o, n->geom.c}, 0, true, input));
    TfliteOperator *o = tflite_add_operator(b, TFLITE_FULLY_CONNECTED, 3, input, add_output(b, n, FORM_FLAT));
    o->option[FC_ACTIVATION] = clamp.activation;
    return STATUS_OK;
}

static Status add_pool(TfliteBuild *b, const Node *n)
{
    const ConvGeom *g = &n->geom;
    const TflitePadding p = tflite_padding(g);
    const bool max = n->op == NODE_MAXPOOL;
    TfliteClamp clamp = {.activation = TFLITE_NO_ACTIVATION};
    if (!max) clamp = tflite_clamp(b->g, n);
    if (!max && needs_pad(&p))
        return fail_node(n, "an average pool whose padding is not TensorFlow's \"same\"; must be that or none, so that "
                            "cells outside do not count");
    int x = tflite_form(b, n->input[0], FORM_IMAGE);
    const GraphTensor *from = node_x(b->g, n);
    if (needs_pad(&p)) x = add_pad(b, n, x, &p, graph_tensor_is_float(from) ? INT8_MIN : from->qmin);
    const int32_t input = x;
    TfliteOperator *o = tflite_add_operator(b, max ? TFLITE_MAX_POOL_2D : TFLITE_AVERAGE_POOL_2D, 1, &input,
                                            add_output(b, n, FORM_IMAGE));
    o->option[POOL_PADDING] = p.padding;
    o->option[POOL_STRIDE_W] = g->sw, o->option[POOL_STRIDE_H] = g->sh;
    o->option[POOL_WIDTH] = g->kw, o->option[POOL_HEIGHT] = g->kh;
    o->option[POOL_ACTIVATION] = clamp.activation;
    return STATUS_OK;
}

/* Flat if every input is there in that form. */
static int common_form(const TfliteBuild *b, const Node *n)
{
    for (int i = 0; i < n->inputs; i++)
        if (b->form[n->input[i]][FORM_FLAT] < 0) return FORM_IMAGE;
    return FORM_FLAT;
}

static Status add_join(TfliteBuild *b, const Node *n)
{
    TfliteClamp clamp = {.activation = TFLITE_NO_ACTIVATION};
    if (n->op == NODE_ADD) clamp = tflite_clamp(b->g, n);
    const int form = common_form(b, n);
    const bool is_wide = graph_tensor_is_wide(node_y(b->g, n));
    int32_t input[NODE_MAX_INPUTS];
    for (int i = 0; i < n->inputs; i++) input[i] = tflite_form(b, n->input[i], form);
    TfliteOperator *o = tflite_add_operator(b, n->op == NODE_ADD ? TFLITE_ADD : TFLITE_CONCATENATION, n->inputs, input,
                                            add_output(b, n, form));
    if (n->op == NODE_ADD)
        o->option[ADD_ACTIVATION] = clamp.activation, o->option[ADD_POT_SCALE_INT16] = !is_wide;
    else
        o->option[CONCAT_AXIS] = form == FORM_FLAT ? 1 : 3;
    return STATUS_OK;
}

static Status add_multiply(TfliteBuild *b, const Node *n)
{
    const TfliteClamp clamp = tflite_clamp(b->g, n);
    const int form = common_form(b, n);
    const int32_t input[2] = {tflite_form(b, n->input[0], form), tflite_form(b, n->input[1], form)};
    TfliteOperator *o = tflite_add_operator(b, TFLITE_MUL, 2, input, add_output(b, n, form));
    o->option[MUL_ACTIVATION] = clamp.activation;
    return STATUS_OK;
}

/* QUANTIZE takes no activation: a RELU on the output's own grid follows it. */
static Status add_requant(TfliteBuild *b, const Node *n)
{
    const TfliteClamp clamp = tflite_clamp(b->g, n);
    const int form = common_form(b, n);
    const int32_t x = tflite_form(b, n->input[0], form);
    const bool floats = node_is_float(b->g, n);
    if (clamp.activation == TFLITE_NO_ACTIVATION) {
        const int y = add_output(b, n, form);
        if (floats)
            tflite_add_reshape(b, x, y); /* the same values */
        else
            tflite_add_operator(b, TFLITE_QUANTIZE, 1, &x, y);
        return STATUS_OK;
    }
    int32_t values = x;
    if (!floats) {
        const TfliteTensor *from = &b->m->tensor[x];
        values =
            tflite_add_activation(b, arena_printf(b->arena, "%s/codes", n->name), from->rank, from->shape, n->output);
        tflite_add_operator(b, TFLITE_QUANTIZE, 1, &x, values);
    }
    tflite_add_operator(b, clamp.activation == TFLITE_RELU ? TFLITE_RELU_OP : TFLITE_RELU6_OP, 1, &values,
                        add_output(b, n, form));
    return STATUS_OK;
}

static Status add_converter(TfliteBuild *b, const Node *n)
{
    const int form = common_form(b, n);
    const int32_t x = tflite_form(b, n->input[0], form);
    tflite_add_operator(b, n->op == NODE_QUANTIZE ? TFLITE_QUANTIZE : TFLITE_DEQUANTIZE, 1, &x, add_output(b, n, form));
    return STATUS_OK;
}

/* What LiteRT computes with float32: codes that keep this far from a tie are the same there. */
static const double FLOAT_STEPS = 1e-4;

/* The operator that gives the table's codes in LiteRT, whose grid is TFLite's own for it: LOGISTIC (1/256, -128), TANH
 * (1/128, 0). */
static bool curve_operator(const Graph *g, const Node *n, TfliteOpIndex *op)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    float s_x = x->scale, s_y = y->scale;
    const bool logistic_grid = s_y == 0x1p-8f && y->zero_point == INT8_MIN;
    const bool tanh_grid = s_y == 0x1p-7f && y->zero_point == 0;
    if (g->rounding != ROUNDING_XNNPACK || !(logistic_grid || tanh_grid)) return false;
    const QuantParams from = {.qmin = x->qmin, .qmax = x->qmax, .scale = &s_x, .zero_point = x->zero_point};
    const QuantParams to = {.qmin = INT8_MIN, .qmax = INT8_MAX, .scale = &s_y, .zero_point = y->zero_point};
    double steps;
    const CurveType *curve = curve_of_table(&from, &to, n->table, &steps);
    if (curve != &curve_types[logistic_grid ? CURVE_INDEX_sigmoid : CURVE_INDEX_tanh] || steps < FLOAT_STEPS)
        return false;
    *op = logistic_grid ? TFLITE_LOGISTIC : TFLITE_TANH;
    return true;
}

/* Codes as indices: int32, 128 added. */
static int32_t add_indices(TfliteBuild *b, const Node *n, int32_t x)
{
    static const int32_t offset = 128;
    const int32_t wide = tflite_add_plain(b, arena_printf(b->arena, "%s/wide", n->name), TFLITE_INT32, x);
    TfliteOperator *cast = tflite_add_operator(b, TFLITE_CAST, 1, &x, wide);
    cast->option[CAST_FROM] = TFLITE_INT8, cast->option[CAST_TO] = TFLITE_INT32;
    const int32_t input[2] = {wide, b->m->tensors};
    tflite_add_constant(b, arena_printf(b->arena, "%s/offset", n->name), TFLITE_INT32, 1, (const int32_t[]){1},
                        &offset);
    const int32_t indices = tflite_add_plain(b, arena_printf(b->arena, "%s/indices", n->name), TFLITE_INT32, x);
    tflite_add_operator(b, TFLITE_ADD, 2, input, indices)->version = TFLITE_ADD_INT32_VERSION;
    return indices;
}

/* A curve in floats.  A table: a GATHER, unless an operator is known to give the same codes. */
static Status add_lut(TfliteBuild *b, const Node *n)
{
    const int form = common_form(b, n);
    const int32_t x = tflite_form(b, n->input[0], form);
    if (n->curve != NULL) return tflite_add_curve(b, n, x, add_output(b, n, form));
    TfliteOpIndex op;
    if (curve_operator(b->g, n, &op)) {
        tflite_add_operator(b, op, 1, &x, add_output(b, n, form));
        return STATUS_OK;
    }
    const int32_t indices = add_indices(b, n, x), input[2] = {b->m->tensors, indices};
    tflite_add_constant(b, arena_printf(b->arena, "%s/table", n->name), TFLITE_INT8, 1, (const int32_t[]){256},
                        n->table);
    const int y = add_output(b, n, form);
    TfliteTensor *table = &b->m->tensor[input[0]];
    table->scales = table->zero_points = 1;
    table->scale = b->m->tensor[y].scale, table->zero_point = b->m->tensor[y].zero_point;
    tflite_add_operator(b, TFLITE_GATHER, 2, input, y);
    return STATUS_OK;
}

static Status add_reshape(TfliteBuild *b, const Node *n)
{
    const GraphTensor *y = &b->g->tensor[n->output];
    const int *from = b->form[n->input[0]], form = y->h == 1 && y->w == 1 ? FORM_FLAT : FORM_IMAGE;
    const int x = from[FORM_IMAGE] >= 0 ? from[FORM_IMAGE] : from[FORM_FLAT];
    tflite_add_reshape(b, x, add_output(b, n, form));
    return STATUS_OK;
}

/* By kind; NULL: TFLite has no operator. */
static Status (*const kinds[NODE_KINDS])(TfliteBuild *b, const Node *n) = {
    [NODE_CONV2D] = add_conv,          [NODE_DWCONV2D] = add_conv,   [NODE_DENSE] = add_dense,
    [NODE_MAXPOOL] = add_pool,         [NODE_AVGPOOL] = add_pool,    [NODE_ADD] = add_join,
    [NODE_CONCAT] = add_join,          [NODE_REQUANT] = add_requant, [NODE_RESHAPE] = add_reshape,
    [NODE_MULTIPLY] = add_multiply,    [NODE_LUT] = add_lut,         [NODE_QUANTIZE] = add_converter,
    [NODE_DEQUANTIZE] = add_converter,
};

bool tflite_carries(NodeKind kind) { return kinds[kind] != NULL; }

/* What the node's operators wrote so far, raised or lowered to a code. */
static void add_bound(TfliteBuild *b, const Node *n, TfliteOpIndex op, const char *bound, int code)
{
    const int form = b->form[n->output][FORM_FLAT] >= 0 ? FORM_FLAT : FORM_IMAGE;
    const int codes = b->form[n->output][form];
    const char *before =
        op == TFLITE_MINIMUM && b->m->node[b->m->operators - 1].op == &tflite_ops[TFLITE_MAXIMUM] ? "raised" : "codes";
    b->m->tensor[codes].name = arena_printf(b->arena, "%s/%s", n->name, before);
    const int y = add_output(b, n, form);
    const int32_t input[2] = {codes, b->m->tensors};
    add_code(b, arena_printf(b->arena, "%s/%s", n->name, bound), code, y);
    tflite_add_operator(b, op, 2, input, y);
}

/* In floats: each operator's version, and the rounding to a format of fewer bits, what was written so far going before. */
static Status add_float_node(TfliteBuild *b, const Node *n)
{
    const int first = b->m->operators;
    TRY(tflite_check_formats(b->g, n));
    TRY(kinds[n->op](b, n));
    for (int i = first; i < b->m->operators; i++) tflite_set_float_version(&b->m->node[i], n);
    if (!tflite_rounds(b->g, n)) return STATUS_OK;
    const int form = b->form[n->output][FORM_FLAT] >= 0 ? FORM_FLAT : FORM_IMAGE;
    const int values = b->form[n->output][form];
    b->m->tensor[values].name = arena_printf(b->arena, "%s/values", n->name);
    tflite_add_rounding(b, n, values, add_output(b, n, form));
    return STATUS_OK;
}

Status tflite_add_node(TfliteBuild *b, const Node *n)
{
    if (node_is_float(b->g, n)) return add_float_node(b, n);
    TRY(kinds[n->op](b, n));
    const TfliteClamp clamp = tflite_clamp(b->g, n);
    const bool wide = graph_tensor_is_wide(node_y(b->g, n));
    if (clamp.lowest > (wide ? INT16_MIN : INT8_MIN)) add_bound(b, n, TFLITE_MAXIMUM, "lowest", clamp.lowest);
    if (clamp.highest < (wide ? INT16_MAX : INT8_MAX)) add_bound(b, n, TFLITE_MINIMUM, "highest", clamp.highest);
    return STATUS_OK;
}
