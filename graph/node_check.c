/* Shapes and geometry first, then the arithmetic, which may rely on them. */
#include "graph/graph_check.h"

#include <string.h>

#include "kernels/requant.h"

enum { MAX_KERNEL_AREA = 1 << 20, MAX_WEIGHTS = 1 << 28 };

/* A rule of node n, checked in place; the sentence is "given; required". */
#define RULE(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            status_fail(STATUS_UNSUPPORTED, __VA_ARGS__);                                                              \
            return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", n->name);                                          \
        }                                                                                                              \
    } while (0)

static bool same_shape(const GraphTensor *a, const GraphTensor *b)
{
    return a->h == b->h && a->w == b->w && a->c == b->c;
}

/* out = floor((in + before + after - ((kernel - 1) dilation + 1)) / stride) + 1 */
static Status check_axis(const Node *n, const char *axis, const int size[2], const int window[3], const int pad[2])
{
    const int in = size[0], out = size[1], kernel = window[0], stride = window[1], dilation = window[2];
    RULE(kernel >= 1 && kernel <= NODE_MAX_EXTENT && stride >= 1 && stride <= NODE_MAX_EXTENT && dilation >= 1 &&
             dilation <= NODE_MAX_EXTENT,
         "%s: kernel %d, stride %d, dilation %d; each must be 1 to %d", axis, kernel, stride, dilation,
         NODE_MAX_EXTENT);
    RULE(pad[0] >= 0 && pad[0] <= NODE_MAX_EXTENT && pad[1] >= 0 && pad[1] <= NODE_MAX_EXTENT,
         "%s: padding %d and %d; must be 0 to %d", axis, pad[0], pad[1], NODE_MAX_EXTENT);
    const int extent = (kernel - 1) * dilation + 1, room = in + pad[0] + pad[1] - extent;
    RULE(room >= 0, "%s: window of %d on %d with padding %d and %d; must fit", axis, extent, in, pad[0], pad[1]);
    RULE(out == room / stride + 1, "%s: output size %d; must be %d", axis, out, room / stride + 1);
    /* A pool's window outside the image would divide by zero. */
    if (n->op == NODE_MAXPOOL || n->op == NODE_AVGPOOL)
        RULE(dilation == 1 && pad[0] < kernel && pad[1] < kernel,
             "%s: pool of %d with dilation %d, padding %d and %d; must be dilation 1 and padding below the kernel",
             axis, kernel, dilation, pad[0], pad[1]);
    return STATUS_OK;
}

static Status check_window(const Node *n, const GraphTensor *x, const GraphTensor *y)
{
    const ConvGeom *g = &n->geom;
    const bool pool = !node_type_has_weights(n->op);
    const long inputs = graph_tensor_elements(x);
    const bool flat = n->op == NODE_DENSE;
    RULE(g->n == 1 && (flat ? g->h == 1 && g->w == 1 && g->c == inputs : g->h == x->h && g->w == x->w && g->c == x->c),
         "geometry [%d,%d,%d,%d] of input \"%s\" [%d,%d,%d]; must agree", g->n, g->h, g->w, g->c, x->name, x->h, x->w,
         x->c);
    RULE(g->oh == y->h && g->ow == y->w && g->o == y->c, "geometry [%d,%d,%d] of its output [%d,%d,%d]; must agree",
         g->oh, g->ow, g->o, y->h, y->w, y->c);
    TRY(check_axis(n, "rows", (int[2]){g->h, g->oh}, (int[3]){g->kh, g->sh, g->dh}, (int[2]){g->pt, g->pb}));
    TRY(check_axis(n, "columns", (int[2]){g->w, g->ow}, (int[3]){g->kw, g->sw, g->dw}, (int[2]){g->pl, g->pr}));
    RULE(g->kh * g->kw <= MAX_KERNEL_AREA, "kernel %d x %d; at most %d cells", g->kh, g->kw, MAX_KERNEL_AREA);
    if (flat)
        RULE(g->kh == 1 && g->kw == 1 && g->pt + g->pb + g->pl + g->pr == 0 && g->groups == 1,
             "a dense node with kernel %d x %d in %d groups; must be 1 x 1, without padding, in 1 group", g->kh, g->kw,
             g->groups);
    RULE(g->groups >= 1 && g->groups <= g->c && g->c % g->groups == 0 && g->o % g->groups == 0,
         "%d groups of %d input and %d output channels; must divide both", g->groups, g->c, g->o);
    if (n->op == NODE_DWCONV2D)
        RULE(g->groups == g->c, "%d groups of %d channels; a depthwise node has one per channel", g->groups, g->c);
    if (pool) RULE(g->o == g->c, "%d output channels; a pool keeps the %d of its input", g->o, g->c);
    /* In two steps: neither product can overflow. */
    const long per_output = n->op == NODE_DWCONV2D ? (long)g->kh * g->kw : (long)g->kh * g->kw * (g->c / g->groups);
    if (!pool)
        RULE(per_output <= MAX_WEIGHTS && per_output * g->o <= MAX_WEIGHTS,
             "%ld weights for each of %d outputs; at most %d", per_output, g->o, MAX_WEIGHTS);
    return STATUS_OK;
}

