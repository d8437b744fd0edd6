/* quantize: floats to codes of the output's grid (quantize_real), where a node in integers reads one in floats. */
#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"
#include "kernels/requant_s16.h"

static const Field quantize_fields[] = {NODE_FIELDS, FIELD_END};

static Status quantize_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    NODE_RULE(n, graph_tensor_is_float(x) && !graph_tensor_is_float(y), "%s to %s; must be floats to codes",
              format_names[x->format], format_names[y->format]);
    return node_check_same_shape(g, n);
}

static void quantize_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const GraphTensor *y = node_y(e->g, e->node);
    if (graph_tensor_is_wide(y)) {
        quantize_reals_s16((size_t)graph_tensor_elements(y), node_floats(in[0]), y->scale, y->qmin, y->qmax,
                           node_wide_out(out));
        return;
    }
    quantize_reals(e->g->rounding, (size_t)graph_tensor_elements(y), node_floats(in[0]),
                   &(QuantizeGrid){y->scale, y->zero_point, y->qmin, y->qmax}, out);
}

const NodeType node_quantize = {.name = "quantize",
                                .doc = "floats as codes of a grid",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .fields = quantize_fields,
                                .clamp = CLAMP_NONE,
                                .check = quantize_check,
                                .run = quantize_run,
                                .converts = true};
