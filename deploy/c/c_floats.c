/* Nodes that compute in floats, as C: what is written of them, with the names of deploy/c/c_kernels/float_*.c. */
#include "deploy/c/c_writer.h"
#include "graph/node_groups.h"
#include "kernels/dwconv_f32.h"

const char *c_float_dot(Arena *arena, const Node *n)
{
    return arena_printf(arena, n->weights != NULL ? "float_dot_code%d" : "float_dot_%d", c_weight_width(n));
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

static const char *format_of(const CWriter *w, Format f)
{
    return f == FORMAT_FLOAT32 ? "NULL" : arena_printf(w->arena, "&format_%s", format_names[f]);
}

static const char *end_of(const CWriter *w, const Node *n)
{
    const Format f = node_y(w->g, n)->format;
    return arena_printf(w->arena, "{%d, %s, %s}", n->activation, f == FORMAT_FLOAT32 ? "NULL" : "narrow",
                        format_of(w, f));
}

static void write_numbers(const CWriter *w, const Node *n, const char *name)
{
    const long count = node_weights(n);
    const char *array = arena_printf(w->arena, "%s_weights", name);
    if (n->weight_format == FORMAT_FLOAT32) {
        c_write_floats(w, array, count, n->float_weights);
        return;
    }
    int32_t *codes = ARENA_ARRAY(w->arena, int32_t, count);
    for (long i = 0; i < count; i++) codes[i] = (int32_t)format_encode(n->weight_format, n->float_weights[i]);
    c_write_array(w, arena_printf(w->arena, "uint%d_t", c_weight_width(n)), array, count, codes, 4);
}

/* What float_dot_code8 and the others compute, of weights with zero points or groups: the layer's own, which knows them. */
static const char *write_split_dot(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node), *zero = "NULL";
    const int width = c_weight_width(n), groups = node_weight_groups(n);
    if (n->weight_affine) {
        zero = arena_printf(w->arena, "%s_zero_point", name);
        c_write_array(w, "int8_t", zero, (long)n->geom.o * groups, n->weight_zero_point, 1);
    }
    const char *code = width == 4   ? "code4(codes[at >> 1], at & 1)"
                       : width == 2 ? "code2(codes[at >> 2], at & 3)"
                                    : "codes[at]";
    fprintf(w->out,
            "static float %s_dot(const float_weights *w, int32_t o, int32_t at, int32_t step, const float *x,\n"
            "    int32_t x_step, int32_t count, float sum)\n{\n"
            "    static const float_split split = {%s, %ld, %d, %d};\n"
            "    const int8_t *const codes = w->values;\n"
            "    for (int32_t i = 0; i < count; i++, at += step, x += x_step) {\n"
            "        const float product = float_split_weight(w, &split, o, at, %s) * *x;\n"
            "        sum += product;\n    }\n    return sum;\n}\n",
            name, zero, node_weights(n) / n->geom.o, n->weight_group, groups, code);
    return arena_printf(w->arena, "%s_dot", name);
}

static void begin_weights(const CWriter *w, int node, const char *type)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node);
    const bool codes = n->weights != NULL;
    if (codes) {
        c_write_codes(w, n, name);
        c_write_floats(w, arena_printf(w->arena, "%s_scale", name), (long)n->geom.o * node_weight_groups(n),
                       n->weight_scale);
    } else {
        write_numbers(w, n, name);
    }
    c_write_floats(w, arena_printf(w->arena, "%s_bias", name), n->geom.o, n->float_bias);
    const char *dot = node_is_split(n) ? write_split_dot(w, node) : c_float_dot(w->arena, n);
    fprintf(w->out,
            "static const %s %s = {\n    .weights = {%s_weights, %s, %s}, .bias = %s_bias, .dot = %s,\n"
            "    .end = %s, .o = %d,\n",
            type, name, name, codes ? arena_printf(w->arena, "%s_scale", name) : "NULL",
            codes ? "NULL" : format_of(w, n->weight_format), name, dot, end_of(w, n), n->geom.o);
    c_write_window(w, &n->geom);
}

static void layer_conv2d(const CWriter *w, int node)
{
    begin_weights(w, node, "float_conv2d_layer");
    fprintf(w->out, "    .groups = %d,\n};\n\n", w->g->node[node].geom.groups);
}

static void layer_depthwise(const CWriter *w, int node)
{
    const ConvGeom *g = &w->g->node[node].geom;
    begin_weights(w, node, "float_depthwise_layer");
    fprintf(w->out, "    .multiple = %d, .by_columns = %d,\n};\n\n", g->o / g->c, dwconv_f32_by_columns(g));
}

