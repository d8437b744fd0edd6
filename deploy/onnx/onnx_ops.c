#include "deploy/onnx/onnx_ops.h"

#include <math.h>
#include <string.h>

#include "deploy/onnx/onnx_tensor.h"
#include "graph/node.h"
#include "kernels/requant.h"

const char *onnx_part(const OnnxNet *net, const char *name, const char *part)
{
    return arena_printf(onnx_arena(net->b), "%s/%s", name, part);
}

const char *onnx_unary(OnnxNet *net, const char *op, const char *name, const char *input, const char *output)
{
    return onnx_node(net->b, op, name, 1, &input, output);
}

const char *onnx_activate(OnnxNet *net, NodeKind op, const char *layer, Activation act, const char *input,
                          const char *output)
{
    const char *name = op == NODE_REQUANT ? layer : onnx_part(net, layer, "activation");
    if (isinf(act.limit)) return onnx_unary(net, "Relu", name, input, output);
    const float zero = 0.0f;
    const char *const inputs[3] = {input, onnx_scalar(net->b, onnx_part(net, layer, "min"), ONNX_FLOAT, &zero),
                                   onnx_scalar(net->b, onnx_part(net, layer, "max"), ONNX_FLOAT, &act.limit)};
    return onnx_node(net->b, "Clip", name, 3, inputs, output);
}

/* The axes of `input` in the order of `axes`, as in {0, 3, 1, 2}. */
static const char *transpose(OnnxNet *net, const char *name, const char *input, const int axes[4], const char *output)
{
    onnx_unary(net, "Transpose", name, input, output);
    onnx_ints(net->b, "perm", 4, axes);
    return output;
}

/* ---- where a tensor is ------------------------------------------------------------------------------------------- */

static const int to_nhwc[4] = {0, 2, 3, 1}, to_nchw[4] = {0, 3, 1, 2};

static bool is_point(const OnnxValue *v) { return v->h == 1 && v->w == 1; }

const char *onnx_own_name(const OnnxNet *net, const char *name)
{
    return strcmp(name, onnx_output_name) == 0 ? onnx_part(net, name, "layer") : name;
}

void onnx_value_set(OnnxNet *net, int value, const char *real, int rank)
{
    OnnxValue *v = &net->value[value];
    v->from = value;
    v->real = real;
    v->rank = rank;
    if (rank == ONNX_MAP) v->map = real;
    if (rank == ONNX_ROW) v->row = real;
}

void onnx_value_reshape(OnnxNet *net, int value, int from) { net->value[value].from = net->value[from].from; }

/* [N,...] to [N,h,w,c]. */
static const char *reshape(OnnxNet *net, const char *name, const char *input, int h, int w, int c, const char *output)
{
    int64_t *shape = arena_alloc(onnx_arena(net->b), 4 * sizeof *shape);
    shape[0] = 0, shape[1] = h, shape[2] = w, shape[3] = c; /* 0: as it is */
    const char *dims = onnx_constant(net->b, onnx_part(net, name, "shape"), ONNX_INT64, 1, (const int64_t[]){4}, shape);
    return onnx_node(net->b, "Reshape", name, 2, (const char *const[]){input, dims}, output);
}

static const char *moved(OnnxNet *net, int value, const char *place, const char *name)
{
    return net->moved == NULL ? name : net->moved(net, value, place, name);
}

/* The tensor as [N,C,H,W]. */
static const char *value_map(OnnxNet *net, int value)
{
    OnnxValue *v = &net->value[value], *from = &net->value[v->from];
    if (v->map != NULL) return v->map;
    const char *place = onnx_part(net, v->name, "map"), *map;
    const bool channels = from->rank == ONNX_ROW || is_point(from); /* alone: one order in both layouts */
    if (channels && is_point(v)) {
        map = reshape(net, place, from->real, v->c, 1, 1, place);
    } else {
        const char *nhwc = onnx_part(net, v->name, "nhwc"), *cells = onnx_part(net, v->name, "cells");
        const char *real = channels ? from->real : transpose(net, nhwc, from->real, to_nhwc, nhwc);
        map = transpose(net, place, reshape(net, cells, real, v->h, v->w, v->c, cells), to_nchw, place);
    }
    return v->map = moved(net, value, place, map);
}

