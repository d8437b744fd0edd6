/* Convolutions and dense layers of -1 and 1 on both sides, as C: bits, counted where they differ
 * (deploy/c/c_kernels/binary_conv2d.c). */
#include <string.h>

#include "deploy/c/c_writer.h"
#include "graph/node.h"

static void write_bits(const CWriter *w, const Node *n, const char *name)
{
    const size_t words = c_binary_words(n), outputs = (size_t)n->geom.o;
    const long filter = node_weights(n) / n->geom.o;
    int64_t *bits = ARENA_ARRAY(w->arena, int64_t, outputs * words); /* literals of uint32_t */
    for (size_t o = 0; o < outputs; o++)
        for (long k = 0; k < filter; k++)
            if (n->weights[(long)o * filter + k] < 0) bits[o * words + (size_t)k / 32] |= INT64_C(1) << k % 32;
    c_write_array(w, "uint32_t", arena_printf(w->arena, "%s_weights", name), (long)(outputs * words), bits, 8);
}

static void layer_binary(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *y = node_y(w->g, n);
    const ConvGeom *c = &n->geom;
    const char *name = c_layer_name(w, node);
    const bool flat = c_flat(n, &w->plan.node[node]);
    write_bits(w, n, name);
    c_write_array(w, "int32_t", arena_printf(w->arena, "%s_bias", name), c->o, n->bias, 4);
    if (!graph_tensor_is_signs(y)) c_write_multipliers(w, node);
    fprintf(w->out, "static const binary_conv2d_layer %s = {\n    .weights = %s_weights, .bias = %s_bias,\n", name,
            name, name);
    if (!graph_tensor_is_signs(y))
        fprintf(w->out, "    .multiplier = %s, .exponent = %s_exponent,\n", c_multiplier(w, node), name);
    fprintf(w->out,
            "    .h = %d, .w = %d, .c = %d, .o = %d, .ow = %d,\n"
            "    .kh = %d, .kw = %d, .sh = %d, .sw = %d, .dh = %d, .dw = %d, .pt = %d, .pl = %d,\n"
            "    .groups = %d, .group_channels = %d, .words = %zu,\n"
            "    .shift = %d, .zero_out = %d, .lo = %d, .hi = %d,\n};\n\n",
            flat ? 1 : c->h, flat ? c->h * c->w : c->w, c->c, c->o, flat ? c->oh * c->ow : c->ow, c->kh, c->kw, c->sh,
            c->sw, c->dh, c->dw, c->pt, c->pl, c->groups, c->c / c->groups, c_binary_words(n), n->weight_shift,
            y->zero_point, n->lo, n->hi);
}

static void call_dense(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    binary_conv2d(&%s, %s, 0, 1, %s, NULL);\n", c_layer_name(w, node), c_place(w, n->input[0]),
            c_place(w, n->output));
}

void c_write_binary_words(const CWriter *w)
{
    size_t most = 0;
    for (int i = 0; i < w->g->nodes; i++) {
        const Node *n = &w->g->node[i];
        if (!w->plan.node[i].runs || !c_is_binary(w->g, n)) continue;
        most = c_binary_words(n) > most ? c_binary_words(n) : most;
    }
    if (most > 0) fprintf(w->out, "enum { BINARY_WORDS = %zu }; /* of the largest window */\n\n", most);
}

#define KERNELS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const COp conv2d = {.kernels = KERNELS("rescale", "clamp", "popcount", "binary_conv2d"),
                           .layer = layer_binary,
                           .call = c_call_rows,
                           .rows = "binary_conv2d"};
static const COp dense = {
    .kernels = KERNELS("rescale", "clamp", "popcount", "binary_conv2d"), .layer = layer_binary, .call = call_dense};

const COp *const c_binary_ops[NODE_KINDS] = {[NODE_CONV2D] = &conv2d, [NODE_DENSE] = &dense};
