#include "tests/support/zoo_graph.h"

#include <string.h>

static const GraphTensor zoo_tensor[TENSORS] = {
    [INPUT] = {"input", 4, 4, 2, 0.02f, 0, 8, -128, 127, FORMAT_INT8},
    [CONV] = {"conv", 4, 4, 4, 0.1f, -128, 8, -128, 127, FORMAT_INT8},
    [DW] = {"dw", 2, 2, 4, 0.2f, 112, 4, 112, 127, FORMAT_INT8},
    [MAX] = {"max", 2, 2, 4, 0.1f, -128, 8, -128, 127, FORMAT_INT8},
    [RQA] = {"rqa", 2, 2, 4, 0.15f, -20, 8, -128, 127, FORMAT_INT8},
    [RQB] = {"rqb", 2, 2, 4, 0.15f, -20, 8, -128, 127, FORMAT_INT8},
    [CAT] = {"cat", 2, 2, 8, 0.15f, -20, 8, -128, 127, FORMAT_INT8},
    [ADD] = {"add", 2, 2, 4, 0.3f, 3, 8, -128, 127, FORMAT_INT8},
    [LUT] = {"lut", 2, 2, 4, 0.01f, 0, 6, -31, 31, FORMAT_INT8},
    [AVG] = {"avg", 1, 1, 8, 0.15f, -20, 8, -128, 127, FORMAT_INT8},
    [MUL] = {"mul", 2, 2, 8, 0.03f, 10, 8, -128, 127, FORMAT_INT8},
    [FLAT] = {"flat", 1, 1, 16, 0.01f, 0, 6, -31, 31, FORMAT_INT8},
    [FCA] = {"fca", 1, 1, 3, 0.5f, 0, 8, -128, 127, FORMAT_INT8},
    [FCB] = {"fcb", 1, 1, 3, 0.4f, 0, 8, -128, 127, FORMAT_INT8},
    [SUM] = {"sum", 1, 1, 3, 0.6f, 5, 8, -128, 127, FORMAT_INT8},
};

static void give_weights(Arena *arena, Node *n, int count, int outputs)
{
    int8_t *w = ARENA_ARRAY(arena, int8_t, count);
    int32_t *bias = ARENA_ARRAY(arena, int32_t, outputs);
    float *scale = ARENA_ARRAY(arena, float, outputs);
    for (int i = 0; i < count; i++) w[i] = (int8_t)(4 * (i % 8 - 4));
    for (int o = 0; o < outputs; o++) bias[o] = 100 * o - 50, scale[o] = 0.01f * (float)(o + 1);
    n->weights = w, n->bias = bias, n->weight_scale = scale, n->weight_bits = 4, n->weight_shift = 2;
}

Graph *zoo_graph(Arena *arena)
{
    Graph *g = arena_zalloc(arena, sizeof *g);
    *g = (Graph){.rounding = ROUNDING_TFLITE_SINGLE,
                 .tensors = TENSORS,
                 .nodes = TENSORS - 1,
                 .output = SUM,
                 .classes = 3,
                 .channels = 2,
                 .model_name = "zoo"};
    g->tensor = memcpy(arena_alloc(arena, sizeof zoo_tensor), zoo_tensor, sizeof zoo_tensor);
    g->node = ARENA_ARRAY(arena, Node, TENSORS - 1);
    static const struct {
        NodeKind op;
        int inputs, input[2];
    } wiring[TENSORS] = {
        [CONV] = {NODE_CONV2D, 1, {INPUT}}, [DW] = {NODE_DWCONV2D, 1, {CONV}},
        [MAX] = {NODE_MAXPOOL, 1, {CONV}},  [RQA] = {NODE_REQUANT, 1, {DW}},
        [RQB] = {NODE_REQUANT, 1, {MAX}},   [CAT] = {NODE_CONCAT, 2, {RQA, RQB}},
        [ADD] = {NODE_ADD, 2, {RQA, DW}},   [LUT] = {NODE_LUT, 1, {ADD}},
        [AVG] = {NODE_AVGPOOL, 1, {CAT}},   [FLAT] = {NODE_RESHAPE, 1, {LUT}},
        [FCA] = {NODE_DENSE, 1, {MUL}},     [FCB] = {NODE_DENSE, 1, {FLAT}},
        [SUM] = {NODE_ADD, 2, {FCA, FCB}},  [MUL] = {NODE_MULTIPLY, 2, {CAT, AVG}},
    };
    for (int t = 1; t < TENSORS; t++) {
        Node *n = &g->node[t - 1];
        const GraphTensor *y = &g->tensor[t], *x = &g->tensor[wiring[t].input[0]];
        *n = (Node){
            .op = wiring[t].op, .name = y->name, .inputs = wiring[t].inputs, .output = t, .lo = y->qmin, .hi = y->qmax};
        memcpy(n->input, wiring[t].input, sizeof wiring[t].input);
        n->geom = (ConvGeom){.n = 1,
                             .h = x->h,
                             .w = x->w,
                             .c = x->c,
                             .o = y->c,
                             .oh = y->h,
                             .ow = y->w,
                             .kh = 2,
                             .kw = 2,
                             .sh = 2,
                             .sw = 2,
                             .dh = 1,
                             .dw = 1,
                             .groups = 1};
        if (n->op != NODE_DENSE) continue;
        n->geom.c = (int)graph_tensor_elements(x);
        n->geom.h = n->geom.w = n->geom.kh = n->geom.kw = n->geom.sh = n->geom.sw = 1;
    }
    Node *conv = &g->node[CONV - 1], *dw = &g->node[DW - 1];
    conv->geom.kh = conv->geom.kw = 3, conv->geom.sh = conv->geom.sw = 1;
    conv->geom.pt = conv->geom.pb = conv->geom.pl = conv->geom.pr = 1;
    dw->geom.kh = dw->geom.kw = 3, dw->geom.pb = dw->geom.pr = 1, dw->geom.groups = 4;
    give_weights(arena, conv, 4 * 3 * 3 * 2, 4);
    give_weights(arena, dw, 3 * 3 * 4, 4);
    give_weights(arena, &g->node[FCA - 1], 3 * 32, 3);
    give_weights(arena, &g->node[FCB - 1], 3 * 16, 3);
    int8_t *table = ARENA_ARRAY(arena, int8_t, 256);
    for (int i = 0; i < 256; i++) table[i] = (int8_t)(i % 63 - 31);
    g->node[LUT - 1].table = table;
    float *mean = ARENA_ARRAY(arena, float, 2), *std = ARENA_ARRAY(arena, float, 2);
    mean[0] = 0.5f, mean[1] = 0.25f, std[0] = 0.2f, std[1] = 0.3f;
    g->mean = mean, g->std = std;
    g->class_names = ARENA_ARRAY(arena, const char *, 3);
    g->class_names[0] = "cat", g->class_names[1] = "dog \"rex\"", g->class_names[2] = "é";
    return g;
}
