#include "deploy/c/c_writer.h"
#include "graph/node_groups.h"
#include "graph/node_window.h"
#include "kernels/requant.h"

static const char *scratch(const CWriter *w, int node)
{
    const PlanNode *n = &w->plan.node[node];
    return n->scratch_bytes == 0 ? "NULL" : c_codes_at(w, n->scratch);
}

static bool is_flat(const CWriter *w, int node) { return c_flat(&w->g->node[node], &w->plan.node[node]); }

/* ---- constants --------------------------------------------------------------------------------------------------- */

static void begin_layer(const CWriter *w, const char *type, const char *name)
{
    fprintf(w->out, "static const %s %s = {\n", type, name);
}

/* The function that reads the layer's weights: that of their width or, of levels, zero points and groups, one of its own,
 * which knows them. */
static const char *reader(const CWriter *w, int node, const char *kernel)
{
    const Node *n = &w->g->node[node];
    return c_has_levels(n) || c_is_split(n) ? arena_printf(w->arena, "%s_weights_at", c_layer_name(w, node))
                                            : arena_printf(w->arena, "%s%d", kernel, c_weight_width(n));
}

static const char *table_of(const CWriter *w, int node, const char *type, const char *what, const void *data)
{
    const Node *n = &w->g->node[node];
    if (data == NULL) return "NULL";
    const char *name = arena_printf(w->arena, "%s_%s", c_layer_name(w, node), what);
    c_write_array(w, type, name, (long)n->geom.o * node_weight_groups(n), data, 1);
    return name;
}

/* Zero points and multiples, and the function that adds them to what the one of the weights' width gives. */
static void write_split_reader(const CWriter *w, int node, const char *kernel)
{
    const Node *n = &w->g->node[node];
    const COp *op = c_ops[n->op];
    const int width = c_weight_width(n), groups = node_weight_groups(n);
    const char *name = c_layer_name(w, node);
    const char *zero = table_of(w, node, "int8_t", "zero_point", n->weight_zero_point);
    const char *multiple = table_of(w, node, "uint8_t", "multiple", n->weight_multiple);
    const long each = node_weights(n) / n->geom.o;
    fprintf(w->out, "static const split_weights %s_split = {%s_weights, %s, %s, %zu, %ld, %zu, %ld, %d, %d};\n", name,
            name, zero, multiple, c_run_bytes(n) * (size_t)(c_runs(n) / n->geom.o), c_run(n), c_run_bytes(n),
            n->weight_group > 0 ? (long)n->weight_group : each, groups, 8 / width);
    fprintf(w->out, "static void %s(%s)\n{\n    %s_split(&%s_split, %s%d, %s);\n}\n", reader(w, node, kernel),
            op->parameters, kernel, name, kernel, width, op->arguments);
}

static void write_reader(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const COp *op = c_ops[n->op];
    const char *name = c_layer_name(w, node), *kernel = op->dot != NULL ? op->dot : op->unpack;
    if (c_is_split(n)) write_split_reader(w, node, kernel);
    if (!c_has_levels(n)) return;
    c_write_levels(w, node);
    fprintf(w->out, "static void %s(%s)\n{\n    %s_levels(%s_levels, %d, %s);\n}\n", reader(w, node, kernel),
            op->parameters, kernel, name, c_weight_width(n), op->arguments);
}

static void weights_layer(const CWriter *w, int node, const char *type)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node);
    c_write_weights(w, node);
    write_reader(w, node);
    begin_layer(w, type, name);
    fprintf(w->out, "    .weights = %s_weights, .bias = %s_bias, .multiplier = %s, .exponent = %s_exponent,\n", name,
            name, c_multiplier(w, node), name);
    const char *dot = c_ops[n->op]->dot;
    if (dot != NULL) fprintf(w->out, "    .dot = %s,\n", reader(w, node, dot));
    fprintf(w->out, "    .shift = %d, .zero_out = %d, .lo = %d, .hi = %d,\n",
            c_weight_width(n) == 8 ? 0 : n->weight_shift, w->g->tensor[n->output].zero_point, n->lo, n->hi);
}

static void layer_conv2d(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const ConvGeom *c = &n->geom;
    const bool flat = is_flat(w, node);
    weights_layer(w, node, "conv2d_layer");
    fprintf(
        w->out,
        "    .h = %d, .w = %d, .c = %d, .o = %d, .ow = %d,\n"
        "    .kh = %d, .kw = %d, .sh = %d, .sw = %d, .dh = %d, .dw = %d, .pt = %d, .pl = %d,\n"
        "    .groups = %d, .group_channels = %d, .runs = %ld, .run = %ld, .run_bytes = %zu, .direct = %d, .zero_in = "
        "%d,\n};\n\n",
        flat ? 1 : c->h, flat ? c->h * c->w : c->w, c->c, c->o, flat ? c->oh * c->ow : c->ow, c->kh, c->kw, c->sh,
        c->sw, c->dh, c->dw, c->pt, c->pl, c->groups, c->c / c->groups, c_runs(n) / c->o, c_run(n), c_run_bytes(n),
        c_direct(n) && !w->plan.node[node].in_place, w->g->tensor[n->input[0]].zero_point);
}

