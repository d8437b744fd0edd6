#include "deploy/onnx/onnx_qdq.h"

#include <float.h>

#include "deploy/onnx/onnx_node_float.h"
#include "deploy/onnx/onnx_tensor.h"
#include "deploy/runtime_limits.h"
#include "graph/node.h"

typedef struct {
    OnnxNet net;
    const Graph *g;
    const OnnxForm *form;
    const char **scale, **zero_point; /* [tensors] names, NULL: not needed so far */
} Qdq;

static const char *part(const Qdq *q, const char *name, const char *suffix) { return onnx_part(&q->net, name, suffix); }

static OnnxDataType code_type(const Qdq *q) { return q->form->uint8 ? ONNX_UINT8 : ONNX_INT8; }

static bool is_wide(const Qdq *q, int tensor) { return graph_tensor_is_wide(&q->g->tensor[tensor]); }

/* A code as the file stores it. */
static const char *code_constant(Qdq *q, const char *name, int code)
{
    const int8_t s8 = (int8_t)code;
    const uint8_t u8 = (uint8_t)(code + 128);
    return q->form->uint8 ? onnx_scalar(q->net.b, name, ONNX_UINT8, &u8) : onnx_scalar(q->net.b, name, ONNX_INT8, &s8);
}

/* ---- a tensor on its grid ---------------------------------------------------------------------------------------- */

static const char *zero_point(Qdq *q, int tensor)
{
    const GraphTensor *t = &q->g->tensor[tensor];
    const char *name = part(q, t->name, "zero_point");
    const int16_t zero = 0;
    if (!graph_tensor_is_wide(t)) return code_constant(q, name, t->zero_point);
    onnx_needs_int16(q->net.b);
    return onnx_scalar(q->net.b, name, ONNX_INT16, &zero);
}

static const char *linear(Qdq *q, const char *op, int tensor, const char *name, const char *input, const char *output)
{
    const GraphTensor *t = &q->g->tensor[tensor];
    if (q->scale[tensor] == NULL) {
        q->scale[tensor] = onnx_scalar(q->net.b, part(q, t->name, "scale"), ONNX_FLOAT, &t->scale);
        q->zero_point[tensor] = zero_point(q, tensor);
    }
    return onnx_node(q->net.b, op, name, 3, (const char *const[]){input, q->scale[tensor], q->zero_point[tensor]},
                     output);
}

static const char *quantize(Qdq *q, int tensor, const char *name, const char *input, const char *output)
{
    return linear(q, "QuantizeLinear", tensor, name, input, output);
}

static const char *dequantize(Qdq *q, int tensor, const char *name, const char *input, const char *output)
{
    return linear(q, "DequantizeLinear", tensor, name, input, output);
}

static const char *clip(Qdq *q, const char *name, const char *input, const char *lo, const char *hi, const char *output)
{
    return onnx_node(q->net.b, "Clip", name, 3, (const char *const[]){input, lo, hi}, output);
}

/* Relu or Clip, the node `name`, so that QuantizeLinear gives codes from lo to hi.  The bounds are what
 * DequantizeLinear makes of these codes, but that of the type's largest is a quarter of a step lower, which rounds up: so
 * the Clip is never one that the type's own ends make superfluous, and ONNX Runtime keeps it. */
static const char *clip_values(Qdq *q, int tensor, const char *name, const char *real, int lo, int hi)
{
    const GraphTensor *t = &q->g->tensor[tensor];
    const char *out = part(q, t->name, "clipped");
    const bool wide = graph_tensor_is_wide(t), is_top = hi == (wide ? INT16_MAX : INT8_MAX);
    if (lo == t->zero_point && lo > (wide ? INT16_MIN : INT8_MIN) && is_top)
        return onnx_unary(&q->net, "Relu", name, real, out);
    const float top = (float)(hi - t->zero_point) - (is_top ? 0.25f : 0.0f);
    const float low = (float)(lo - t->zero_point) * t->scale, high = top * t->scale;
    const char *min = onnx_scalar(q->net.b, part(q, t->name, "min"), ONNX_FLOAT, &low);
    const char *max = onnx_scalar(q->net.b, part(q, t->name, "max"), ONNX_FLOAT, &high);
    return clip(q, name, real, min, max, out);
}

static const char *clip_codes(Qdq *q, int tensor, const char *codes, int lo, int hi)
{
    const char *name = q->g->tensor[tensor].name;
    const char *min = code_constant(q, part(q, name, "min"), lo), *max = code_constant(q, part(q, name, "max"), hi);
    return clip(q, part(q, name, "clip"), codes, min, max, part(q, name, "codes"));
}