static Status check_keeps_grid(const Node *n, const GraphTensor *x, const GraphTensor *y)
{
    RULE(x->scale == y->scale && x->zero_point == y->zero_point,
         "input \"%s\" on the grid (%.9g, %d), output on (%.9g, %d); must be the same", x->name, (double)x->scale,
         x->zero_point, (double)y->scale, y->zero_point);
    if (n->op != NODE_AVGPOOL)
        RULE(x->qmin >= y->qmin && x->qmax <= y->qmax,
             "codes %d to %d of input \"%s\"; must lie in the output's %d to %d", x->qmin, x->qmax, x->name, y->qmin,
             y->qmax);
    return STATUS_OK;
}

/* Stored weight number i of output o. */
static int weight_of(const Node *n, long per_output, int o, long i)
{
    return n->op == NODE_DWCONV2D ? n->weights[i * n->geom.o + o] : n->weights[o * per_output + i];
}

static Status check_weights(const Graph *g, const Node *n, const GraphTensor *x, const GraphTensor *y)
{
    RULE(n->weights != NULL && n->bias != NULL && n->weight_scale != NULL,
         "no weights, bias or weight scales; must have all three");
    RULE(n->weight_bits >= 2 && n->weight_bits <= 8 && n->weight_shift >= 0 && n->weight_shift <= 8 - n->weight_bits,
         "%d-bit weights shifted by %d; must be 2 to 8 bits, shifted by 0 to 8 - bits", n->weight_bits,
         n->weight_shift);
    const int step = 1 << n->weight_shift, limit = 1 << (n->weight_bits - 1);
    const long per_output = node_weights(n) / n->geom.o;
    for (int o = 0; o < n->geom.o; o++) {
        for (long i = 0; i < per_output; i++) {
            const int w = weight_of(n, per_output, o, i);
            RULE(w % step == 0 && w / step >= -limit && w / step < limit,
                 "channel %d: weight %d; must be a %d-bit code shifted by %d", o, w, n->weight_bits, n->weight_shift);
        }
        const float s = n->weight_scale[o];
        RULE(graph_scale_ok(s), "channel %d: weight scale %g; must be finite and above 0", o, (double)s);
        const Multiplier M = multiplier_make(g->rounding, x->scale, s, y->scale);
        RULE(!rounding_is_float(g->rounding) || isfinite(M.f), "channel %d: multiplier %g; must be finite in float32",
             o, (double)M.f);
        const int64_t products = channel_products(node_channel_weights(n, o), x->zero_point, x->qmin, x->qmax);
        const double exact = (double)x->scale * (double)s / (double)y->scale;
        if (channel_sums_check(o, products, n->bias[o], exact) != STATUS_OK)
            return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", n->name);
    }
    return STATUS_OK;
}

static Status check_add(const Graph *g, const Node *n, const GraphTensor *a, const GraphTensor *y)
{
    const GraphTensor *b = &g->tensor[n->input[1]];
    RULE(same_shape(a, b) && same_shape(a, y), "adds [%d,%d,%d] and [%d,%d,%d] to [%d,%d,%d]; must be one shape", a->h,
         a->w, a->c, b->h, b->w, b->c, y->h, y->w, y->c);
    const double larger = (double)(a->scale > b->scale ? a->scale : b->scale);
    AddParams unused;
    /* 2 max(s1, s2) / (2^20 s_y) is a right shift. */
    RULE(2.0 * larger < 0x1p20 * (double)y->scale &&
             add_params_make(g->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                             n->lo, n->hi, &unused),
         "adds scales %.9g and %.9g to %.9g; %s needs %s", (double)a->scale, (double)b->scale, (double)y->scale,
         rounding_names[g->rounding], rounding_add_needs(g->rounding));
    return STATUS_OK;
}

static Status check_concat(const Graph *g, const Node *n, const GraphTensor *y)
{
    int channels = 0;
    for (int i = 0; i < n->inputs; i++) {
        const GraphTensor *x = &g->tensor[n->input[i]];
        RULE(x->h == y->h && x->w == y->w, "input \"%s\" of %d x %d cells; must be the output's %d x %d", x->name, x->h,
             x->w, y->h, y->w);
        TRY(check_keeps_grid(n, x, y));
        channels += x->c;
    }
    RULE(channels == y->c, "%d output channels; must be the %d of its inputs together", y->c, channels);
    return STATUS_OK;
}

