#include "deploy/c/c_plan.h"

#include "deploy/c/c_writer.h"
#include "graph/node_groups.h"
#include "graph/node_levels.h"
#include "graph/node_window.h"
#include "kernels/requant.h"

/* The least of the widths that lie in a byte whole. */
static int packed_width(int bits) { return bits > 4 ? 8 : bits > 2 ? 4 : bits; }

bool c_has_levels(const Node *n)
{
    const bool int8_sums = n->weights != NULL && n->bias != NULL && !node_gives_sums(n);
    return int8_sums && n->levels > 0 && packed_width(node_weight_width(n)) < packed_width(n->weight_bits);
}

long c_run(const Node *n)
{
    const ConvGeom *g = &n->geom;
    int64_t dim[4];
    if (c_whole(n)) return node_weights(n);
    if (node_type(n)->weights->outputs_last) return g->o;
    if (node_weight_shape(n, dim) == 2) return g->c;
    return (long)(c_direct(n) ? 1 : g->kh) * g->kw * (g->c / g->groups);
}

long c_runs(const Node *n) { return node_weights(n) / c_run(n); }

/* Groups begin in whole bytes of every run. */
static bool in_bytes(const Node *n, int width)
{
    const int codes = 8 / width;
    return n->weight_group == 0 || (n->weight_group % codes == 0 && (c_runs(n) == n->geom.o || c_run(n) % codes == 0));
}

bool c_is_split(const Node *n)
{
    const int width = packed_width(n->weight_bits);
    return node_is_split(n) && n->bias != NULL && !node_gives_sums(n) && width < 8 && in_bytes(n, width);
}

int c_weight_width(const Node *n)
{
    if (n->float_weights != NULL) return 8 * (int)format_bytes(n->weight_format);
    if (node_is_split(n) && n->float_bias == NULL && !c_is_split(n)) return 8; /* what is multiplied, not its code */
    return packed_width(c_has_levels(n) ? node_weight_width(n) : n->weight_bits);
}

static bool is_shift(Multiplier M) { return M.m == INT32_C(1) << 30; }

static bool node_shifts(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *b = &g->tensor[n->input[n->inputs - 1]], *y = node_y(g, n);
    AddParams p;
    bool shifts = true;
    if (node_is_float(g, n) || node_is_wide(g, n) || node_gives_sums(n) || node_is_split(n)) return false;
    for (int o = 0; node_has_weights(n) && shifts && o < n->geom.o; o++)
        shifts = is_shift(multiplier_make(g->rounding, x->scale, n->weight_scale[o], y->scale));
    if (n->op == NODE_MULTIPLY) return is_shift(multiplier_make(g->rounding, x->scale, b->scale, y->scale));
    if (n->op == NODE_REQUANT) return is_shift(multiplier_make(g->rounding, x->scale, 1.0f, y->scale));
    if (n->op != NODE_ADD) return shifts;
    return add_params_make(g->rounding, x->scale, x->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                           n->lo, n->hi, &p) &&
           is_shift((Multiplier){.m = p.m1}) && is_shift((Multiplier){.m = p.m2}) && is_shift((Multiplier){.m = p.mo});
}

bool c_shifts(const Graph *g)
{
    if (g->rounding != ROUNDING_TFLITE_SINGLE) return false;
    for (int i = 0; i < g->nodes; i++)
        if (!node_shifts(g, &g->node[i])) return false;
    return true;
}

bool c_is_binary(const Graph *g, const Node *n)
{
    if (n->op != NODE_CONV2D && n->op != NODE_DENSE) return false;
    const bool signs = n->levels == 2 && n->level[0] == -1 && n->level[1] == 1;
    return signs && !node_is_split(n) && c_has_levels(n) && graph_tensor_is_signs(node_x(g, n));
}

size_t c_binary_words(const Node *n) { return ((size_t)(node_weights(n) / n->geom.o) + 31) / 32; }

size_t c_run_bytes(const Node *n) { return ((size_t)c_run(n) * (size_t)c_weight_width(n) + 7) / 8; }

bool c_direct(const Node *n)
{
    enum { LEAST_RUN = 16 };
    const ConvGeom *g = &n->geom;
    return g->groups == 1 && g->dw == 1 && (g->kh == 1 || g->kw * g->c >= LEAST_RUN);
}

bool c_whole(const Node *n) { return n->float_bias != NULL || n->wide_bias != NULL || node_gives_sums(n); }

bool c_flat(const Node *n, const PlanNode *planned)
{
    return c_ops[n->op]->flattens && !planned->by_rows && window_is_cell(&n->geom) && n->geom.groups == 1;
}

static bool gives_rows(const Node *n) { return c_ops[n->op]->rows != NULL && !c_whole(n); }

static bool takes_rows(const Node *n) { return c_ops[n->op]->takes_rows; }

static bool copies(const Node *n) { return c_ops[n->op]->scratch_bytes != NULL && !c_whole(n); }

static size_t scratch_bytes(const Node *n, bool in_place)
{
    if (c_ops[n->op]->scratch_bytes == NULL || c_whole(n)) return 0;
    return c_ops[n->op]->scratch_bytes(n, in_place);
}

Plan c_plan_make(Arena *arena, const Graph *g)
{
    static const PlanOptions options = {.align_bytes = 4,
                                        .caller_owns = true,
                                        .in_place = true,
                                        .copies = copies,
                                        .gives_rows = gives_rows,
                                        .takes_rows = takes_rows,
                                        .scratch_bytes = scratch_bytes};
    return plan_make(arena, g, &options);
}