static void layer_pool(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "static const float_pool_layer %s = {\n    .end = %s,\n", c_layer_name(w, node), end_of(w, n));
    c_write_window(w, &n->geom);
    fputs("};\n\n", w->out);
}

static void layer_end(const CWriter *w, int node)
{
    fprintf(w->out, "static const float_end %s = %s;\n\n", c_layer_name(w, node), end_of(w, &w->g->node[node]));
}

static void layer_curve(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "static const float_curve_layer %s = {curve_%s, %s};\n\n", c_layer_name(w, node), n->curve->name,
            end_of(w, n));
}

void c_write_curves(const CWriter *w)
{
    bool used[CURVES] = {false};
    for (int i = 0; i < w->g->nodes; i++)
        if (w->g->node[i].curve != NULL && w->plan.node[i].runs) used[curve_index(w->g->node[i].curve)] = true;
    for (int k = 0; k < CURVES; k++)
        if (used[k])
            fprintf(w->out, "static double curve_%s(double x)\n{\n    return %s;\n}\n\n", curve_types[k].name,
                    curve_types[k].formula);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void call_conv2d(const CWriter *w, int node) { c_call_whole(w, node, "float_conv2d"); }
static void call_depthwise(const CWriter *w, int node) { c_call_whole(w, node, "float_depthwise"); }
static void call_max_pool(const CWriter *w, int node) { c_call_whole(w, node, "float_max_pool"); }
static void call_average_pool(const CWriter *w, int node) { c_call_whole(w, node, "float_average_pool"); }

static void call_add(const CWriter *w, int node) { c_call_add(w, node, "float_add"); }
static void call_activate(const CWriter *w, int node) { c_call_elements(w, node, "float_activate"); }

static void call_curve(const CWriter *w, int node) { c_call_elements(w, node, "float_curve"); }

static void call_multiply(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    float_multiply(&%s, %ld, %ld, %s, %s, %s);\n", c_layer_name(w, node),
            graph_tensor_elements(node_y(w->g, n)), graph_tensor_elements(&w->g->tensor[n->input[1]]),
            c_place(w, n->input[0]), c_place(w, n->input[1]), c_place(w, n->output));
}

static void call_concat(const CWriter *w, int node)
{
    c_call_concat(w, node, arena_printf(w->arena, "float_concat(&%s, ", c_layer_name(w, node)));
}

#define KERNELS(...) ((const char *const[]){"float_end", __VA_ARGS__, NULL})
static const COp conv2d = {
    .kernels = KERNELS("clip", "window", "float_weights", "float_conv2d"), .layer = layer_conv2d, .call = call_conv2d};
static const COp depthwise = {.kernels = KERNELS("clip", "window", "float_weights", "float_depthwise"),
                              .layer = layer_depthwise,
                              .call = call_depthwise};
static const COp max_pool = {
    .kernels = KERNELS("clip", "window", "float_pool", "float_max_pool"), .layer = layer_pool, .call = call_max_pool};
static const COp average_pool = {.kernels = KERNELS("clip", "window", "float_pool", "float_average_pool"),
                                 .layer = layer_pool,
                                 .call = call_average_pool};
static const COp add = {.kernels = KERNELS("float_add"), .layer = layer_end, .call = call_add};
static const COp multiply = {.kernels = KERNELS("float_multiply"), .layer = layer_end, .call = call_multiply};
static const COp concat = {.kernels = KERNELS("float_concat"), .layer = layer_end, .call = call_concat};
static const COp activate = {.kernels = KERNELS("float_activate"), .layer = layer_end, .call = call_activate};
static const COp curve = {.kernels = KERNELS("float_curve"), .layer = layer_curve, .call = call_curve};
/* It shows its input, which is never the caller's image, that is codes: nothing is called. */
static const COp reshape = {.kernels = (const char *const[]){NULL}};

const COp *const c_float_ops[NODE_KINDS] = {
    [NODE_CONV2D] = &conv2d,   [NODE_DWCONV2D] = &depthwise, [NODE_DENSE] = &conv2d,     [NODE_ADD] = &add,
    [NODE_CONCAT] = &concat,   [NODE_MAXPOOL] = &max_pool,   [NODE_REQUANT] = &activate, [NODE_AVGPOOL] = &average_pool,
    [NODE_RESHAPE] = &reshape, [NODE_MULTIPLY] = &multiply,  [NODE_LUT] = &curve,
};
