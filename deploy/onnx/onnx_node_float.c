#include "deploy/onnx/onnx_node_float.h"

#include <string.h>

#include "deploy/onnx/onnx_dynamic.h"
#include "deploy/onnx/onnx_tensor.h"
#include "graph/node_groups.h"
#include "graph/node_float.h"

enum { ONNX_TYPE_BFLOAT16 = 16 }; /* of a Cast; no constant of ours is one */

static Status check_format(const Node *n, Format f)
{
    if (f != FORMAT_FLOAT8_E4M3 && f != FORMAT_FLOAT8_E5M2) return STATUS_OK;
    return status_fail(
        STATUS_UNSUPPORTED,
        "layer \"%s\": %s, which ONNX has not in operator set %d; must be float32, float16, bfloat16 or int8", n->name,
        format_names[f], (int)ONNX_BUILD_OPSET);
}

static const char *cast(OnnxNet *net, const char *name, const char *input, int type, const char *output)
{
    onnx_unary(net, "Cast", name, input, output);
    onnx_int(net->b, "to", type);
    return output;
}

static const char *reshape(OnnxNet *net, const char *name, const char *input, int rank, const int64_t *dim)
{
    const int64_t ranks[1] = {rank};
    const size_t bytes = sizeof *dim * (size_t)rank;
    const void *shape = memcpy(arena_alloc(onnx_arena(net->b), bytes), dim, bytes);
    const char *const in[2] = {input,
                               onnx_constant(net->b, onnx_part(net, name, "shape"), ONNX_INT64, 1, ranks, shape)};
    return onnx_node(net->b, "Reshape", name, 2, in, onnx_part(net, name, "values"));
}

/* A scale, and a zero point, for each block of an output's weights as they lie in memory: [O, weights], which is then
 * brought to the order in which ONNX has them, [O, cells, channels] to [O, channels, cells]. */
static const char *group_weights(OnnxNet *net, const Node *n, const OnnxOp *op, int rank, const int64_t *dim)
{
    const char *name = onnx_part(net, n->name, "weight");
    const int64_t each = node_weights(n) / n->geom.o, flat[2] = {n->geom.o, each};
    const int64_t groups[2] = {n->geom.o, node_weight_groups(n)};
    const void *zeros = n->weight_affine ? (const void *)n->weight_zero_point
                                         : arena_zalloc(onnx_arena(net->b), (size_t)(groups[0] * groups[1]));
    const char *const in[3] = {
        onnx_constant(net->b, name, ONNX_INT8, 2, flat, n->weights),
        onnx_constant(net->b, onnx_part(net, name, "scale"), ONNX_FLOAT, 2, groups, n->weight_scale),
        onnx_constant(net->b, onnx_part(net, name, "zero_point"), ONNX_INT8, 2, groups, zeros)};
    const char *values =
        onnx_node(net->b, "DequantizeLinear", onnx_part(net, name, "dequantize"), 3, in, onnx_part(net, name, "flat"));
    onnx_int(net->b, "axis", 1);
    onnx_int(net->b, "block_size", n->weight_group);
    onnx_needs_blocks(net->b);
    const int64_t channels = onnx_weight_channels(net, op), cells[4] = {n->geom.o, each / channels, 1, channels};
    if (cells[1] == 1) return reshape(net, onnx_part(net, name, "shaped"), values, rank, dim);
    static const int order[4] = {0, 3, 1, 2};
    values = reshape(net, onnx_part(net, name, "cells"), values, 4, cells);
    values = onnx_node(net->b, "Transpose", onnx_part(net, name, "turn"), 1, &values, onnx_part(net, name, "turned"));
    onnx_ints(net->b, "perm", 4, order);
    return reshape(net, onnx_part(net, name, "shaped"), values, rank, dim);
}

static const char *weights(OnnxNet *net, const Node *n, const OnnxOp *op)
{
    Arena *arena = onnx_arena(net->b);
    const char *name = onnx_part(net, n->name, "weight");
    int64_t dim[4];
    const void *stored;
    const bool codes = n->weights != NULL;
    const int rank = codes ? onnx_weights(net, op, n->weights, 1, dim, &stored)
                           : onnx_weights(net, op, n->float_weights, sizeof(float), dim, &stored);
    if (n->weight_group > 0) return group_weights(net, n, op, rank, dim);
    if (codes) {
        onnx_constant(net->b, name, ONNX_INT8, rank, dim, stored);
        return onnx_dequantized_from(net, name, name, ONNX_INT8, n->weight_scale, n->weight_zero_point, n->geom.o);
    }
    if (n->weight_format != FORMAT_FLOAT16) return onnx_constant(net->b, name, ONNX_FLOAT, rank, dim, stored);
    const size_t count = (size_t)node_weights(n);
    void *half = arena_alloc(arena, count * format_bytes(FORMAT_FLOAT16));
    format_pack(FORMAT_FLOAT16, count, stored, half);
    onnx_constant(net->b, name, ONNX_FLOAT16, rank, dim, half);
    return cast(net, onnx_part(net, name, "widen"), name, ONNX_FLOAT, onnx_part(net, name, "values"));
}

static const char *round_to(OnnxNet *net, const Node *n, Format f, const char *input, const char *output)
{
    const int type = f == FORMAT_FLOAT16 ? (int)ONNX_FLOAT16 : (int)ONNX_TYPE_BFLOAT16;
    const char *narrow =
        cast(net, onnx_part(net, n->name, "narrow"), input, type, onnx_part(net, n->name, format_names[f]));
    return cast(net, onnx_part(net, n->name, "widen"), narrow, ONNX_FLOAT, output);
}

Status onnx_node_float(OnnxNet *net, const Graph *g, const Node *n)
{
    const Format format = node_y(g, n)->format;
    const OnnxOp op = {
        .op = n->op, .name = n->name, .geom = &n->geom, .inputs = n->inputs, .input = n->input, .curve = n->curve};
    if (n->curve != NULL) TRY(onnx_check_curve(n->name, n->curve, "must be int8"));
    TRY(check_format(n, format));
    TRY(check_format(n, n->weight_format));
    const bool dynamic = n->input_bits > 0;
    const char *weight = NULL, *bias = NULL;
    if (node_has_weights(n) && !dynamic) {
        const int64_t outputs[1] = {n->geom.o};
        weight = weights(net, n, &op);
        bias = onnx_constant(net->b, onnx_part(net, n->name, "bias"), ONNX_FLOAT, 1, outputs, n->float_bias);
    }
    const bool rounds = format != FORMAT_FLOAT32, acts = n->activation > 0;
    const char *end = n->op == NODE_DENSE && n->output == g->output ? onnx_output_name : onnx_own_name(net, n->name);
    const char *sum = acts || rounds ? onnx_part(net, n->name, "sum") : end;
    OnnxResult r = dynamic ? onnx_dynamic(net, &op, n, sum) : onnx_op(net, &op, weight, bias, sum);
    if (r.is_input && !acts && !rounds) /* another name for the same values */
        r.result = onnx_unary(net, "Identity", n->name, r.result, end);
    if (acts)
        r.result = onnx_activate(net, n->op, n->name, node_activation(n), r.result,
                                 rounds ? onnx_part(net, n->name, "active") : end);
    if (rounds) r.result = round_to(net, n, format, r.result, end);
    onnx_value_set(net, n->output, r.result, r.rank);
    return STATUS_OK;
}
