/* The answers that exported C must give: nodes in integers run as in the engine, those that touch floats by the exported
 * text itself, compiled here, so that the answers are the same on every machine. */
#include <string.h>

#include "deploy/c/c_writer.h"
#include "graph/node_float.h"
#include "graph/node_groups.h"
#include "kernels/dwconv_f32.h"

/* NOLINTBEGIN(bugprone-suspicious-include) ; exported text is what is to be run */
#include "deploy/c/c_kernels/clip.c"
#include "deploy/c/c_kernels/dequantize_codes.c"
#include "deploy/c/c_kernels/float_end.c"
#include "deploy/c/c_kernels/float_activate.c"
#include "deploy/c/c_kernels/float_add.c"
#include "deploy/c/c_kernels/float_bits.c"
#include "deploy/c/c_kernels/float_concat.c"
#include "deploy/c/c_kernels/float_multiply.c"
#include "deploy/c/c_kernels/float_weights.c"
#include "deploy/c/c_kernels/float_dot_32.c"
#include "deploy/c/c_kernels/float_dot_code8.c"
#include "deploy/c/c_kernels/window.c"
#include "deploy/c/c_kernels/float_conv2d.c"
#include "deploy/c/c_kernels/float_depthwise.c"
#include "deploy/c/c_kernels/float_pool.c"
#include "deploy/c/c_kernels/float_average_pool.c"
#include "deploy/c/c_kernels/float_max_pool.c"
#include "deploy/c/c_kernels/format_bfloat16.c"
#include "deploy/c/c_kernels/format_float16.c"
#include "deploy/c/c_kernels/format_float8_e4m3.c"
#include "deploy/c/c_kernels/format_float8_e5m2.c"
#include "deploy/c/c_kernels/int16_dequantize.c"
#include "deploy/c/c_kernels/int16_quantize_floats.c"
#include "deploy/c/c_kernels/narrow.c"
#include "deploy/c/c_kernels/quantize_floats.c"
/* NOLINTEND(bugprone-suspicious-include) */

typedef struct {
    const Graph *g;
    EngineNode *node;    /* [nodes]; of those in floats nothing is there */
    const float **reals; /* [nodes] weights that have zero points or groups, as floats; NULL */
    void **value;        /* [tensors] codes or floats of one image */
    void *scratch;
} Golden;

static float_end end_of(const Graph *g, const Node *n)
{
    static const number_format *const formats[FORMATS] = {[FORMAT_FLOAT16] = &format_float16,
                                                          [FORMAT_BFLOAT16] = &format_bfloat16,
                                                          [FORMAT_FLOAT8_E4M3] = &format_float8_e4m3,
                                                          [FORMAT_FLOAT8_E5M2] = &format_float8_e5m2};
    const number_format *format = formats[node_y(g, n)->format];
    return (float_end){n->activation, format == NULL ? NULL : narrow, format};
}

static window_shape window_of(const ConvGeom *g)
{
    return (window_shape){g->h, g->w, g->c, g->oh, g->ow, g->kh, g->kw, g->sh, g->sw, g->dh, g->dw, g->pt, g->pl};
}

/* Weights of fewer bits are there as the floats they stand for; `reals`: as those that their codes stand for, or NULL. */
static void run_weights(const Graph *g, const Node *n, const float *reals, const float *x, float *y)
{
    const bool codes = n->weights != NULL && reals == NULL;
    const float *floats = reals != NULL ? reals : n->float_weights;
    const float_weights weights = {codes ? (const void *)n->weights : floats, n->weight_scale, NULL};
    float_dot *dot = codes ? float_dot_code8 : float_dot_32;
    const ConvGeom *c = &n->geom;
    if (n->op == NODE_DWCONV2D)
        float_depthwise(&(float_depthwise_layer){.weights = weights,
                                                 .bias = n->float_bias,
                                                 .dot = dot,
                                                 .end = end_of(g, n),
                                                 .window = window_of(c),
                                                 .o = c->o,
                                                 .multiple = c->o / c->c,
                                                 .by_columns = dwconv_f32_by_columns(c)},
                        x, y);
    else
        float_conv2d(&(float_conv2d_layer){.weights = weights,
                                           .bias = n->float_bias,
                                           .dot = dot,
                                           .end = end_of(g, n),
                                           .window = window_of(c),
                                           .o = c->o,
                                           .groups = c->groups},
                     x, y);
}

static void run_pool(const Graph *g, const Node *n, const float *x, float *y)
{
    const float_pool_layer layer = {window_of(&n->geom), end_of(g, n)};
    (n->op == NODE_MAXPOOL ? float_max_pool : float_average_pool)(&layer, x, y);
}

