#include "graph/node_check.h"

#include <string.h>

#include "graph/node_float.h"

Status node_check_same_shape(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    NODE_RULE(n, x->h == y->h && x->w == y->w && x->c == y->c, "[%d,%d,%d] to [%d,%d,%d]; must be one shape", x->h,
              x->w, x->c, y->h, y->w, y->c);
    return STATUS_OK;
}

Status node_check_same_grid(const Graph *g, const Node *n, const GraphTensor *x)
{
    const GraphTensor *y = node_y(g, n);
    if (graph_tensor_is_float(x)) return STATUS_OK; /* then both are: floats have no grid */
    NODE_RULE(n, x->scale == y->scale && x->zero_point == y->zero_point,
              "input \"%s\" on the grid (%.9g, %d), output on (%.9g, %d); must be the same", x->name, (double)x->scale,
              x->zero_point, (double)y->scale, y->zero_point);
    return STATUS_OK;
}

Status node_check_keeps_codes(const Graph *g, const Node *n, const GraphTensor *x)
{
    const GraphTensor *y = node_y(g, n);
    TRY(node_check_same_grid(g, n, x));
    NODE_RULE(n, x->qmin >= y->qmin && x->qmax <= y->qmax,
              "codes %d to %d of input \"%s\"; must lie in the output's %d to %d", x->qmin, x->qmax, x->name, y->qmin,
              y->qmax);
    return STATUS_OK;
}

/* int32 codes are the sums of the network's last node with weights, which reads int8 codes. */
static Status check_sums(const Graph *g, const Node *n)
{
    const bool shows = node_type(n)->shows_input;
    for (int i = 0; i < n->inputs; i++)
        NODE_RULE(n, !graph_tensor_is_sums(&g->tensor[n->input[i]]) || shows,
                  "input \"%s\" in int32; int32 codes are the network's output, or shown there in another shape",
                  g->tensor[n->input[i]].name);
    if (!graph_tensor_is_sums(node_y(g, n)) || shows) return STATUS_OK;
    NODE_RULE(n, node_has_weights(n) && node_x(g, n)->format == FORMAT_INT8 && node_gives_output(g, n),
              "an output in int32; must be the network's, of a node with weights that reads int8 codes");
    return STATUS_OK;
}

/* All codes, or all floats; but for a node that converts. */
static Status check_formats(const Graph *g, const Node *n)
{
    const NodeType *type = node_type(n);
    const GraphTensor *y = node_y(g, n);
    NODE_RULE(n, n->input_bits == 0 || (node_is_float(g, n) && node_has_weights(n)),
              "input_bits %d; only a node with weights that computes in floats has them", n->input_bits);
    if (type->converts) return check_sums(g, n);
    NODE_RULE(n, !node_is_float(g, n) || type->in_float != NULL, "an output in %s; a %s computes in integers only",
              format_names[y->format], type->name);
    for (int i = 0; i < n->inputs; i++) {
        const GraphTensor *x = &g->tensor[n->input[i]];
        NODE_RULE(n, graph_tensor_is_float(x) == graph_tensor_is_float(y),
                  "input \"%s\" in %s, output in %s; must be all codes or all floats, with a %s node between", x->name,
                  format_names[x->format], format_names[y->format],
                  graph_tensor_is_float(x) ? "quantize" : "dequantize");
    }
    NODE_RULE(n, !node_is_wide(g, n) || type->in_wide != NULL, "codes in int16; a %s computes on int8 codes only",
              type->name);
    for (int i = 0; i < n->inputs && !type->changes_width; i++) {
        const GraphTensor *x = &g->tensor[n->input[i]];
        NODE_RULE(n, graph_tensor_is_wide(x) == graph_tensor_is_wide(y),
                  "input \"%s\" in %s, output in %s; must be one, with a requant node between", x->name,
                  format_names[x->format], format_names[y->format]);
    }
    TRY(check_sums(g, n));
    NODE_RULE(n, n->activation >= 0 && n->activation < (node_is_float(g, n) ? NODE_ACTIVATIONS : 1),
              "activation %d; must be 0 to %d in floats, 0 in integers", n->activation, NODE_ACTIVATIONS - 1);
    return STATUS_OK;
}

/* An output of signs is one that has no code 0: the sign of sums that are none (node_check_weights), a table's, or the
 * codes of its inputs. */
static Status check_signs(const Graph *g, const Node *n)
{
    const NodeType *type = node_type(n);
    if (!graph_tensor_is_signs(node_y(g, n)) || node_has_weights(n)) return STATUS_OK;
    NODE_RULE(n, n->table != NULL || (type->keeps_grid && type->clamp != CLAMP_MEAN),
              "outputs of -1 and 1; a %s can give 0, too", type->name);
    for (int i = 0; n->table != NULL && i < 256; i++)
        NODE_RULE(n, n->table[i] == -1 || n->table[i] == 1, "code %d of its table for outputs of -1 and 1",
                  n->table[i]);
    for (int i = 0; n->table == NULL && i < n->inputs; i++)
        NODE_RULE(n, graph_tensor_is_signs(&g->tensor[n->input[i]]),
                  "input \"%s\" of more codes than the outputs, -1 and 1; must have these alone",
                  g->tensor[n->input[i]].name);
    return STATUS_OK;
}

Status node_check(const Graph *g, int index, bool *made)
{
    const Node *n = &g->node[index];
    if (n->name == NULL) return status_fail(STATUS_UNSUPPORTED, "node %d: no name; must be its output's", index);
    NODE_RULE(n, (int)n->op >= 0 && (int)n->op < NODE_KINDS, "op %d; must be 0 to %d", (int)n->op, NODE_KINDS - 1);
    NODE_RULE(n, n->output >= 1 && n->output < g->tensors, "output tensor %d; must be 1 to %d", n->output,
              g->tensors - 1);
    NODE_RULE(n, !made[n->output], "output tensor %d is written twice; must be written once", n->output);
    const GraphTensor *y = node_y(g, n);
    const NodeType *type = node_type(n);
    NODE_RULE(n, strcmp(n->name, y->name) == 0, "its output is named \"%s\"; must have the node's name", y->name);
    NODE_RULE(n, n->inputs >= type->min_inputs && n->inputs <= type->max_inputs, "%d inputs of a %s; must be %d to %d",
              n->inputs, type->name, type->min_inputs, type->max_inputs);
    for (int i = 0; i < n->inputs; i++)
        NODE_RULE(n, n->input[i] >= 0 && n->input[i] < g->tensors && made[n->input[i]],
                  "input %d is tensor %d; must be the image or the output of an earlier node", i, n->input[i]);
    made[n->output] = true;
    TRY(check_formats(g, n));
    if (type->clamp != CLAMP_NONE)
        NODE_RULE(n, n->lo >= y->qmin && n->hi <= y->qmax && n->lo <= n->hi,
                  "clamp %d to %d; must lie in the codes %d to %d", n->lo, n->hi, y->qmin, y->qmax);
    TRY(type->check(g, n));
    return check_signs(g, n);
}
