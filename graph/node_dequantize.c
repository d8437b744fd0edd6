/* dequantize: codes to floats, scale (q - zero point), where a node in floats reads one in integers. */
#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"

static const Field dequantize_fields[] = {NODE_FIELDS, FIELD_END};

static Status dequantize_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    NODE_RULE(n, !graph_tensor_is_float(x) && y->format == FORMAT_FLOAT32, "%s to %s; must be codes to float32",
              format_names[x->format], format_names[y->format]);
    return node_check_same_shape(g, n);
}

static void dequantize_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const GraphTensor *x = node_x(e->g, e->node);
    if (graph_tensor_is_wide(x)) {
        graph_tensor_reals(x, in[0], (size_t)graph_tensor_elements(x), node_floats_out(out));
        return;
    }
    kernels()->dequantize((size_t)graph_tensor_elements(x), in[0], x->scale, x->zero_point, node_floats_out(out));
}

const NodeType node_dequantize = {.name = "dequantize",
                                  .doc = "codes as the floats they stand for",
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .fields = dequantize_fields,
                                  .clamp = CLAMP_NONE,
                                  .check = dequantize_check,
                                  .run = dequantize_run,
                                  .converts = true};
