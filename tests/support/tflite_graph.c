#include "tests/support/tflite_graph.h"

#include <math.h>

#include "deploy/tflite/export_tflite.h"
#include "tests/support/random_graph.h"
#include "tests/support/zoo_graph.h"
#include "graph/node.h"

static bool keeps_grid(const Node *n) { return node_type(n)->keeps_grid; }

static void keep_codes(Graph *g, const Node *n)
{
    GraphTensor *y = &g->tensor[n->output];
    for (int i = 0; i < n->inputs; i++) {
        const GraphTensor *x = &g->tensor[n->input[i]];
        if (i == 0 || x->qmin < y->qmin) y->qmin = x->qmin, y->qmax = x->qmax, y->bits = x->bits;
    }
}

static void narrow_weights(Node *n)
{
    int8_t *w = (int8_t *)n->weights; /* the graph is the test's own, and mutable */
    for (long i = 0; i < node_weights(n); i++)
        if (w[i] == INT8_MIN) w[i] = INT8_MIN + 1, n->weight_bits = 8, n->weight_shift = n->levels = 0;
}

/* No activation, ReLU or, where the grid goes beyond 6, ReLU6; or the bounds that the graph has. */
static void clip(Node *n, const GraphTensor *y, Rng *rng)
{
    if (!keeps_grid(n) && rng_below(rng, 3) == 0) return;
    n->lo = y->qmin, n->hi = y->qmax;
    if (keeps_grid(n) || (y->bits == 8 && rng_below(rng, 2) == 0) || y->zero_point < y->qmin) return;
    n->lo = y->zero_point;
    const float six = 6.0f / y->scale;
    if (six < (float)(n->hi - n->lo) && rng_below(rng, 2) == 0) n->hi = n->lo + (int)rintf(six);
}

static Graph *make_expressible(Graph *g, Rng *rng)
{
    for (int i = 0; i < g->nodes; i++) {
        Node *n = &g->node[i];
        GraphTensor *y = &g->tensor[n->output];
        if (n->op == NODE_AVGPOOL) {
            const TflitePadding p = tflite_padding(&n->geom);
            if (p.top + p.bottom + p.left + p.right > 0) n->op = NODE_MAXPOOL;
        }
        if (node_has_weights(n)) narrow_weights(n);
        if (keeps_grid(n)) keep_codes(g, n);
        clip(n, y, rng);
    }
    return g;
}

Graph *tflite_random_graph(Arena *arena, uint64_t seed, int blocks, Rounding rounding)
{
    Rng rng = rng_make(seed, RNG_TEST, 79);
    return make_expressible(random_graph(arena, seed, blocks, rounding), &rng);
}

Graph *tflite_zoo_graph(Arena *arena)
{
    Rng rng = rng_make(1, RNG_TEST, 79);
    return make_expressible(zoo_graph(arena), &rng);
}
