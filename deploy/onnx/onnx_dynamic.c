#include "deploy/onnx/onnx_dynamic.h"

#include "deploy/onnx/onnx_tensor.h"
#include "graph/node.h"

const Node *onnx_first_dynamic(const Graph *g)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].input_bits > 0) return &g->node[i];
    return NULL;
}

/* MatMulInteger reads [I,O]. */
static const uint8_t *transposed(Arena *arena, const uint8_t *w, int64_t outputs, int64_t inputs)
{
    uint8_t *t = ARENA_ARRAY(arena, uint8_t, outputs * inputs);
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t i = 0; i < inputs; i++) t[i * outputs + o] = w[o * inputs + i];
    return t;
}

static const char *weights(OnnxNet *net, const OnnxOp *op, const Node *n)
{
    Arena *arena = onnx_arena(net->b);
    int64_t dim[4];
    const void *stored;
    const int rank = onnx_weights(net, op, n->weights, 1, dim, &stored);
    const uint8_t *codes = onnx_as_uint8(arena, stored, node_weights(n));
    if (rank == 2) {
        codes = transposed(arena, codes, dim[0], dim[1]);
        const int64_t outputs = dim[0];
        dim[0] = dim[1], dim[1] = outputs;
    }
    return onnx_constant(net->b, onnx_part(net, n->name, "weight"), ONNX_UINT8, rank, dim, codes);
}

/* A value for each output, along the channels of the result. */
static const char *channels(OnnxNet *net, const Node *n, const char *part, const float *values)
{
    const int64_t dim[3] = {n->geom.o, 1, 1};
    return onnx_constant(net->b, onnx_part(net, n->name, part), ONNX_FLOAT, n->op == NODE_DENSE ? 1 : 3, dim, values);
}

static const char *binary(OnnxNet *net, const char *op, const char *name, const char *a, const char *b,
                          const char *output)
{
    return onnx_node(net->b, op, name, 2, (const char *const[]){a, b}, output);
}

OnnxResult onnx_dynamic(OnnxNet *net, const OnnxOp *op, const Node *n, const char *output)
{
    const bool dense = n->op == NODE_DENSE;
    const uint8_t zero = 128;
    const char *codes = onnx_part(net, n->name, "codes"), *scale = onnx_part(net, n->name, "scale"),
               *zero_point = onnx_part(net, n->name, "zero_point"), *sums = onnx_part(net, n->name, "products"),
               *reals = onnx_part(net, n->name, "reals"), *factor = onnx_part(net, n->name, "factor"),
               *scaled = onnx_part(net, n->name, "scaled");
    const char *x = onnx_weights_input(net, op), *w = weights(net, op, n);
    onnx_unary(net, "DynamicQuantizeLinear", onnx_part(net, n->name, "quantize"), x, codes);
    onnx_outputs(net->b, 2, (const char *const[]){scale, zero_point});
    const char *const input[4] = {codes, w, zero_point,
                                  onnx_scalar(net->b, onnx_part(net, n->name, "weight_zero_point"), ONNX_UINT8, &zero)};
    onnx_node(net->b, dense ? "MatMulInteger" : "ConvInteger", n->name, 4, input, sums);
    if (!dense) onnx_convolution(net, op->geom);
    onnx_unary(net, "Cast", onnx_part(net, n->name, "real"), sums, reals);
    onnx_int(net->b, "to", ONNX_FLOAT);
    binary(net, "Mul", onnx_part(net, n->name, "scales"), scale, channels(net, n, "weight_scale", n->weight_scale),
           factor);
    binary(net, "Mul", onnx_part(net, n->name, "rescale"), reals, factor, scaled);
    binary(net, "Add", onnx_part(net, n->name, "shift"), scaled, channels(net, n, "bias", n->float_bias), output);
    return (OnnxResult){.result = output, .rank = dense ? ONNX_ROW : ONNX_MAP};
}