/* Flatten gives [C,H,W] order. */
static const char *flatten(OnnxNet *net, int value, const char *place, const char *map)
{
    onnx_unary(net, "Flatten", place, map, place);
    onnx_int(net->b, "axis", 1);
    return moved(net, value, place, place);
}

/* As a dense layer takes it: flattened as it lies, its weights are in that order. */
static const char *dense_row(OnnxNet *net, int value)
{
    OnnxValue *v = &net->value[value], *from = &net->value[v->from];
    if (from->rank == ONNX_ROW) return from->real;
    const char *place = v->from == value ? onnx_part(net, v->name, "row") : onnx_own_name(net, v->name);
    if (v->row == NULL) v->row = flatten(net, value, place, from->real);
    return v->row;
}

/* The tensor as [N,elements] in [H,W,C] order. */
static const char *value_row(OnnxNet *net, int value)
{
    OnnxValue *v = &net->value[value], *from = &net->value[v->from];
    if (from->rank == ONNX_ROW || is_point(from)) return dense_row(net, value);
    const char *nhwc = onnx_part(net, v->name, "row_nhwc");
    return flatten(net, value, onnx_part(net, v->name, "row_flat"), transpose(net, nhwc, from->real, to_nhwc, nhwc));
}

/* ---- input and output -------------------------------------------------------------------------------------------- */

const char onnx_input_name[] = "input", onnx_output_name[] = "logits";

const char *onnx_image(OnnxNet *net, OnnxDataType type, bool nhwc)
{
    const OnnxValue *v = &net->value[0];
    const int nchw_dim[4] = {0, v->c, v->h, v->w}, nhwc_dim[4] = {0, v->h, v->w, v->c};
    onnx_input(net->b, onnx_input_name, type, 4, nhwc ? nhwc_dim : nchw_dim);
    if (!nhwc) return onnx_input_name;
    return transpose(net, onnx_part(net, onnx_input_name, "nchw"), onnx_input_name, to_nchw,
                     onnx_part(net, onnx_input_name, "nchw"));
}

