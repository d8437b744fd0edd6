#include "graph/node.h"

#define NODE(ID, name) [NODE_##ID] = &node_##name,
const NodeType *const node_types[] = {
#include "graph/nodes.def"
    NULL};
#undef NODE

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

void node_clamp(const Graph *g, const Node *n, int *lo, int *hi)
{
    const NodeClamp clamp = node_type(n)->clamp;
    const GraphTensor *x = &g->tensor[n->input[0]];
    const bool none = clamp == CLAMP_NONE, mean = clamp == CLAMP_MEAN;
    *lo = none || (mean && n->lo <= x->qmin) ? INT8_MIN : n->lo;
    *hi = none || (mean && n->hi >= x->qmax) ? INT8_MAX : n->hi;
}
