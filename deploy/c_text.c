#include <string.h>

#include "deploy/c_writer.h"

/* deploy/c_kernels/NAME.c as TEXT(NAME, "..."). */
static const struct {
    const char *name, *text;
} kernel_text[] = {
#define TEXT(name, text) {#name, text},
#include "deploy/c_kernels.inc"
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

static void need_of_node(const CWriter *w, int node, bool *needed)
{
    static const char *const of_op[][6] = {
        [QOP_CONV2D] = {"rescale", "clamp", "conv2d"},
        [QOP_DWCONV2D] = {"rescale", "clamp", "clip", "depthwise"},
        [QOP_DENSE] = {"rescale", "clamp", "dense"},
        [QOP_ADD] = {"rescale", "clamp", "add"},
        [QOP_CONCAT] = {"concat"},
        [QOP_MAXPOOL] = {"clip", "pool", "max_pool"},
        [QOP_AVGPOOL] = {"clamp", "clip", "pool", "average_pool"},
        [QOP_REQUANT] = {"rescale", "clamp", "requantize"},
        [QOP_LUT] = {"look_up"},
        [QOP_RESHAPE] = {NULL},
    };
    _Static_assert(sizeof of_op / sizeof of_op[0] == QOPS, "a row for each op");
    const QNode *n = &w->g->node[node];
    const char *rescale = w->g->dialect == DIALECT_TFLITE_SINGLE ? "rescale_single" : "rescale_double";
    for (const char *const *name = of_op[n->op]; *name != NULL; name++)
        need(needed, strcmp(*name, "rescale") == 0 ? rescale : *name);
    if (w->plan.node[node].copies) need(needed, "copy");
    if (!qop_has_weights(n->op)) return;
    const int width = c_weight_width(n);
    if (width < 8) need(needed, arena_printf(w->arena, "code%d", width));
    if (n->op != QOP_DWCONV2D)
        need(needed, arena_printf(w->arena, "%s_dot%d", n->op == QOP_DENSE ? "dense" : "conv2d", width));
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
