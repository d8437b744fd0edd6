#include "graph/node.h"

#include "kernels/requant_s16.h"

#define NODE(ID, name) [NODE_##ID] = &node_##name,
const NodeType *const node_types[] = {
#include "graph/nodes.def"
    NULL};
#undef NODE

bool node_gives_sums(const Node *n) { return node_has_weights(n) && n->hi > INT16_MAX; }

bool node_widens(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    return n->op == NODE_REQUANT && x->format == FORMAT_INT8 && graph_tensor_is_wide(y) &&
           y->scale == x->scale / S16_WIDENED && n->lo == S16_MIN && n->hi == S16_MAX;
}

bool node_gives_output(const Graph *g, const Node *n)
{
    if (n->output == g->output) return true;
    int readers = 0;
    const Node *reader = NULL;
    for (int i = 0; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].inputs; k++)
            if (g->node[i].input[k] == n->output) readers++, reader = &g->node[i];
    return readers == 1 && node_type(reader)->shows_input && node_gives_output(g, reader);
}

long node_macs(const Graph *g, const Node *n)
{
    const NodeType *type = node_type(n);
    return type->macs == NULL ? 0 : type->macs(g, n);
}

int64_t node_largest_sum(const Graph *g, const Node *n)
{
    const NodeType *type = node_type(n);
    return type->largest_sum == NULL || node_is_float(g, n) ? 0 : type->largest_sum(g, n);
}

int node_weight_shape(const Node *n, int64_t dim[4]) { return node_type(n)->weights->shape(n, dim); }

long node_weights(const Node *n)
{
    if (!node_has_weights(n)) return 0;
    int64_t dim[4], count = 1;
    const int rank = node_weight_shape(n, dim);
    for (int i = 0; i < rank; i++) count *= dim[i];
    return (long)count;
}

Status engine_node_prepare(Arena *arena, const Graph *g, const Node *n, EngineNode *e)
{
    const NodeType *type = node_type(n);
    const bool is_float = node_is_float(g, n), is_wide = node_is_wide(g, n);
    Status (*prepare)(Arena *, EngineNode *) = is_float  ? type->in_float->prepare
                                               : is_wide ? type->in_wide->prepare
                                                         : type->prepare;
    *e = (EngineNode){.g = g,
                      .node = n,
                      .run = is_float  ? type->in_float->run
                             : is_wide ? type->in_wide->run
                                       : type->run};
    return prepare == NULL ? STATUS_OK : prepare(arena, e);
}

void node_clamp(const Graph *g, const Node *n, int *lo, int *hi)
{
    const NodeClamp clamp = node_type(n)->clamp;
    const GraphTensor *x = &g->tensor[n->input[0]];
    const bool none = clamp == CLAMP_NONE, mean = clamp == CLAMP_MEAN;
    const bool wide = graph_tensor_is_wide(node_y(g, n));
    *lo = none || (mean && n->lo <= x->qmin) ? (wide ? INT16_MIN : INT8_MIN) : n->lo;
    *hi = none || (mean && n->hi >= x->qmax) ? (wide ? INT16_MAX : INT8_MAX) : n->hi;
}
