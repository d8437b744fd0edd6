#include <string.h>

#include "deploy/c/c_writer.h"
#include "graph/node.h"

/* deploy/c_kernels/NAME.c as TEXT(NAME, "..."). */
static const struct {
    const char *name, *text;
} kernel_text[] = {
#define TEXT(name, text) {#name, text},
#include "deploy/c/c_kernels.inc"
#undef TEXT
};
enum { TEXTS = (int)(sizeof kernel_text / sizeof kernel_text[0]) };

/* Each behind what it uses. */
static const char *const order[] = {"base",
                                    "rescale_single",
                                    "rescale_double",
                                    "clamp",
                                    "clip",
                                    "code4",
                                    "code2",
                                    "conv2d",
                                    "conv2d_dot8",
                                    "conv2d_dot4",
                                    "conv2d_dot2",
                                    "depthwise",
                                    "depthwise_unpack4",
                                    "depthwise_unpack2",
                                    "dense",
                                    "dense_dot8",
                                    "dense_dot4",
                                    "dense_dot2",
                                    "add",
                                    "pool",
                                    "max_pool",
                                    "average_pool",
                                    "concat",
                                    "requantize",
                                    "look_up",
                                    "copy"};
enum { KERNELS = (int)(sizeof order / sizeof order[0]) };

static void need(bool *needed, const char *name)
{
    int i = 0;
    while (i < KERNELS && strcmp(order[i], name) != 0) i++;
    ASSERT(i < KERNELS);
    needed[i] = true;
}

/* The kernels that a node of each operation calls. */
static const char *const conv2d_row[] = {"rescale", "clamp", "conv2d", NULL};
static const char *const depthwise_conv2d_row[] = {"rescale", "clamp", "clip", "depthwise", NULL};
static const char *const dense_row[] = {"rescale", "clamp", "dense", NULL};
static const char *const add_row[] = {"rescale", "clamp", "add", NULL};
static const char *const concat_row[] = {"concat", NULL};
static const char *const max_pool_row[] = {"clip", "pool", "max_pool", NULL};
static const char *const average_pool_row[] = {"clamp", "clip", "pool", "average_pool", NULL};
static const char *const requant_row[] = {"rescale", "clamp", "requantize", NULL};
static const char *const lut_row[] = {"look_up", NULL};
static const char *const reshape_row[] = {NULL}; /* a copy, where one is needed */

#define NODE(ID, name) [NODE_##ID] = name##_row,
static const char *const *const kernels_of_op[] = {
#include "graph/nodes.def"
};
#undef NODE

static void need_of_node(const CWriter *w, int node, bool *needed)
{
    const Node *n = &w->g->node[node];
    const char *rescale = w->g->rounding == ROUNDING_TFLITE_SINGLE ? "rescale_single" : "rescale_double";
    for (const char *const *name = kernels_of_op[n->op]; *name != NULL; name++)
        need(needed, strcmp(*name, "rescale") == 0 ? rescale : *name);
    if (w->plan.node[node].copies) need(needed, "copy");
    if (!node_has_weights(n)) return;
    const int width = c_weight_width(n);
    if (width < 8) need(needed, arena_printf(w->arena, "code%d", width));
    if (n->op != NODE_DWCONV2D)
        need(needed, arena_printf(w->arena, "%s_dot%d", n->op == NODE_DENSE ? "dense" : "conv2d", width));
    else if (width < 8)
        need(needed, arena_printf(w->arena, "depthwise_unpack%d", width));
}

static const char *text_of(const char *name)
{
    for (int i = 0; i < TEXTS; i++)
        if (strcmp(kernel_text[i].name, name) == 0) return kernel_text[i].text;
    ASSERT(false); /* every name above is a file in deploy/c_kernels */
    return NULL;
}

void c_write_kernels(const CWriter *w)
{
    bool needed[KERNELS] = {false};
    need(needed, "base");
    for (int i = 0; i < w->g->nodes; i++)
        if (w->plan.node[i].runs) need_of_node(w, i, needed);
    fputs("/* ---- kernels ---- */\n\n", w->out);
    for (int i = 0; i < KERNELS; i++)
        if (needed[i]) fprintf(w->out, "%s\n", text_of(order[i]));
}