void onnx_logits(OnnxNet *net, int value, int classes)
{
    const int dim[2] = {0, classes};
    const char *row = value_row(net, value);
    if (strcmp(row, onnx_output_name) != 0)
        onnx_unary(net, "Identity", onnx_part(net, onnx_output_name, "output"), row, onnx_output_name);
    onnx_output(net->b, onnx_output_name, ONNX_FLOAT, 2, dim);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void set_window(OnnxNet *net, const ConvGeom *g)
{
    onnx_ints(net->b, "kernel_shape", 2, (const int[]){g->kh, g->kw});
    onnx_ints(net->b, "strides", 2, (const int[]){g->sh, g->sw});
    onnx_ints(net->b, "pads", 4, (const int[]){g->pt, g->pl, g->pb, g->pr});
}

void onnx_convolution(OnnxNet *net, const ConvGeom *g)
{
    set_window(net, g);
    onnx_ints(net->b, "dilations", 2, (const int[]){g->dh, g->dw});
    onnx_int(net->b, "group", g->groups);
}

const char *onnx_weights_input(OnnxNet *net, const OnnxOp *op)
{
    return op->op == NODE_DENSE ? dense_row(net, op->input[0]) : value_map(net, op->input[0]);
}

static OnnxResult conv(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    const char *const input[3] = {value_map(net, op->input[0]), weight, bias};
    onnx_node(net->b, "Conv", op->name, bias == NULL ? 2 : 3, input, output);
    onnx_convolution(net, op->geom);
    return (OnnxResult){.result = output, .rank = ONNX_MAP};
}

static OnnxResult dense(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    const char *const input[3] = {dense_row(net, op->input[0]), weight, bias};
    onnx_node(net->b, "Gemm", op->name, bias == NULL ? 2 : 3, input, output);
    onnx_int(net->b, "transB", 1);
    return (OnnxResult){.result = output, .rank = ONNX_ROW};
}

static OnnxResult pool(OnnxNet *net, const OnnxOp *op, const char *kind, const char *output)
{
    onnx_unary(net, kind, op->name, value_map(net, op->input[0]), output);
    return (OnnxResult){.result = output, .rank = ONNX_MAP};
}

static OnnxResult max_pool(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    const OnnxResult result = pool(net, op, "MaxPool", output);
    set_window(net, op->geom);
    return result;
}

static OnnxResult average_pool(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    if (pool_is_global(op->geom)) return pool(net, op, "GlobalAveragePool", output);
    const OnnxResult result = pool(net, op, "AveragePool", output);
    set_window(net, op->geom);
    onnx_int(net->b, "count_include_pad", 0);
    return result;
}

/* Element by element, or along the channels: rows if every input is one, else maps.  kind NULL: the input itself. */
static OnnxResult pointwise(OnnxNet *net, const OnnxOp *op, const char *kind, const char *output)
{
    const char *input[NODE_MAX_INPUTS];
    int rank = ONNX_ROW;
    for (int i = 0; i < op->inputs; i++)
        if (net->value[op->input[i]].rank != ONNX_ROW) rank = ONNX_MAP;
    for (int i = 0; i < op->inputs; i++)
        input[i] = rank == ONNX_ROW ? net->value[op->input[i]].real : value_map(net, op->input[i]);
    if (kind == NULL) return (OnnxResult){.result = input[0], .rank = rank, .is_input = true};
    onnx_node(net->b, kind, op->name, op->inputs, input, output);
    return (OnnxResult){.result = output, .rank = rank};
}

static OnnxResult add(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    return pointwise(net, op, "Add", output);
}

static OnnxResult multiply(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    return pointwise(net, op, "Mul", output);
}

static OnnxResult concat(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    const OnnxResult result = pointwise(net, op, "Concat", output);
    onnx_int(net->b, "axis", 1);
    return result;
}

static OnnxResult on_grid(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    return pointwise(net, op, NULL, output);
}

/* By curve; NULL: it has no operator of its own. */
static const char *const curve_operators[CURVES] = {
#define ONNX_CURVE(curve, operator, attributes) [CURVE_INDEX_##curve] = operator,
#define ONNX_PRODUCT(curve, gate)
#include "deploy/onnx/onnx_curves.def"
#undef ONNX_CURVE
#undef ONNX_PRODUCT
};
/* By curve, the index of the one that x is multiplied with and 1; 0: it is no product. */
static const int curve_gates[CURVES] = {
#define ONNX_CURVE(curve, operator, attributes)
#define ONNX_PRODUCT(curve, gate) [CURVE_INDEX_##curve] = CURVE_INDEX_##gate + 1,
#include "deploy/onnx/onnx_curves.def"
#undef ONNX_CURVE
#undef ONNX_PRODUCT
};

Status onnx_check_curve(const char *layer, const CurveType *curve, const char *instead)
{
    const int k = curve_index(curve);
    if (k >= 0 && (curve_operators[k] != NULL || curve_gates[k] != 0)) return STATUS_OK;
    return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": %s, for which ONNX has no operator; %s", layer, curve->name,
                       instead);
}

static OnnxResult lut(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    (void)weight, (void)bias;
    const OnnxResult x = pointwise(net, op, NULL, output);
    if (op->curve == NULL) return x;
    const int index = curve_index(op->curve);
    const bool product = curve_gates[index] != 0;
    const char *kind = curve_operators[product ? curve_gates[index] - 1 : index];
    const char *gate = product ? onnx_part(net, op->name, "gate") : output;
    onnx_unary(net, kind, product ? gate : op->name, x.result, gate);
    if (strcmp(kind, "HardSigmoid") == 0) onnx_float(net->b, "alpha", 1.0f / 6.0f), onnx_float(net->b, "beta", 0.5f);
    if (product) onnx_node(net->b, "Mul", op->name, 2, (const char *const[]){x.result, gate}, output);
    return (OnnxResult){.result = output, .rank = x.rank};
}

/* By kind; NULL: ONNX has no operator, or needs none. */
static OnnxResult (*const kinds[NODE_KINDS])(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias,
                                             const char *output) = {
    [NODE_CONV2D] = conv,          [NODE_DWCONV2D] = conv, [NODE_DENSE] = dense,      [NODE_MAXPOOL] = max_pool,
    [NODE_AVGPOOL] = average_pool, [NODE_ADD] = add,       [NODE_CONCAT] = concat,    [NODE_REQUANT] = on_grid,
    [NODE_MULTIPLY] = multiply,    [NODE_LUT] = lut,       [NODE_QUANTIZE] = on_grid, [NODE_DEQUANTIZE] = on_grid,
    [NODE_EMBEDDING] = on_grid,
};