static void layer_depthwise(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const ConvGeom *c = &n->geom;
    const int width = c_weight_width(n);
    weights_layer(w, node, "depthwise_layer");
    if (width < 8) fprintf(w->out, "    .unpack = %s,\n", reader(w, node, "depthwise_unpack"));
    fprintf(w->out,
            "    .h = %d, .w = %d, .c = %d, .o = %d, .ow = %d,\n"
            "    .kh = %d, .kw = %d, .sh = %d, .sw = %d, .dh = %d, .dw = %d, .pt = %d, .pl = %d,\n"
            "    .multiple = %d, .cell_bytes = %zu, .in_place = %d, .zero_in = %d,\n};\n\n",
            c->h, c->w, c->c, c->o, c->ow, c->kh, c->kw, c->sh, c->sw, c->dh, c->dw, c->pt, c->pl, c->o / c->c,
            c_run_bytes(n), w->plan.node[node].in_place, w->g->tensor[n->input[0]].zero_point);
}

static void layer_dense(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    weights_layer(w, node, "dense_layer");
    fprintf(w->out, "    .inputs = %d, .o = %d, .filter_bytes = %zu,\n};\n\n", n->geom.c, n->geom.o, c_run_bytes(n));
}

/* With one rounding, R(x 2^20, m 2^(e-31)) is R(x 2^23, m 2^(e-3-31)), whose shift leaves the lower word of the product
 * alone. */
static void add_input(const CWriter *w, char which, int zero_point, int32_t m, int e)
{
    const int more = w->g->rounding == ROUNDING_TFLITE_SINGLE && e >= -28 ? 3 : 0;
    fprintf(w->out, "    .zero_%c = %d, .unit_%c = %d, .m_%c = %d, .e_%c = %d,\n", which, zero_point, which,
            1 << (20 + more), which, m, which, e - more);
}

static void layer_add(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *a = &w->g->tensor[n->input[0]], *b = &w->g->tensor[n->input[1]], *y = &w->g->tensor[n->output];
    AddParams p;
    const bool representable = add_params_make(w->g->rounding, a->scale, a->zero_point, b->scale, b->zero_point,
                                               y->scale, y->zero_point, n->lo, n->hi, &p);
    ASSERT(representable); /* graph_check */
    begin_layer(w, "add_layer", c_layer_name(w, node));
    add_input(w, 'a', p.z1, p.m1, p.e1);
    add_input(w, 'b', p.z2, p.m2, p.e2);
    fprintf(w->out, "    .m = %d, .e = %d, .zero = %d, .lo = %d, .hi = %d,\n};\n\n", p.mo, p.eo, p.zy, p.lo, p.hi);
}

static void layer_multiply(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *a = &w->g->tensor[n->input[0]], *b = &w->g->tensor[n->input[1]], *y = &w->g->tensor[n->output];
    const Multiplier M = multiplier_make(w->g->rounding, a->scale, b->scale, y->scale);
    begin_layer(w, "multiply_layer", c_layer_name(w, node));
    fprintf(w->out,
            "    .count = %ld, .factors = %ld, .zero_a = %d, .zero_b = %d,\n"
            "    .m = %d, .e = %d, .zero = %d, .lo = %d, .hi = %d,\n};\n\n",
            graph_tensor_elements(y), graph_tensor_elements(b), a->zero_point, b->zero_point, M.m, M.e, y->zero_point,
            n->lo, n->hi);
}

static void layer_pool(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const ConvGeom *c = &n->geom;
    begin_layer(w, "pool_layer", c_layer_name(w, node));
    fprintf(w->out,
            "    .h = %d, .w = %d, .c = %d, .oh = %d, .ow = %d,\n"
            "    .kh = %d, .kw = %d, .sh = %d, .sw = %d, .pt = %d, .pl = %d, .lo = %d, .hi = %d,\n};\n\n",
            c->h, c->w, c->c, c->oh, c->ow, c->kh, c->kw, c->sh, c->sw, c->pt, c->pl, n->lo, n->hi);
}