static bool clips_codes(const Qdq *q, int tensor, int lo)
{
    if (q->form->clip != CLIP_AUTO) return q->form->clip == CLIP_CODES;
    return q->form->uint8 || lo != q->g->tensor[tensor].zero_point;
}

/* The same as int16 codes, which no Clip of ONNX Runtime takes: the values are clipped before they are rounded. */
static const char *round_wide(Qdq *q, int tensor, const char *real, int lo, int hi)
{
    const char *name = q->g->tensor[tensor].name;
    if (lo > INT16_MIN || hi < INT16_MAX) real = clip_values(q, tensor, part(q, name, "clip"), real, lo, hi);
    return quantize(q, tensor, part(q, name, "quantize"), real, part(q, name, "codes"));
}

/* What an operation computed, as codes from lo to hi. */
static const char *round_and_clip(Qdq *q, int tensor, const char *real, int lo, int hi)
{
    const char *name = q->g->tensor[tensor].name;
    const char *step = part(q, name, "quantize"), *codes = part(q, name, "codes"), *whole = part(q, name, "saturated");
    if (is_wide(q, tensor)) return round_wide(q, tensor, real, lo, hi);
    if (lo == INT8_MIN && hi == INT8_MAX) return quantize(q, tensor, step, real, codes);
    if (clips_codes(q, tensor, lo)) return clip_codes(q, tensor, quantize(q, tensor, step, real, whole), lo, hi);
    quantize(q, tensor, part(q, name, "round"), real, whole);
    real = dequantize(q, tensor, part(q, name, "unround"), whole, part(q, name, "unclipped"));
    return quantize(q, tensor, step, clip_values(q, tensor, part(q, name, "clip"), real, lo, hi), codes);
}

/* The tensor, from its codes, under its own name. */
static void settle(Qdq *q, int tensor, const char *codes, int rank)
{
    const char *name = q->g->tensor[tensor].name;
    const char *real = tensor == 0 ? part(q, name, "values") : onnx_own_name(&q->net, name);
    if (tensor == q->g->output && rank == ONNX_ROW) real = onnx_output_name;
    onnx_value_set(&q->net, tensor, dequantize(q, tensor, part(q, name, "dequantize"), codes, real), rank);
}

/* A pair after what only moves elements: runtimes fuse what stands between two pairs.  Codes that were widened are still
 * on the grid of those that they were. */
static const char *moved(OnnxNet *net, int value, const char *place, const char *name)
{
    Qdq *q = net->context;
    if (is_wide(q, value)) value = net->value[value].from;
    if (graph_tensor_is_float(&q->g->tensor[value])) return name;
    const char *codes = quantize(q, value, onnx_part(net, place, "quantize"), name, onnx_part(net, place, "codes"));
    return dequantize(q, value, onnx_part(net, place, "dequantize"), codes, onnx_part(net, place, "values"));
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

bool onnx_weights_uint8(const OnnxForm *form, const Graph *g, const Node *n)
{
    if (form->weights != WEIGHTS_AUTO) return form->weights == WEIGHTS_UINT8;
    return form->uint8 && node_products_saturate(g, n);
}

/* Of a node on int16 codes, on whose grid biases are too large for int32: a sum of its own, in floats, so that the
 * products before it are still fused to integers. */
static const char *add_bias(Qdq *q, const Node *n, OnnxResult r)
{
    const int outputs = n->geom.o;
    float *bias = ARENA_ARRAY(onnx_arena(q->net.b), float, outputs);
    for (int o = 0; o < outputs; o++)
        bias[o] = (float)((double)node_x(q->g, n)->scale * (double)n->weight_scale[o] * (double)n->wide_bias[o]);
    const int64_t dim[3] = {outputs, 1, 1};
    const char *const input[2] = {
        r.result, onnx_constant(q->net.b, part(q, n->name, "bias"), ONNX_FLOAT, r.rank == ONNX_ROW ? 1 : 3, dim, bias)};
    return onnx_node(q->net.b, "Add", part(q, n->name, "shift"), 2, input, part(q, n->name, "shifted"));
}

static Status weights(Qdq *q, const Node *n, const OnnxOp *op, const char **weight, const char **bias)
{
    const char *w = part(q, n->name, "weight"), *b = part(q, n->name, "bias");
    const int outputs = n->geom.o;
    const float s_x = q->g->tensor[n->input[0]].scale;
    float *product = ARENA_ARRAY(onnx_arena(q->net.b), float, outputs);
    for (int o = 0; o < outputs; o++) {
        product[o] = s_x * n->weight_scale[o];
        if (!(product[o] >= FLT_MIN && product[o] <= FLT_MAX))
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": scale %g of the bias of output %d; must be a normal float32", n->name,
                               (double)product[o], o);
    }
    int64_t dim[4];
    const int64_t length[1] = {outputs};
    const void *stored = NULL;
    const int rank = onnx_weights(&q->net, op, n->weights, 1, dim, &stored);
    const OnnxDataType type = onnx_weights_uint8(q->form, q->g, n) ? ONNX_UINT8 : ONNX_INT8;
    if (type == ONNX_UINT8) stored = onnx_as_uint8(onnx_arena(q->net.b), stored, node_weights(n));
    onnx_constant(q->net.b, w, type, rank, dim, stored);
    if (n->bias != NULL) onnx_constant(q->net.b, b, ONNX_INT32, 1, length, n->bias);
    *weight = onnx_dequantized(&q->net, w, w, type, n->weight_scale, outputs);
    if (n->bias != NULL) *bias = onnx_dequantized(&q->net, b, b, ONNX_INT32, product, outputs);
    return STATUS_OK;
}

