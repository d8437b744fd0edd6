#include "tests/support/embedding_graph.h"

#include "base/rng.h"

enum { BYTES = 6, DIM = 4, OUT = 3, TAPS = 2, DILATION = 2 };

static int8_t *codes(Arena *arena, Rng *rng, int n, int most)
{
    int8_t *c = arena_alloc(arena, (size_t)n);
    for (int i = 0; i < n; i++) c[i] = (int8_t)((int)rng_below(rng, (uint32_t)(2 * most + 1)) - most);
    return c;
}

static void add_convolution(Arena *arena, Rng *rng, Node *n)
{
    float *scale = ARENA_ARRAY(arena, float, OUT);
    int32_t *bias = ARENA_ARRAY(arena, int32_t, OUT);
    for (int o = 0; o < OUT; o++) scale[o] = 0.01f, bias[o] = 50 * o - 70;
    *n = (Node){.op = NODE_CONV2D, .name = "conv", .inputs = 1, .input = {1}, .output = 2, .lo = -128, .hi = 127};
    n->geom = (ConvGeom){.n = 1,
                         .h = BYTES,
                         .w = 1,
                         .c = DIM,
                         .o = OUT,
                         .oh = BYTES,
                         .ow = 1,
                         .kh = TAPS,
                         .kw = 1,
                         .sh = 1,
                         .sw = 1,
                         .dh = DILATION,
                         .dw = 1,
                         .pt = (TAPS - 1) * DILATION,
                         .groups = 1};
    n->weight_bits = 8;
    n->weights = codes(arena, rng, OUT * TAPS * DIM, 127);
    n->weight_scale = scale;
    n->bias = bias;
}

Graph *embedding_graph(Arena *arena, Rounding rounding, uint64_t seed)
{
    static const float mean = 0.0f, std = 1.0f;
    Rng rng = rng_make(seed, RNG_SYNTHETIC, 0);
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = (Graph){.rounding = rounding,
                 .tensors = 4,
                 .nodes = 3,
                 .output = 3,
                 .classes = BYTES * OUT,
                 .channels = 1,
                 .mean = &mean,
                 .std = &std,
                 .model_name = "bytes"};
    g->tensor = ARENA_ARRAY(arena, GraphTensor, g->tensors);
    g->node = ARENA_ARRAY(arena, Node, g->nodes);
    const GraphTensor codes8 = {.bits = 8, .qmin = -128, .qmax = 127, .h = BYTES, .w = 1};
    for (int t = 0; t < g->tensors; t++) g->tensor[t] = codes8;
    g->tensor[0].name = "input", g->tensor[0].c = 1, g->tensor[0].scale = (float)(1.0 / 255.0);
    g->tensor[0].zero_point = -128;
    g->tensor[1].name = "embed", g->tensor[1].c = DIM, g->tensor[1].scale = 0.02f;
    g->tensor[1].bits = 6, g->tensor[1].qmin = -31, g->tensor[1].qmax = 31, g->tensor[1].zero_point = 3;
    g->tensor[2].name = "conv", g->tensor[2].c = OUT, g->tensor[2].scale = 0.05f, g->tensor[2].zero_point = -7;
    g->tensor[3] = g->tensor[2];
    g->tensor[3].name = "row", g->tensor[3].h = 1, g->tensor[3].c = BYTES * OUT;
    g->node[0] = (Node){.op = NODE_EMBEDDING, .name = "embed", .inputs = 1, .output = 1, .lo = -31, .hi = 31};
    g->node[0].geom = (ConvGeom){.n = 1,
                                 .h = 1,
                                 .w = 1,
                                 .c = 1,
                                 .o = DIM,
                                 .oh = 1,
                                 .ow = 1,
                                 .kh = 1,
                                 .kw = 1,
                                 .sh = 1,
                                 .sw = 1,
                                 .dh = 1,
                                 .dw = 1,
                                 .groups = 1};
    g->node[0].table = codes(arena, &rng, 256 * DIM, 31);
    add_convolution(arena, &rng, &g->node[1]);
    g->node[2] =
        (Node){.op = NODE_RESHAPE, .name = "row", .inputs = 1, .input = {2}, .output = 3, .lo = -128, .hi = 127};
    return g;
}