static void layer_requantize(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *x = &w->g->tensor[n->input[0]], *y = &w->g->tensor[n->output];
    const Multiplier M = multiplier_make(w->g->rounding, x->scale, 1.0f, y->scale);
    begin_layer(w, "requantize_layer", c_layer_name(w, node));
    fprintf(w->out, "    .zero_in = %d, .m = %d, .e = %d, .zero_out = %d, .lo = %d, .hi = %d,\n};\n\n", x->zero_point,
            M.m, M.e, y->zero_point, n->lo, n->hi);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

void c_call_rows(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    %s(&%s, %s, 0, %d, %s, %s);\n", c_op(w, n)->rows, c_layer_name(w, node),
            c_place(w, n->input[0]), is_flat(w, node) ? 1 : n->geom.oh, c_place(w, n->output), scratch(w, node));
}

static void call_dense(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    dense(&%s, %s, %s);\n", c_layer_name(w, node), c_place(w, n->input[0]), c_place(w, n->output));
}

/* The convolution whose rows node takes, -1: none. */
static int feeder(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    for (int i = 0; i < node; i++)
        if (w->plan.node[i].by_rows && (w->g->node[i].output == n->input[0] || w->g->node[i].output == n->input[1]))
            return i;
    return -1;
}

static void call_add(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const int rows = feeder(w, node);
    const char *name = c_layer_name(w, node);
    if (rows < 0) {
        c_call_add(w, node, "add");
        return;
    }
    const Node *conv = &w->g->node[rows];
    const size_t bytes = w->plan.node[rows].row_bytes;
    const char *row = c_codes_at(w, w->plan.node[rows].row), *operand[2];
    for (int k = 0; k < 2; k++)
        operand[k] = n->input[k] == conv->output
                         ? row
                         : arena_printf(w->arena, "%s + %zu * row", c_place(w, n->input[k]), bytes);
    fprintf(w->out,
            "    for (int32_t row = 0; row < %d; row++) {\n"
            "        %s(&%s, %s, row, 1, %s, %s);\n"
            "        add(&%s, %zu, %s, %s, %s + %zu * row);\n"
            "    }\n",
            conv->geom.oh, c_op(w, conv)->rows, c_layer_name(w, rows), c_place(w, conv->input[0]), row,
            scratch(w, rows), name, bytes, operand[0], operand[1], c_place(w, n->output), bytes);
}

static void call_multiply(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    multiply(&%s, %s, %s, %s);\n", c_layer_name(w, node), c_place(w, n->input[0]),
            c_place(w, n->input[1]), c_place(w, n->output));
}

static void call_concat(const CWriter *w, int node) { c_call_concat(w, node, "concat("); }

static void call_pool(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    %s_pool(&%s, %s, %s);\n", n->op == NODE_MAXPOOL ? "max" : "average", c_layer_name(w, node),
            c_place(w, n->input[0]), c_place(w, n->output));
}

static void call_requantize(const CWriter *w, int node) { c_call_elements(w, node, "requantize"); }

static void call_reshape(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    if (w->plan.node[node].copies)
        fprintf(w->out, "    copy(%ld, %s, %s);\n", graph_tensor_elements(&w->g->tensor[n->output]),
                c_place(w, n->input[0]), c_place(w, n->output));
}

static void layer_quantize(const CWriter *w, int node)
{
    const GraphTensor *y = node_y(w->g, &w->g->node[node]);
    begin_layer(w, "grid", c_layer_name(w, node));
    fprintf(w->out, "    .scale = %s, .lo = %s, .hi = %s, .zero = %d,\n};\n\n", c_literal(w, y->scale),
            c_literal(w, (float)(y->qmin - y->zero_point)), c_literal(w, (float)(y->qmax - y->zero_point)),
            y->zero_point);
}

static void call_quantize(const CWriter *w, int node) { c_call_elements(w, node, "quantize_floats"); }

static void call_dequantize(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *x = node_x(w->g, n);
    fprintf(w->out, "    dequantize_codes(%s, %d, %ld, %s, %s);\n", c_literal(w, x->scale), x->zero_point,
            graph_tensor_elements(x), c_place(w, n->input[0]), c_place(w, n->output));
}

/* ---- the kinds of nodes ------------------------------------------------------------------------------------------ */

/* Two windows that are copied, where they are not read as they lie. */
static size_t conv2d_scratch(const Node *n, bool in_place)
{
    const ConvGeom *g = &n->geom;
    if (c_direct(n) && !window_leaves_input(g) && !in_place) return 0;
    return 2 * (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);
}

/* Unpacked weights of four channels, and the channels themselves if they are overwritten. */
static size_t depthwise_scratch(const Node *n, bool in_place)
{
    const ConvGeom *g = &n->geom;
    return (c_weight_width(n) == 8 ? 0 : 4 * (size_t)g->kh * (size_t)g->kw) +
           (in_place ? 4 * (size_t)g->h * (size_t)g->w : 0);
}

