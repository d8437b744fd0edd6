/* Nodes on int16 codes, as C: what is written of them, with the names of deploy/c/c_kernels/int16_*.c. */
#include "deploy/c/c_writer.h"
#include "graph/node.h"
#include "kernels/requant_s16.h"

const char *c_wide_requantize(const Graph *g, const Node *n)
{
    return !graph_tensor_is_wide(node_x(g, n))   ? "int16_requantize_from_8"
           : !graph_tensor_is_wide(node_y(g, n)) ? "int16_requantize_to_8"
                                                 : "int16_requantize_same";
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

static void write_sums(const CWriter *w, const Node *n, const char *name)
{
    const int outputs = n->geom.o;
    int16_t *m = ARENA_ARRAY(w->arena, int16_t, outputs);
    int8_t *right = ARENA_ARRAY(w->arena, int8_t, outputs);
    for (int o = 0; o < outputs; o++) {
        const ScaleS16 M =
            scale_s16((double)node_x(w->g, n)->scale * (double)n->weight_scale[o] / (double)node_y(w->g, n)->scale);
        m[o] = (int16_t)M.m, right[o] = (int8_t)M.shift;
    }
    c_write_array(w, "int64_t", arena_printf(w->arena, "%s_bias", name), outputs, n->wide_bias, 8);
    c_write_array(w, "int16_t", arena_printf(w->arena, "%s_multiplier", name), outputs, m, 2);
    c_write_array(w, "int8_t", arena_printf(w->arena, "%s_right", name), outputs, right, 1);
}

static void begin_weights(const CWriter *w, int node, const char *type)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node);
    c_write_codes(w, n, name);
    write_sums(w, n, name);
    fprintf(w->out,
            "static const %s %s = {\n    .weights = %s_weights, .dot = int16_dot%d, .o = %d,\n"
            "    .sums = {%s_bias, %s_multiplier, %s_right, %d, %d, %d},\n",
            type, name, name, c_weight_width(n), n->geom.o, name, name, name,
            c_weight_width(n) == 8 ? 0 : n->weight_shift, n->lo, n->hi);
    c_write_window(w, &n->geom);
}

static void layer_conv2d(const CWriter *w, int node)
{
    begin_weights(w, node, "int16_conv2d_layer");
    fprintf(w->out, "    .groups = %d,\n};\n\n", w->g->node[node].geom.groups);
}

static void layer_depthwise(const CWriter *w, int node)
{
    const ConvGeom *g = &w->g->node[node].geom;
    begin_weights(w, node, "int16_depthwise_layer");
    fprintf(w->out, "    .multiple = %d,\n};\n\n", g->o / g->c);
}

static void layer_add(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    AddS16 p;
    const bool representable = add_s16_make(w->g->rounding, node_x(w->g, n)->scale, w->g->tensor[n->input[1]].scale,
                                            node_y(w->g, n)->scale, n->lo, n->hi, &p);
    ASSERT(representable); /* graph_check */
    fprintf(w->out,
            "static const int16_add_layer %s = {\n    .m_a = %d, .e_a = %d, .m_b = %d, .e_b = %d, .m = %d, .e = %d, "
            ".lo = %d, .hi = %d,\n};\n\n",
            c_layer_name(w, node), p.m1.m, p.m1.e, p.m2.m, p.m2.e, p.mo.m, p.mo.e, n->lo, n->hi);
}

/* A ratio just below 1 is 1 in fixed point, 2^30 2^(1-31), whose left shift of -32768 -32768 leaves int32.
 * (2^31 - 1) 2^-31 gives back every product as well. */
static Multiplier of_products(Multiplier M)
{
    if (M.e > 0) return (Multiplier){.m = INT32_MAX};
    return M;
}

static void layer_multiply(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *a = node_x(w->g, n), *b = &w->g->tensor[n->input[1]], *y = node_y(w->g, n);
    const Multiplier M = of_products(multiplier_s16((double)a->scale * (double)b->scale / (double)y->scale));
    fprintf(w->out,
            "static const int16_multiply_layer %s = {\n    .count = %ld, .factors = %ld, .m = %d, .e = %d, .lo = %d, "
            ".hi = %d,\n};\n\n",
            c_layer_name(w, node), graph_tensor_elements(y), graph_tensor_elements(b), M.m, M.e, n->lo, n->hi);
}

static void layer_pool(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "static const int16_pool_layer %s = {\n    .lo = %d, .hi = %d,\n", c_layer_name(w, node), n->lo,
            n->hi);
    c_write_window(w, &n->geom);
    fputs("};\n\n", w->out);
}