/* A ReLU that int8's own lower end is: said, since runtimes and readers look for it; they take it away again. */
static bool is_free_relu(const Qdq *q, const Node *n, int lo)
{
    return node_type(n)->clamp == CLAMP_CODES && lo == INT8_MIN && lo == q->g->tensor[n->output].zero_point;
}

/* The codes of what the node's operation computed.  One that is a change of the grid alone is a clip: without it ONNX
 * Runtime would join the pairs before and after it into one with a grid between theirs, and round once instead of
 * twice. */
static const char *finish(Qdq *q, const Node *n, OnnxResult r)
{
    const char *real = r.result;
    int lo, hi;
    node_clamp(q->g, n, &lo, &hi);
    if (r.is_input)
        return quantize(q, n->output, part(q, n->name, "quantize"), clip_values(q, n->output, n->name, real, lo, hi),
                        part(q, n->name, "codes"));
    if (is_free_relu(q, n, lo))
        real = onnx_unary(&q->net, "Relu", part(q, n->name, "relu"), real, part(q, n->name, "positive"));
    return round_and_clip(q, n->output, real, lo, hi);
}

/* A table of codes as the file stores it. */
static const char *table_constant(Qdq *q, const Node *n, int rank, const int64_t *dim)
{
    OnnxBuilder *b = q->net.b;
    const int64_t codes = rank == 1 ? dim[0] : dim[0] * dim[1];
    const void *table = q->form->uint8 ? (const void *)onnx_as_uint8(onnx_arena(b), n->table, codes) : n->table;
    return onnx_constant(b, part(q, n->name, "table"), code_type(q), rank, dim, table);
}

/* The codes of real numbers on the node's input's grid as indices, 128 added. */
static const char *indices(Qdq *q, const Node *n, const char *real)
{
    OnnxBuilder *b = q->net.b;
    const int32_t offset = 128;
    const char *index = quantize(q, n->input[0], part(q, n->name, "quantize"), real, part(q, n->name, "before"));
    index = onnx_unary(&q->net, "Cast", part(q, n->name, "widen"), index, part(q, n->name, "wide"));
    onnx_int(b, "to", ONNX_INT32);
    if (!q->form->uint8) {
        const char *const sum[2] = {index, onnx_scalar(b, part(q, n->name, "offset"), ONNX_INT32, &offset)};
        index = onnx_node(b, "Add", part(q, n->name, "shift"), 2, sum, part(q, n->name, "index"));
    }
    return index;
}

/* The codes of a node that is a table, from which its input's codes choose. */
static const char *look_up(Qdq *q, const Node *n, const char *real)
{
    const char *const input[2] = {table_constant(q, n, 1, (const int64_t[]){256}), indices(q, n, real)};
    return onnx_node(q->net.b, "Gather", n->name, 2, input, part(q, n->name, "codes"));
}

