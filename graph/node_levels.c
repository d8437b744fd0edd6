#include "graph/node_levels.h"

#include "graph/node_check.h"

int node_weight_width(const Node *n) { return n->levels > 0 ? level_bits(n->levels) : n->weight_bits; }

int node_level(const Node *n, int code)
{
    int below = 0, above = n->levels;
    while (below < above) {
        const int middle = (below + above) / 2;
        if (n->level[middle] < code)
            below = middle + 1;
        else
            above = middle;
    }
    return below < n->levels && n->level[below] == code ? below : -1;
}

Status node_check_levels(const Node *n)
{
    const int limit = 1 << (n->weight_bits - 1);
    NODE_RULE(n, n->levels >= 0 && n->levels <= 1 << n->weight_bits && (n->levels == 0 || n->level != NULL),
              "%d levels of weights; must be at most the %d codes of %d bits", n->levels, 1 << n->weight_bits,
              n->weight_bits);
    for (int i = 0; i < n->levels; i++)
        NODE_RULE(n, n->level[i] >= -limit && n->level[i] < limit && (i == 0 || n->level[i] > n->level[i - 1]),
                  "level %d of its weights: %d; levels must be %d-bit codes, each above the one before", i, n->level[i],
                  n->weight_bits);
    return STATUS_OK;
}
