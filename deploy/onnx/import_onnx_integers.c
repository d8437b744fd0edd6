/* The imported layers as an integer graph: one node each, and a change of grid before a concat where inputs differ. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"
#include "graph/node.h"

typedef struct {
    Import *im;
    Graph *g;
    int *tensor_of; /* [layer + 1]; 0: the image */
    int *readers;   /* [layer + 1] */
} Builder;

#define IMPORTED(ID, layer, op) [IMPORT_##ID] = NODE_##op,
static const NodeKind ops[] = {
#include "deploy/import_layers.def"
};
#undef IMPORTED

const NodeType *import_node_type(const ImportLayer *l)
{
    const bool table = l->table != NULL || activation_curve(l->activation) != NULL;
    return table ? &node_lut : node_types[ops[l->kind]];
}

/* The width that holds so many codes. */
static int width(int codes)
{
    int bits = 2;
    while (1 << bits < codes) bits++;
    return bits;
}

/* A grid has two codes at least, also where a clamp leaves one. */
static GraphTensor tensor(const char *name, Extent size, const ImportGrid *g)
{
    const int more = g->qmin == g->qmax, qmax = g->qmax + (more && g->qmax < INT8_MAX);
    const int qmin = g->qmin - (more && g->qmax == INT8_MAX);
    return (GraphTensor){.name = name,
                         .h = size.h,
                         .w = size.w,
                         .c = size.c,
                         .scale = g->scale,
                         .zero_point = g->zero_point,
                         .bits = width(qmax - qmin + 1),
                         .qmin = qmin,
                         .qmax = qmax};
}

/* The code of a bound, within lo .. hi. */
static int bound_code(const GraphTensor *y, float bound, int lo, int hi)
{
    const float code = rintf(bound / y->scale) + (float)y->zero_point;
    return code <= (float)lo ? lo : code >= (float)hi ? hi : (int)code;
}

static void clamp(const GraphTensor *y, const ImportLayer *l, int *lo, int *hi)
{
    *lo = bound_code(y, l->least, y->qmin, y->qmax);
    *hi = bound_code(y, l->most, *lo, y->qmax);
}

/* A clamp at the top of int8, from 127 - (2^b - 1), is an unsigned grid of b bits, as ours are: its codes are those. */
static void narrow(GraphTensor *y, const Node *n)
{
    const int codes = n->hi - n->lo + 1;
    if (n->hi != 127 || n->lo != y->zero_point || codes < 4 || (codes & (codes - 1)) != 0) return;
    y->qmin = n->lo;
    y->bits = width(codes);
}

/* The fewest bits that hold the weights, less the zeros that all of them end with. */
static void weight_width(Node *n, long count)
{
    int all = 0, most = 0;
    for (long i = 0; i < count; i++) {
        all |= n->weights[i];
        const int max_magnitude = n->weights[i] < 0 ? -1 - n->weights[i] : n->weights[i];
        most = max_magnitude > most ? max_magnitude : most;
    }
    n->weight_shift = 0;
    while (all != 0 && (all >> n->weight_shift & 1) == 0) n->weight_shift++;
    n->weight_bits = 2;
    while (most >> n->weight_shift >= 1 << (n->weight_bits - 1)) n->weight_bits++;
}

/* A bias of numbers is rounded to the grid of the sums. */
static Status bias_codes(const Builder *b, const ImportLayer *l, const GraphTensor *x, Node *n)
{
    const int outputs = l->geom.o;
    int32_t *to = import_alloc(b->im, sizeof(int32_t) * (size_t)outputs);
    if (to == NULL) return STATUS_NOMEM;
    for (int o = 0; o < outputs; o++) {
        const double code = l->bias_codes != NULL ? (double)l->bias_codes[o]
                            : l->bias != NULL
                                ? rint((double)l->bias[o] / ((double)x->scale * (double)l->weight_scale[o]))
                                : 0.0;
        if (!(fabs(code) < 0x1p31)) /* graph_check proves the rest */
            return status_fail(STATUS_NUMERIC, "channel %d: bias of %.3g steps of its grid; must be below 2^31", o,
                               code);
        to[o] = (int32_t)code;
    }
    n->bias = to;
    return STATUS_OK;
}