/* Those of an embedding: [N,1,H,W] as [N,H,W], whose Gather is [N,H,W,C], as [N,C,H,W]. */
static const char *look_up_vectors(Qdq *q, const Node *n, const char *real)
{
    OnnxBuilder *b = q->net.b;
    const GraphTensor *x = node_x(q->g, n);
    const int64_t shape[3] = {0, x->h, x->w}; /* 0: as it is */
    const char *const cells[2] = {
        indices(q, n, real), onnx_constant(b, part(q, n->name, "shape"), ONNX_INT64, 1, (const int64_t[]){3}, shape)};
    const char *index = onnx_node(b, "Reshape", part(q, n->name, "rows"), 2, cells, part(q, n->name, "cells"));
    const char *const input[2] = {table_constant(q, n, 2, (const int64_t[]){256, n->geom.o}), index};
    const char *vectors = onnx_node(b, "Gather", n->name, 2, input, part(q, n->name, "vectors"));
    onnx_unary(&q->net, "Transpose", part(q, n->name, "turn"), vectors, part(q, n->name, "codes"));
    onnx_ints(b, "perm", 4, (const int[]){0, 3, 1, 2});
    return part(q, n->name, "codes");
}

/* Codes to floats: the values that DequantizeLinear gave, through a Clip to all of float32, which changes none.
 * Without it ONNX Runtime takes a float operation between DequantizeLinear and QuantizeLinear for one that is meant in
 * integers: it quantizes the weights of a convolution there, and adds and averages codes.  Floats to codes: a pair. */
static void convert(Qdq *q, const Node *n, OnnxResult x)
{
    const GraphTensor *y = &q->g->tensor[n->output];
    if (graph_tensor_is_float(y)) {
        const float low = -FLT_MAX, high = FLT_MAX;
        const char *min = onnx_scalar(q->net.b, part(q, n->name, "min"), ONNX_FLOAT, &low);
        const char *max = onnx_scalar(q->net.b, part(q, n->name, "max"), ONNX_FLOAT, &high);
        const char *values = clip(q, n->name, x.result, min, max, onnx_own_name(&q->net, n->name));
        onnx_value_set(&q->net, n->output, values, x.rank);
    } else {
        settle(q, n->output, round_and_clip(q, n->output, x.result, y->qmin, y->qmax), x.rank);
    }
}

static Status add_node(Qdq *q, const Node *n)
{
    const OnnxOp op = {.op = n->op, .name = n->name, .geom = &n->geom, .inputs = n->inputs, .input = n->input};
    if (node_type(n)->shows_input || node_widens(q->g, n)) {
        onnx_value_reshape(&q->net, n->output, n->input[0]);
        return STATUS_OK;
    }
    if (node_is_float(q->g, n)) return onnx_node_float(&q->net, q->g, n);
    if (node_type(n)->converts) {
        convert(q, n, onnx_op(&q->net, &op, NULL, NULL, NULL));
        return STATUS_OK;
    }
    const char *weight = NULL, *bias = NULL;
    if (node_has_weights(n)) TRY(weights(q, n, &op, &weight, &bias));
    OnnxResult r = onnx_op(&q->net, &op, weight, bias, part(q, n->name, "sum"));
    if (n->wide_bias != NULL) r.result = add_bias(q, n, r);
    if (n->op == NODE_EMBEDDING)
        settle(q, n->output, look_up_vectors(q, n, r.result), ONNX_MAP);
    else
        settle(q, n->output, n->table != NULL ? look_up(q, n, r.result) : finish(q, n, r), r.rank);
    return STATUS_OK;
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

/* The image's tensor: "input" is the graph's own. */
static void add_input(Qdq *q)
{
    const GraphTensor *t = &q->g->tensor[0];
    if (q->form->input_codes) {
        const char *codes = onnx_image(&q->net, code_type(q), q->form->nhwc);
        settle(q, 0, codes, ONNX_MAP);
        return;
    }
    const char *image = onnx_image(&q->net, ONNX_FLOAT, q->form->nhwc);
    settle(q, 0, round_and_clip(q, 0, image, t->qmin, t->qmax), ONNX_MAP);
}

Status onnx_qdq(OnnxBuilder *b, const Graph *g, const OnnxForm *form)
{
    Arena *arena = onnx_arena(b);
    Qdq q = {.g = g,
             .form = form,
             .scale = ARENA_ARRAY(arena, const char *, g->tensors),
             .zero_point = ARENA_ARRAY(arena, const char *, g->tensors)};
    q.net = (OnnxNet){.b = b,
                      .values = g->tensors,
                      .value = ARENA_ARRAY(arena, OnnxValue, g->tensors),
                      .moved = moved,
                      .context = &q};
    for (int i = 0; i < g->tensors; i++) {
        const GraphTensor *t = &g->tensor[i];
        q.net.value[i] = (OnnxValue){.name = t->name, .h = t->h, .w = t->w, .c = t->c, .from = i};
    }
    add_input(&q);
    for (int i = 0; i < g->nodes; i++) TRY(add_node(&q, &g->node[i]));
    onnx_logits(&q.net, g->output, g->classes);
    return STATUS_OK;
}