bool onnx_carries(NodeKind kind) { return kinds[kind] != NULL || node_types[kind]->shows_input; }

OnnxResult onnx_op(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output)
{
    ASSERT(kinds[op->op] != NULL);
    return kinds[op->op](net, op, weight, bias, output);
}

const uint8_t *onnx_as_uint8(Arena *arena, const int8_t *codes, int64_t n)
{
    uint8_t *u = ARENA_ARRAY(arena, uint8_t, n);
    for (int64_t i = 0; i < n; i++) u[i] = (uint8_t)(codes[i] + 128);
    return u;
}

const char *onnx_dequantized(OnnxNet *net, const char *name, const char *values, OnnxDataType type, const float *scale,
                             int n)
{
    return onnx_dequantized_from(net, name, values, type, scale, NULL, n);
}

const char *onnx_dequantized_from(OnnxNet *net, const char *name, const char *values, OnnxDataType type,
                                  const float *scale, const int8_t *zero_point, int n)
{
    const int64_t dim[1] = {n};
    const int rank = n == 1 ? 0 : 1;
    const void *zeros = zero_point;
    if (zeros == NULL) zeros = arena_zalloc(onnx_arena(net->b), onnx_type_bytes(type) * (size_t)n);
    if (type == ONNX_UINT8) zeros = onnx_as_uint8(onnx_arena(net->b), zeros, n);
    const char *const input[3] = {values,
                                  onnx_constant(net->b, onnx_part(net, name, "scale"), ONNX_FLOAT, rank, dim, scale),
                                  onnx_constant(net->b, onnx_part(net, name, "zero_point"), type, rank, dim, zeros)};
    const char *out = onnx_node(net->b, "DequantizeLinear", onnx_part(net, name, "dequantize"), 3, input,
                                onnx_part(net, name, "values"));
    if (rank == 1) onnx_int(net->b, "axis", 0);
    return out;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* out[a][b][c] = in[a][c][b], elements of any size. */
static void swap_inner(long a, long b, long c, const unsigned char *in, size_t element_bytes, unsigned char *out)
{
    for (long i = 0; i < a; i++)
        for (long j = 0; j < b; j++)
            for (long k = 0; k < c; k++, out += element_bytes)
                memcpy(out, in + (size_t)((i * c + k) * b + j) * element_bytes, element_bytes);
}

long onnx_weight_channels(const OnnxNet *net, const OnnxOp *op)
{
    const ConvGeom *g = op->geom;
    const OnnxValue *from = &net->value[net->value[op->input[0]].from];
    if (op->op == NODE_DENSE) return from->rank == ONNX_ROW ? g->c : from->c;
    return g->c / g->groups;
}

int onnx_weights(OnnxNet *net, const OnnxOp *op, const void *weights, size_t element_bytes, int64_t dim[4],
                 const void **out)
{
    const ConvGeom *g = op->geom;
    const long cells = (long)g->kh * g->kw, channels = onnx_weight_channels(net, op), each = g->c / g->groups;
    const bool row = op->op == NODE_DENSE;
    const long count = op->op == NODE_DWCONV2D ? cells * g->o : cells * each * g->o;
    unsigned char *to = arena_alloc(onnx_arena(net->b), (size_t)count * element_bytes);
    if (op->op == NODE_DWCONV2D)
        swap_inner(1, g->o, cells, weights, element_bytes, to); /* [KH,KW,O] -> [O,KH,KW] */
    else if (row)
        swap_inner(g->o, channels, g->c / channels, weights, element_bytes, to); /* [O,H,W,C] -> [O,C,H,W] */
    else
        swap_inner(g->o, each, cells, weights, element_bytes, to); /* [O,KH,KW,C] -> [O,C,KH,KW] */
    *out = to;
    dim[0] = g->o;
    dim[1] = row ? g->c : op->op == NODE_DWCONV2D ? 1 : each;
    dim[2] = g->kh;
    dim[3] = g->kw;
    return row ? 2 : 4;
}
