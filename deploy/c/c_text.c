#include <string.h>

#include "deploy/c/c_writer.h"
#include "graph/node_groups.h"

/* deploy/c/c_kernels/NAME.c as TEXT(NAME, "..."). */
static const struct {
    const char *name, *text;
} kernel_text[] = {
#define TEXT(name, text) {#name, text},
#include "deploy/c/c_kernels.inc"
#undef TEXT
};
enum { TEXTS = (int)(sizeof kernel_text / sizeof kernel_text[0]) };

/* Each after what it uses; the others, which nothing uses, follow by their names. */
static const char *const order[] = {"base",
                                    "rescale_single",
                                    "rescale_double",
                                    "rescale_shift",
                                    "clamp",
                                    "clip",
                                    "code4",
                                    "code2",
                                    "level",
                                    "popcount",
                                    "binary_conv2d",
                                    "split_weights",
                                    "conv2d",
                                    "conv2d_dot8",
                                    "conv2d_dot4",
                                    "conv2d_dot2",
                                    "conv2d_dot_levels",
                                    "conv2d_dot_split",
                                    "depthwise",
                                    "depthwise_unpack4",
                                    "depthwise_unpack2",
                                    "depthwise_unpack_levels",
                                    "depthwise_unpack_split",
                                    "dense",
                                    "dense_dot8",
                                    "dense_dot4",
                                    "dense_dot2",
                                    "dense_dot_levels",
                                    "dense_dot_split",
                                    "add",
                                    "multiply",
                                    "pool",
                                    "max_pool",
                                    "average_pool",
                                    "concat",
                                    "requantize",
                                    "look_up",
                                    "copy",
                                    "float_end",
                                    "float_bits",
                                    "narrow",
                                    "widen",
                                    "format_float16",
                                    "format_bfloat16",
                                    "format_float8_e4m3",
                                    "format_float8_e5m2",
                                    "float_weights",
                                    "float_split",
                                    "float_dot_32",
                                    "float_dot_16",
                                    "float_dot_8",
                                    "float_dot_code8",
                                    "float_dot_code4",
                                    "float_dot_code2",
                                    "window",
                                    "float_conv2d",
                                    "float_depthwise",
                                    "float_pool",
                                    "float_max_pool",
                                    "float_average_pool",
                                    "float_add",
                                    "float_multiply",
                                    "float_activate",
                                    "double_exp_less",
                                    "float_curve",
                                    "float_concat",
                                    "quantize_floats",
                                    "dequantize_codes",
                                    "int16_clamp",
                                    "int16_sum",
                                    "int16_dot8",
                                    "int16_dot4",
                                    "int16_dot2",
                                    "int16_conv2d",
                                    "int16_depthwise",
                                    "int16_pool",
                                    "int16_max_pool",
                                    "int16_average_pool",
                                    "int16_add",
                                    "int16_multiply",
                                    "int16_concat",
                                    "int16_requantize",
                                    "int16_quantize_floats",
                                    "int16_dequantize",
                                    "int32_sum",
                                    "int32_dot8",
                                    "int32_dot4",
                                    "int32_dot2",
                                    "int32_conv2d",
                                    "int32_depthwise"};
enum { ORDERED = (int)(sizeof order / sizeof order[0]) };

static int text_index(const char *name)
{
    int i = 0;
    while (i < TEXTS && strcmp(kernel_text[i].name, name) != 0) i++;
    ASSERT(i < TEXTS); /* every name is a file that the Makefile lists */
    return i;
}

static void need(bool *needed, const char *name) { needed[text_index(name)] = true; }

/* What stands for numbers of a format; `use`: narrow or widen. */
static void need_format(const CWriter *w, Format f, const char *use, bool *needed)
{
    if (f == FORMAT_FLOAT32) return;
    need(needed, "float_bits");
    need(needed, use);
    need(needed, arena_printf(w->arena, "format_%s", format_names[f]));
}

static void need_of_float_node(const CWriter *w, const Node *n, bool *needed)
{
    need_format(w, node_y(w->g, n)->format, "narrow", needed);
    if (n->curve != NULL && curve_has_exp(n->curve)) need(needed, "double_exp_less");
    if (!node_has_weights(n)) return;
    need(needed, node_is_split(n) ? "float_split" : c_float_dot(w->arena, n));
    if (n->float_weights != NULL) need_format(w, n->weight_format, "widen", needed);
}

static void need_of_wide_requant(const CWriter *w, const Node *n, bool *needed)
{
    need(needed, c_wide_requantize(w->g, n));
    need(needed, graph_tensor_is_wide(node_y(w->g, n)) ? "int16_clamp" : "clamp");
}

static void need_of_weights(const CWriter *w, const Node *n, const COp *op, bool *needed)
{
    const int width = c_weight_width(n);
    const bool levels = c_has_levels(n);
    const char *const of = levels ? "_levels" : arena_printf(w->arena, "%d", width);
    if (levels)
        need(needed, "level");
    else if (n->weights != NULL && width < 8)
        need(needed, arena_printf(w->arena, "code%d", width));
    if (c_is_split(n)) {
        need(needed, "split_weights");
        need(needed, arena_printf(w->arena, "%s_split", op->dot != NULL ? op->dot : op->unpack));
    }
    if (op->dot != NULL) need(needed, arena_printf(w->arena, "%s%s", op->dot, of));
    if (op->unpack != NULL && width < 8) need(needed, arena_printf(w->arena, "%s%s", op->unpack, of));
}

static void need_of_node(const CWriter *w, int node, bool *needed)
{
    const Node *n = &w->g->node[node];
    const COp *op = c_op(w, n);
    const char *rescale = c_shifts(w->g)                             ? "rescale_shift"
                          : w->g->rounding == ROUNDING_TFLITE_SINGLE ? "rescale_single"
                                                                     : "rescale_double";
    for (const char *const *name = op->kernels; *name != NULL; name++)
        need(needed, strcmp(*name, "rescale") == 0 ? rescale : *name);
    if (w->plan.node[node].copies) need(needed, "copy");
    if (node_has_weights(n) && !c_is_binary(w->g, n)) need_of_weights(w, n, op, needed);
    if (node_is_float(w->g, n))
        need_of_float_node(w, n, needed);
    else if (n->op == NODE_REQUANT && node_is_wide(w->g, n))
        need_of_wide_requant(w, n, needed);
}

void c_write_kernels(const CWriter *w)
{
    bool needed[TEXTS] = {false};
    need(needed, "base");
    for (int i = 0; i < w->g->nodes; i++)
        if (w->plan.node[i].runs) need_of_node(w, i, needed);
    fputs("/* ---- kernels ---- */\n\n", w->out);
    c_write_binary_words(w);
    for (int i = 0; i < ORDERED + TEXTS; i++) {
        const int k = i < ORDERED ? text_index(order[i]) : i - ORDERED;
        if (needed[k]) fprintf(w->out, "%s\n", kernel_text[k].text);
        needed[k] = false;
    }
    c_write_curves(w);
}
