#include "deploy/c/c_cycles.h"

#include "deploy/c/c_count.h"
#include "graph/node.h"

#define CYCLES(term, price, what) {#term, price, what},
const CycleTermInfo c_cycle_terms[CYCLE_TERMS] = {
#include "deploy/c/cycles.def"
};
#undef CYCLES

void c_cycle_counts(const Graph *g, const Node *node, const PlanNode *planned, double count[CYCLE_TERMS])
{
    /* Sums that stay int32 are made by the loops of int16 codes. */
    const bool wide = graph_tensor_is_wide(node_x(g, node)) || graph_tensor_is_wide(node_y(g, node)) ||
                      graph_tensor_is_sums(node_y(g, node));
    CCounter *const counter = (node_is_float(g, node) ? c_float_counters
                               : wide                 ? c_wide_counters
                                                      : c_counters)[node->op];
    const CCount c = {.g = g, .n = node, .planned = planned, .count = count};
    if (planned->runs && counter != NULL) counter(&c);
}

double c_planned_cycles(const Graph *g, const Node *node, const PlanNode *planned)
{
    double count[CYCLE_TERMS] = {0}, sum = 0.0;
    c_cycle_counts(g, node, planned, count);
    for (int i = 0; i < CYCLE_TERMS; i++) sum += c_cycle_terms[i].price * count[i];
    return sum;
}

double c_node_cycles(const Graph *g, const Node *node)
{
    const PlanNode whole = {.runs = true};
    return c_planned_cycles(g, node, &whole);
}
