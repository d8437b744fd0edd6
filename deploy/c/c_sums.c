/* Nodes whose output is their sums, in int32, as C: what is written of them, with the names of
 * deploy/c/c_kernels/int32_*.c. */
#include "deploy/c/c_writer.h"
#include "graph/node.h"

static void begin_weights(const CWriter *w, int node, const char *type)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node);
    c_write_codes(w, n, name);
    c_write_array(w, "int32_t", arena_printf(w->arena, "%s_bias", name), n->geom.o, n->bias, 4);
    fprintf(w->out,
            "static const %s %s = {\n    .weights = %s_weights, .bias = %s_bias, .dot = int32_dot%d,\n"
            "    .o = %d, .zero = %d, .unit = %d,\n",
            type, name, name, name, c_weight_width(n), n->geom.o, node_x(w->g, n)->zero_point,
            c_weight_width(n) == 8 ? 1 : 1 << n->weight_shift);
    c_write_window(w, &n->geom);
}

static void layer_conv2d(const CWriter *w, int node)
{
    begin_weights(w, node, "int32_conv2d_layer");
    fprintf(w->out, "    .groups = %d,\n};\n\n", w->g->node[node].geom.groups);
}

static void layer_depthwise(const CWriter *w, int node)
{
    const ConvGeom *g = &w->g->node[node].geom;
    begin_weights(w, node, "int32_depthwise_layer");
    fprintf(w->out, "    .multiple = %d,\n};\n\n", g->o / g->c);
}

static void call_conv2d(const CWriter *w, int node) { c_call_whole(w, node, "int32_conv2d"); }
static void call_depthwise(const CWriter *w, int node) { c_call_whole(w, node, "int32_depthwise"); }

#define KERNELS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const COp conv2d = {.kernels = KERNELS("clip", "window", "int32_sum", "int32_conv2d"),
                           .dot = "int32_dot",
                           .layer = layer_conv2d,
                           .call = call_conv2d};
static const COp depthwise = {.kernels = KERNELS("clip", "window", "int32_sum", "int32_depthwise"),
                              .dot = "int32_dot",
                              .layer = layer_depthwise,
                              .call = call_depthwise};

const COp *const c_sums_ops[NODE_KINDS] = {
    [NODE_CONV2D] = &conv2d, [NODE_DWCONV2D] = &depthwise, [NODE_DENSE] = &conv2d};