static void layer_requantize(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *x = node_x(w->g, n), *y = node_y(w->g, n);
    const Multiplier M = multiplier_s16((double)x->scale / (double)y->scale);
    fprintf(
        w->out,
        "static const int16_requantize_layer %s = {\n    .zero_in = %d, .m = %d, .e = %d, .zero_out = %d, .lo = %d, "
        ".hi = %d,\n};\n\n",
        c_layer_name(w, node), x->zero_point, M.m, M.e, y->zero_point, n->lo, n->hi);
}

static void layer_quantize(const CWriter *w, int node)
{
    const GraphTensor *y = node_y(w->g, &w->g->node[node]);
    fprintf(w->out, "static const int16_grid %s = {\n    .scale = %s, .lo = %s, .hi = %s,\n};\n\n",
            c_layer_name(w, node), c_literal(w, y->scale), c_literal(w, (float)y->qmin), c_literal(w, (float)y->qmax));
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void call_conv2d(const CWriter *w, int node) { c_call_whole(w, node, "int16_conv2d"); }
static void call_depthwise(const CWriter *w, int node) { c_call_whole(w, node, "int16_depthwise"); }
static void call_max_pool(const CWriter *w, int node) { c_call_whole(w, node, "int16_max_pool"); }
static void call_average_pool(const CWriter *w, int node) { c_call_whole(w, node, "int16_average_pool"); }
static void call_add(const CWriter *w, int node) { c_call_add(w, node, "int16_add"); }
static void call_concat(const CWriter *w, int node) { c_call_concat(w, node, "int16_concat("); }
static void call_quantize(const CWriter *w, int node) { c_call_elements(w, node, "int16_quantize_floats"); }

static void call_multiply(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    int16_multiply(&%s, %s, %s, %s);\n", c_layer_name(w, node), c_place(w, n->input[0]),
            c_place(w, n->input[1]), c_place(w, n->output));
}

static void call_requantize(const CWriter *w, int node)
{
    c_call_elements(w, node, c_wide_requantize(w->g, &w->g->node[node]));
}

static void call_dequantize(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *x = node_x(w->g, n);
    fprintf(w->out, "    int16_dequantize(%s, %ld, %s, %s);\n", c_literal(w, x->scale), graph_tensor_elements(x),
            c_place(w, n->input[0]), c_place(w, n->output));
}

/* ---- the kinds of nodes ------------------------------------------------------------------------------------------ */

#define KERNELS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const COp conv2d = {.kernels = KERNELS("clip", "window", "int16_sum", "int16_conv2d"),
                           .dot = "int16_dot",
                           .layer = layer_conv2d,
                           .call = call_conv2d};
static const COp depthwise = {.kernels = KERNELS("clip", "window", "int16_sum", "int16_depthwise"),
                              .dot = "int16_dot",
                              .layer = layer_depthwise,
                              .call = call_depthwise};
static const COp add = {
    .kernels = KERNELS("rescale", "int16_clamp", "int16_add"), .layer = layer_add, .call = call_add};
static const COp multiply = {
    .kernels = KERNELS("rescale", "int16_clamp", "int16_multiply"), .layer = layer_multiply, .call = call_multiply};
static const COp concat = {.kernels = KERNELS("int16_concat"), .call = call_concat};
static const COp max_pool = {
    .kernels = KERNELS("clip", "window", "int16_pool", "int16_max_pool"), .layer = layer_pool, .call = call_max_pool};
static const COp average_pool = {.kernels =
                                     KERNELS("clip", "window", "int16_clamp", "int16_pool", "int16_average_pool"),
                                 .layer = layer_pool,
                                 .call = call_average_pool};
static const COp requantize = {
    .kernels = KERNELS("rescale", "int16_requantize"), .layer = layer_requantize, .call = call_requantize};
static const COp quantize = {
    .kernels = KERNELS("int16_quantize_floats"), .layer = layer_quantize, .call = call_quantize};
static const COp dequantize = {.kernels = KERNELS("int16_dequantize"), .call = call_dequantize};
/* It shows its input, which is never the caller's image, that is int8: nothing is called. */
static const COp reshape = {.kernels = (const char *const[]){NULL}};

const COp *const c_wide_ops[NODE_KINDS] = {
    [NODE_CONV2D] = &conv2d,        [NODE_DWCONV2D] = &depthwise,
    [NODE_DENSE] = &conv2d,         [NODE_ADD] = &add,
    [NODE_CONCAT] = &concat,        [NODE_MAXPOOL] = &max_pool,
    [NODE_AVGPOOL] = &average_pool, [NODE_REQUANT] = &requantize,
    [NODE_RESHAPE] = &reshape,      [NODE_MULTIPLY] = &multiply,
    [NODE_QUANTIZE] = &quantize,    [NODE_DEQUANTIZE] = &dequantize,
};