#define KERNELS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const COp conv2d = {.kernels = KERNELS("rescale", "clamp", "conv2d"),
                           .dot = "conv2d_dot",
                           .parameters = "const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, "
                                         "int32_t run, uint32_t sum[4]",
                           .arguments = "x0, x1, w0, w1, run, sum",
                           .layer = layer_conv2d,
                           .call = c_call_rows,
                           .rows = "conv2d",
                           .flattens = true,
                           .scratch_bytes = conv2d_scratch};
static const COp depthwise = {.kernels = KERNELS("rescale", "clamp", "clip", "depthwise"),
                              .unpack = "depthwise_unpack",
                              .parameters = "const int8_t *packed, int32_t first, int32_t count, int8_t *to",
                              .arguments = "packed, first, count, to",
                              .layer = layer_depthwise,
                              .call = c_call_rows,
                              .rows = "depthwise",
                              .scratch_bytes = depthwise_scratch};
static const COp dense = {.kernels = KERNELS("rescale", "clamp", "dense"),
                          .dot = "dense_dot",
                          .parameters = "const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, "
                                        "uint32_t sum[2]",
                          .arguments = "x, inputs, w0, w1, sum",
                          .layer = layer_dense,
                          .call = call_dense};
static const COp add = {
    .kernels = KERNELS("rescale", "clamp", "add"), .layer = layer_add, .call = call_add, .takes_rows = true};
static const COp multiply = {
    .kernels = KERNELS("rescale", "clamp", "multiply"), .layer = layer_multiply, .call = call_multiply};
static const COp concat = {.kernels = KERNELS("concat"), .call = call_concat};
static const COp max_pool = {.kernels = KERNELS("clip", "pool", "max_pool"), .layer = layer_pool, .call = call_pool};
static const COp average_pool = {
    .kernels = KERNELS("clamp", "clip", "pool", "average_pool"), .layer = layer_pool, .call = call_pool};
static const COp requantize = {
    .kernels = KERNELS("rescale", "clamp", "requantize"), .layer = layer_requantize, .call = call_requantize};
static const COp quantize = {.kernels = KERNELS("quantize_floats"), .layer = layer_quantize, .call = call_quantize};
static const COp dequantize = {.kernels = KERNELS("dequantize_codes"), .call = call_dequantize};
static const COp reshape = {.kernels = KERNELS(NULL), .call = call_reshape}; /* a copy, where one is needed */

const COp *const c_ops[NODE_KINDS] = {
    [NODE_CONV2D] = &conv2d,        [NODE_DWCONV2D] = &depthwise,
    [NODE_DENSE] = &dense,          [NODE_ADD] = &add,
    [NODE_CONCAT] = &concat,        [NODE_MAXPOOL] = &max_pool,
    [NODE_AVGPOOL] = &average_pool, [NODE_REQUANT] = &requantize,
    [NODE_LUT] = &c_table,          [NODE_EMBEDDING] = &c_embedding,
    [NODE_RESHAPE] = &reshape,      [NODE_MULTIPLY] = &multiply,
    [NODE_QUANTIZE] = &quantize,    [NODE_DEQUANTIZE] = &dequantize,
};

const COp *c_op(const CWriter *w, const Node *n)
{
    const bool wide = graph_tensor_is_wide(node_x(w->g, n)) || graph_tensor_is_wide(node_y(w->g, n));
    if (node_gives_sums(n)) return c_sums_ops[n->op];
    if (c_is_binary(w->g, n)) return c_binary_ops[n->op];
    return (node_is_float(w->g, n) ? c_float_ops : wide ? c_wide_ops : c_ops)[n->op];
}

bool c_carries(NodeKind kind) { return c_ops[kind] != NULL; }

void c_write_layers(const CWriter *w)
{
    fputs("/* ---- layers ---- */\n\n", w->out);
    for (int i = 0; i < w->g->nodes; i++) {
        const COp *op = c_op(w, &w->g->node[i]);
        if (w->plan.node[i].runs && op->layer != NULL) op->layer(w, i);
    }
}

void c_write_run(const CWriter *w)
{
    c_write_arena(w);
    fprintf(w->out, "void %s_run(const int8_t *in, %s *out)\n{\n", w->prefix, c_answer_type(w));
    for (int i = 0; i < w->g->nodes; i++) {
        const Node *n = &w->g->node[i];
        const GraphTensor *y = &w->g->tensor[n->output];
        if (!w->plan.node[i].runs || (node_type(n)->shows_input && !w->plan.node[i].copies)) continue;
        fprintf(w->out, "    /* %s: %dx%dx%d */\n", c_comment(w->arena, n->name), y->h, y->w, y->c);
        if (!w->plan.node[i].by_rows) c_op(w, n)->call(w, i);
    }
    fputs("}\n\n", w->out);
}