static void run_concat(const Golden *r, const Node *n, float *y)
{
    const GraphTensor *to = node_y(r->g, n);
    const float_end end = end_of(r->g, n);
    for (int k = 0; k < n->inputs; k++) {
        const int channels = r->g->tensor[n->input[k]].c;
        float_concat(&end, r->value[n->input[k]], to->h * to->w, channels, to->c, y);
        y += channels;
    }
}

/* The formula is the exported text's. */
static void run_curve(const CurveType *curve, const float_end *end, int32_t count, const float *x, float *y)
{
    curve->values((size_t)count, x, y);
    float_activate(end, count, y, y);
}

static void run_floats(const Golden *r, const Node *n)
{
    const Graph *g = r->g;
    const float_end end = end_of(g, n);
    const int32_t count = (int32_t)graph_tensor_elements(node_y(g, n));
    const float *x = r->value[n->input[0]], *b = n->inputs > 1 ? r->value[n->input[1]] : NULL;
    float *y = r->value[n->output];
    if (node_has_weights(n))
        run_weights(g, n, r->reals[n - g->node], x, y);
    else if (n->op == NODE_MAXPOOL || n->op == NODE_AVGPOOL)
        run_pool(g, n, x, y);
    else if (n->op == NODE_CONCAT)
        run_concat(r, n, y);
    else if (n->op == NODE_ADD)
        float_add(&end, count, x, b, y);
    else if (n->op == NODE_MULTIPLY)
        float_multiply(&end, count, (int32_t)graph_tensor_elements(&g->tensor[n->input[1]]), x, b, y);
    else if (n->curve != NULL)
        run_curve(n->curve, &end, count, x, y);
    else if (n->op == NODE_REQUANT || n->op == NODE_RESHAPE) /* which has no activation and the format of its input */
        float_activate(&end, count, x, y);
    else
        ASSERT(!"a node in floats that C carries and this does not run");
}

static void run_converting(const Golden *r, const Node *n)
{
    const GraphTensor *x = node_x(r->g, n), *y = node_y(r->g, n);
    const int32_t count = (int32_t)graph_tensor_elements(y);
    const grid to = {y->scale, (float)(y->qmin - y->zero_point), (float)(y->qmax - y->zero_point), y->zero_point};
    if (graph_tensor_is_wide(x))
        int16_dequantize(x->scale, count, r->value[n->input[0]], r->value[n->output]);
    else if (graph_tensor_is_wide(y))
        int16_quantize_floats(&(int16_grid){to.scale, to.lo, to.hi}, count, r->value[n->input[0]], r->value[n->output]);
    else if (graph_tensor_is_float(y))
        dequantize_codes(x->scale, x->zero_point, count, r->value[n->input[0]], r->value[n->output]);
    else
        quantize_floats(&to, count, r->value[n->input[0]], r->value[n->output]);
}

static void run_image(const Golden *r, const int8_t *image)
{
    memcpy(r->value[0], image, graph_tensor_bytes(&r->g->tensor[0]));
    for (int i = 0; i < r->g->nodes; i++) {
        const Node *n = &r->g->node[i];
        const int8_t *in[NODE_MAX_INPUTS];
        for (int k = 0; k < n->inputs; k++) in[k] = r->value[n->input[k]];
        if (node_is_float(r->g, n))
            run_floats(r, n);
        else if (node_type(n)->converts)
            run_converting(r, n);
        else
            r->node[i].run(&r->node[i], in, r->value[n->output], r->scratch);
    }
}

static Status prepare(Arena *arena, Golden *r)
{
    const Graph *g = r->g;
    size_t scratch = 0;
    for (int t = 0; t < g->tensors; t++) r->value[t] = arena_alloc(arena, graph_tensor_bytes(&g->tensor[t]));
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        r->node[i] = (EngineNode){.g = g, .node = n};
        if (node_is_float(g, n) && node_has_weights(n) && node_is_split(n)) r->reals[i] = node_real_weights(arena, n);
        if (!node_is_float(g, n)) TRY(engine_node_prepare(arena, g, n, &r->node[i]));
        if (r->node[i].scratch_bytes > scratch) scratch = r->node[i].scratch_bytes;
    }
    r->scratch = arena_alloc(arena, scratch);
    return STATUS_OK;
}

Status c_golden(Arena *arena, const Graph *g, const int8_t *images, int n, void *answers)
{
    Golden r = {.g = g,
                .node = ARENA_ARRAY(arena, EngineNode, g->nodes),
                .reals = ARENA_ARRAY(arena, const float *, g->nodes),
                .value = ARENA_ARRAY(arena, void *, g->tensors)};
    const size_t in = graph_tensor_bytes(&g->tensor[0]), out = graph_tensor_bytes(&g->tensor[g->output]);
    TRY(prepare(arena, &r));
    for (int i = 0; i < n; i++) {
        run_image(&r, images + (size_t)i * in);
        memcpy((char *)answers + (size_t)i * out, r.value[g->output], out);
    }
    return STATUS_OK;
}
