#include "graph/node_groups.h"

#include "graph/graph_check.h"
#include "graph/node_check.h"
#include "quant/split_weights.h"

static bool outputs_last(const Node *n) { return node_type(n)->weights->outputs_last; }

static long weights_of_output(const Node *n) { return node_weights(n) / n->geom.o; }

int node_weight_groups(const Node *n) { return grid_groups(n->weight_group, (int)weights_of_output(n)); }

long node_weight_group_of(const Node *n, long i)
{
    if (outputs_last(n)) return i % n->geom.o;
    const long each = weights_of_output(n);
    return i / each * node_weight_groups(n) + (n->weight_group > 0 ? i % each / n->weight_group : 0);
}

int node_zero_point(const Node *n, long group)
{
    return n->weight_zero_point == NULL ? 0 : n->weight_zero_point[group];
}

static int unit(const Node *n, long group)
{
    return n->weight_multiple != NULL ? n->weight_multiple[group] : 1 << n->weight_shift;
}

int node_weight_code(const Node *n, long i)
{
    const long at = node_weight_group_of(n, i);
    return n->weights[i] / unit(n, at) + node_zero_point(n, at);
}

size_t node_groups_bytes(const Node *n)
{
    const size_t outputs = (size_t)n->geom.o, all = outputs * (size_t)node_weight_groups(n);
    const size_t scales = n->weight_multiple != NULL ? all : n->weight_group > 0 ? 4 * (all - outputs) : 0;
    return scales + (n->weight_zero_point != NULL ? all : 0);
}

int node_groups_shape(const Node *n, int64_t dim[4])
{
    dim[0] = n->geom.o, dim[1] = node_weight_groups(n);
    return 2;
}

static Status check_integers(const Node *n)
{
    NODE_RULE(
        n, (n->weight_multiple != NULL) == (n->weight_group > 0) && (n->weight_group == 0 || n->weight_shift == 0),
        "multiples of its scales%s, weights shifted by %d; must have multiples, and no shift, where it has groups",
        n->weight_multiple == NULL ? " missing" : "", n->weight_shift);
    const int limit = 1 << (n->weight_bits - 1);
    for (long i = 0, count = node_weights(n); i < count; i++) {
        const long at = node_weight_group_of(n, i);
        const int own = unit(n, at);
        NODE_RULE(n, own > 0, "a multiple of 0; must be 1 to 255");
        const int code = node_weight_code(n, i);
        NODE_RULE(n, n->weights[i] % own == 0 && code >= -limit && code < limit,
                  "weight %d of a group of zero point %d in units of %d; must be a %d-bit code", n->weights[i],
                  node_zero_point(n, at), own, n->weight_bits);
    }
    return STATUS_OK;
}

Status node_check_groups(const Graph *g, const Node *n)
{
    NODE_RULE(n, n->weight_affine == (n->weight_zero_point != NULL), "zero points of its weights%s",
              n->weight_affine ? " missing; must be there" : "; must be said to be affine");
    if (!node_is_split(n)) {
        NODE_RULE(n, n->weight_multiple == NULL, "multiples of its scales; must have groups");
        return STATUS_OK;
    }
    NODE_RULE(n, n->weights != NULL && n->levels == 0, "groups or zero points of weights that are %s; must be codes",
              n->weights == NULL ? "floats" : "levels");
    NODE_RULE(n, n->weight_group == 0 || (!outputs_last(n) && n->weight_group < weights_of_output(n)),
              "groups of %d weights; must be less than the %ld of an output, in a layer that is not depthwise",
              n->weight_group, weights_of_output(n));
    const int limit = 1 << (n->weight_bits - 1), groups = node_weight_groups(n);
    for (long at = 0; at < (long)n->geom.o * groups; at++)
        NODE_RULE(n, node_zero_point(n, at) >= -limit && node_zero_point(n, at) < limit,
                  "zero point %d of weights of %d bits; must be one of their codes", node_zero_point(n, at),
                  n->weight_bits);
    return node_is_float(g, n) ? STATUS_OK : check_integers(n);
}