static Status check_requant(const Graph *g, const Node *n, const GraphTensor *x, const GraphTensor *y)
{
    int8_t unused[256];
    RULE(same_shape(x, y), "[%d,%d,%d] to [%d,%d,%d]; must be one shape", x->h, x->w, x->c, y->h, y->w, y->c);
    RULE(rescale_table(g->rounding, x->scale, x->zero_point, y->scale, y->zero_point, n->lo, n->hi, unused),
         "rescales %.9g to %.9g; %s needs %s", (double)x->scale, (double)y->scale, rounding_names[g->rounding],
         rounding_requant_needs(g->rounding));
    /* As of sums (channel_sums_check): no rounding rule leaves int32. */
    const double M = (double)x->scale / (double)y->scale;
    RULE(M * graph_tensor_max_magnitude(x) < 0x1p30,
         "codes up to %d from zero times the multiplier %g; must stay below 2^30", graph_tensor_max_magnitude(x), M);
    return STATUS_OK;
}

static Status check_op(const Graph *g, const Node *n)
{
    const GraphTensor *x = &g->tensor[n->input[0]], *y = &g->tensor[n->output];
    switch (n->op) {
    case NODE_CONV2D:
    case NODE_DWCONV2D:
    case NODE_DENSE:
        TRY(check_window(n, x, y));
        return check_weights(g, n, x, y);
    case NODE_AVGPOOL:
        /* onnxruntime adds the reals of a window in float32. */
        RULE(isfinite(x->scale * 255.0f * (float)MAX_KERNEL_AREA), "scale %g; its averages must be finite in float32",
             (double)x->scale);
        TRY(check_window(n, x, y));
        return check_keeps_grid(n, x, y);
    case NODE_MAXPOOL:
        TRY(check_window(n, x, y));
        return check_keeps_grid(n, x, y);
    case NODE_ADD:
        return check_add(g, n, x, y);
    case NODE_CONCAT:
        return check_concat(g, n, y);
    case NODE_RESHAPE:
        RULE(graph_tensor_elements(x) == graph_tensor_elements(y), "%ld elements in, %ld out; must be the same number",
             graph_tensor_elements(x), graph_tensor_elements(y));
        return check_keeps_grid(n, x, y);
    case NODE_REQUANT:
        return check_requant(g, n, x, y);
    case NODE_LUT:
        RULE(same_shape(x, y), "[%d,%d,%d] to [%d,%d,%d]; must be one shape", x->h, x->w, x->c, y->h, y->w, y->c);
        RULE(n->table != NULL, "no table; must have one");
        for (int i = 0; i < 256; i++)
            RULE(n->table[i] >= y->qmin && n->table[i] <= y->qmax, "table[%d] is %d; must be %d to %d", i, n->table[i],
                 y->qmin, y->qmax);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static bool clamps(NodeType op)
{
    return op != NODE_MAXPOOL && op != NODE_CONCAT && op != NODE_LUT && op != NODE_RESHAPE;
}

Status graph_check_node(const Graph *g, int index, bool *made)
{
    const Node *n = &g->node[index];
    if (n->name == NULL) return status_fail(STATUS_UNSUPPORTED, "node %d: no name; must be its output's", index);
    RULE((int)n->op >= NODE_CONV2D && (int)n->op < NODE_TYPES, "op %d; must be 0 to %d", (int)n->op, NODE_TYPES - 1);
    RULE(n->output >= 1 && n->output < g->tensors, "output tensor %d; must be 1 to %d", n->output, g->tensors - 1);
    RULE(!made[n->output], "output tensor %d is written twice; must be written once", n->output);
    const GraphTensor *y = &g->tensor[n->output];
    RULE(strcmp(n->name, y->name) == 0, "its output is named \"%s\"; must have the node's name", y->name);
    const int least = n->op == NODE_ADD ? 2 : 1, most = n->op == NODE_CONCAT ? NODE_MAX_INPUTS : least;
    RULE(n->inputs >= least && n->inputs <= most, "%d inputs of a %s; must be %d to %d", n->inputs,
         node_type_names[n->op], least, most);
    for (int i = 0; i < n->inputs; i++)
        RULE(n->input[i] >= 0 && n->input[i] < g->tensors && made[n->input[i]],
             "input %d is tensor %d; must be the image or the output of an earlier node", i, n->input[i]);
    made[n->output] = true;
    if (clamps(n->op))
        RULE(n->lo >= y->qmin && n->hi <= y->qmax && n->lo <= n->hi, "clamp %d to %d; must lie in the codes %d to %d",
             n->lo, n->hi, y->qmin, y->qmax);
    return check_op(g, n);
}