/* A channel without weights is its bias.  Where that is less than half a step of the output, with a multiplier that
 * XNNPACK has no number for, it is 0 in every rounding, with any multiplier. */
static void clear_constants(const ImportLayer *l, const GraphTensor *x, const GraphTensor *y, const Node *n)
{
    int32_t *bias = (int32_t *)(uintptr_t)n->bias;
    for (int o = 0; o < l->geom.o; o++) {
        if (x->scale * l->weight_scale[o] / y->scale >= 0x1p-32f || node_channel_weights(n, o).magnitude != 0) continue;
        bias[o] = 0;
        l->weight_scale[o] = y->scale / x->scale * 0x1p-24f;
    }
}

static Node *add_node(Builder *b, NodeKind op, const GraphTensor *y)
{
    Graph *g = b->g;
    g->tensor[g->tensors] = *y;
    Node *n = &g->node[g->nodes++];
    *n = (Node){.op = op, .name = y->name, .output = g->tensors++, .lo = y->qmin, .hi = y->qmax};
    return n;
}

/* Input i of a node that keeps the grid of all its inputs, on that grid. */
static int on_grid_of(Builder *b, const ImportLayer *l, int i, int from)
{
    const GraphTensor *x = &b->g->tensor[from];
    const ImportGrid *g = &l->grid;
    if (x->scale == g->scale && x->zero_point == g->zero_point && x->qmin >= g->qmin && x->qmax <= g->qmax) return from;
    const GraphTensor y = tensor(arena_printf(b->im->arena, "%s.input%d", l->name, i), (Extent){x->h, x->w, x->c}, g);
    Node *n = add_node(b, NODE_REQUANT, &y);
    n->inputs = 1;
    n->input[0] = from;
    return n->output;
}

/* Bounds after a pair on the same grid are part of what stands before it, if nothing else reads that. */
static bool joins_clamp(Builder *b, int index)
{
    const ImportLayer *l = &b->im->layer[index];
    if (l->kind != IMPORT_ACTIVATION || import_node_type(l)->clamp != CLAMP_CODES || l->input[0] < 0 ||
        b->readers[l->input[0] + 1] != 1)
        return false;
    const ImportLayer *before = &b->im->layer[l->input[0]];
    if (import_node_type(before)->clamp != CLAMP_CODES) return false;
    const int from = b->tensor_of[l->input[0] + 1];
    GraphTensor *y = &b->g->tensor[from];
    Node *n = &b->g->node[from - 1];
    if (y->scale != l->grid.scale || y->zero_point != l->grid.zero_point) return false;
    const int lo = bound_code(y, l->least, n->lo, n->hi), hi = bound_code(y, l->most, lo, n->hi);
    const int least = lo > l->grid.qmin ? lo : l->grid.qmin, most = hi < l->grid.qmax ? hi : l->grid.qmax;
    if (least > most) return false;
    n->lo = least;
    n->hi = most;
    narrow(y, n);
    b->tensor_of[index + 1] = from;
    return true;
}

/* A node that has one grid with several inputs. */
static bool joins(const ImportLayer *l)
{
    return import_node_type(l)->keeps_grid && import_node_type(l)->max_inputs > 1;
}

static const int8_t *table_of(const Builder *b, const CurveType *curve, const GraphTensor *x, const GraphTensor *y)
{
    float s_x = x->scale, s_y = y->scale;
    const QuantParams from = {.qmin = x->qmin, .qmax = x->qmax, .scale = &s_x, .zero_point = x->zero_point};
    const QuantParams to = {.qmin = y->qmin, .qmax = y->qmax, .scale = &s_y, .zero_point = y->zero_point};
    int8_t *table = ARENA_ARRAY(b->im->arena, int8_t, 256);
    curve_table(curve, &from, &to, table);
    return table;
}

static Status add_layer(Builder *b, int index)
{
    const ImportLayer *l = &b->im->layer[index];
    const NodeType *type = import_node_type(l);
    int from[LAYER_MAX_INPUTS];
    if (joins_clamp(b, index)) return STATUS_OK;
    for (int i = 0; i < l->inputs; i++) {
        from[i] = b->tensor_of[l->input[i] + 1];
        if (joins(l)) from[i] = on_grid_of(b, l, i, from[i]);
    }
    const GraphTensor *x = &b->g->tensor[from[0]];
    GraphTensor y = tensor(l->name, l->out, &l->grid);
    if (type->keeps_grid && !joins(l)) { /* codes of the input, of a mean perhaps fewer */
        y.qmin = x->qmin > y.qmin ? x->qmin : y.qmin;
        y.qmax = x->qmax < y.qmax ? x->qmax : y.qmax;
        y.bits = width(y.qmax - y.qmin + 1);
    }
    const CurveType *curve = activation_curve(l->activation);
    Node *n = add_node(b, type == &node_lut ? NODE_LUT : ops[l->kind], &y);
    if (type == &node_lut) n->table = curve != NULL ? table_of(b, curve, x, &y) : l->table;
    n->inputs = l->inputs;
    for (int i = 0; i < l->inputs; i++) n->input[i] = from[i];
    if (l->grid.qmin == l->grid.qmax) {
        n->lo = n->hi = l->grid.qmin;
    } else if (type->clamp == CLAMP_CODES) {
        clamp(&y, l, &n->lo, &n->hi);
        narrow(&b->g->tensor[n->output], n);
    }
    n->geom = l->geom;
    n->geom.n = 1;
    b->tensor_of[index + 1] = n->output;
    if (!import_has_weights(l)) return STATUS_OK;
    n->weights = l->codes;
    n->weight_scale = l->weight_scale;
    weight_width(n, import_inner(l) * l->geom.o);
    TRY(bias_codes(b, l, x, n));
    clear_constants(l, x, &y, n);
    return STATUS_OK;
}

/* Mean and std for which the image's codes are its pixels: (p / 255 - mean) / std = scale (p - 128 - zero point). */
static Status image_values(Import *im, Graph *g)
{
    float *values = import_alloc(im, 2 * sizeof(float) * (size_t)g->channels);
    if (values == NULL) return STATUS_NOMEM;
    for (int c = 0; c < g->channels; c++) {
        values[c] = (float)((im->image_grid.zero_point + 128) / 255.0);
        values[g->channels + c] = (float)(1.0 / (255.0 * (double)im->image_grid.scale));
    }
    g->mean = values;
    g->std = values + g->channels;
    return STATUS_OK;
}

Status import_to_qgraph(Import *im, ImportedModel *out)
{
    int most = 1;
    for (int i = 0; i < im->layers; i++) most += 1 + (joins(&im->layer[i]) ? im->layer[i].inputs : 0);
    if (most > GRAPH_MAX_NODES)
        return status_fail(STATUS_UNSUPPORTED, "%s: %d nodes; at most %d are accepted", im->path, most,
                           GRAPH_MAX_NODES);
    Graph *g = ARENA_ARRAY(im->arena, Graph, 1);
    *g = (Graph){.tensor = ARENA_ARRAY(im->arena, GraphTensor, most),
                 .node = ARENA_ARRAY(im->arena, Node, most),
                 .tensors = 1,
                 .classes = out->classes,
                 .channels = im->image.c,
                 .class_names = out->class_names,
                 .mean = out->mean,
                 .std = out->std,
                 .model_name = out->name};
    g->tensor[0] = tensor("input", im->image, &im->image_grid);
    Builder b = {im, g, ARENA_ARRAY(im->arena, int, im->layers + 1), ARENA_ARRAY(im->arena, int, im->layers + 1)};
    for (int i = 0; i < im->layers; i++)
        for (int k = 0; k < im->layer[i].inputs; k++) b.readers[im->layer[i].input[k] + 1]++;
    for (int i = 0; i < im->layers; i++) {
        const Status status = add_layer(&b, i);
        if (status != STATUS_OK) return status_prefix(status, "%s: %s", im->path, im->layer[i].node);
    }
    g->output = b.tensor_of[im->layers];
    if (g->mean == NULL) TRY(image_values(im, g));
    out->graph = g;
    return STATUS_OK;
}
