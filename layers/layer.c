#include "layers/layer.h"

#include <math.h>
#include <string.h>

#define LAYER(name) extern const LayerType layer_##name;
#include "layers/layers.def"
#undef LAYER

#define LAYER(name) &layer_##name,
const LayerType *const layer_types[] = {
#include "layers/layers.def"
    NULL};
#undef LAYER

#define LAYER(name) #name,
const char *const layer_type_names[] = {
#include "layers/layers.def"
    NULL};
#undef LAYER

const LayerType *layer_type(const char *name)
{
    for (int i = 0; layer_types[i] != NULL; i++)
        if (strcmp(layer_types[i]->name, name) == 0) return layer_types[i];
    return NULL;
}

enum { RELU = 1, RELU6 };
#define CURVE(name, doc, formula, derivative, range) #name,
const char *const activation_names[] = {"none", "relu", "relu6",
#include "autograd/curves.def"
                                        NULL};
#undef CURVE

Activation activation_from(int choice)
{
    return (Activation){.relu = choice == RELU || choice == RELU6, .limit = choice == RELU6 ? 6.0f : INFINITY};
}

const CurveType *activation_curve(int choice)
{
    return choice < ACTIVATION_FIRST_CURVE ? NULL : &curve_types[choice - ACTIVATION_FIRST_CURVE];
}

static Status output_quantizer(Layer *l, LayerBuilder *b, QuantizerSpec spec, bool is_signed)
{
    l->out_q = quantizer_create(b->arena, b->params, arena_printf(b->arena, "%s.out", l->name), &spec,
                                (QuantizedTensor){.is_signed = is_signed});
    if (l->out_q == NULL) return STATUS_CONFIG;
    if (!grid_is_signs(&l->out_q->qp) || (l->type->gives_signs && !format_is_float(l->out_format))) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "quantizer \"%s\" for the output of %s; -1 and 1 are what a convolution, a dense layer or an "
                       "activation \"none\" in integers gives: an override of this layer with \"activation_bits\" is "
                       "required",
                       spec.type->name, format_is_float(l->out_format) ? "a layer in floats" : l->type->name);
}

static bool needs_codes(const Layer *l, const LayerBuilder *b)
{
    if (b->quant == NULL || layer_gives_sums(l)) return false;
    return !format_is_float(l->out_format) || l->feeds_codes;
}

static QuantizerSpec output_spec(const Layer *l, const LayerBuilder *b)
{
    QuantPlace place = b->place;
    place.in_floats = format_is_float(l->out_format);
    return quant_activation_spec(b->quant, place);
}

bool layer_output_signs(const Layer *l, const LayerBuilder *b, bool is_signed)
{
    if (!is_signed || !needs_codes(l, b)) return false;
    const QuantizerSpec spec = output_spec(l, b);
    return quantizer_gives_signs(spec.type, spec.bits);
}

Status layer_output_quantizer(Layer *l, LayerBuilder *b, bool is_signed)
{
    l->out_signed = is_signed;
    return needs_codes(l, b) ? output_quantizer(l, b, output_spec(l, b), is_signed) : STATUS_OK;
}

Status layer_other_quantizer(Layer *l, LayerBuilder *b)
{
    if (!l->feeds_other) return STATUS_OK;
    QuantizerSpec spec = quant_activation_spec(b->quant, b->place);
    spec.bits = l->out_format == FORMAT_INT16 ? QUANT_MAX_BITS : QUANT_WIDE_BITS;
    spec.narrow = false, spec.symmetric = spec.bits == QUANT_WIDE_BITS;
    spec.type = quantizer_type("observed"), spec.keys = NULL;
    l->other_q = quantizer_create(b->arena, b->params, arena_printf(b->arena, "%s.other", l->name), &spec,
                                  (QuantizedTensor){.is_signed = l->out_signed});
    return l->other_q != NULL ? STATUS_OK : STATUS_CONFIG;
}

/* A grid that is known needs no quantizer that finds it. */
Status layer_curve_quantizer(Layer *l, LayerBuilder *b, const CurveType *curve)
{
    QuantizerSpec spec = {0};
    if (needs_codes(l, b)) spec = output_spec(l, b);
    if (spec.type != NULL && quantizer_gives_signs(spec.type, spec.bits))
        return status_fail(STATUS_CONFIG,
                           "quantizer \"%s\" for the output of the curve \"%s\"; -1 and 1 are the signs of what is "
                           "before it: activation \"none\", or an override of this layer with \"activation_bits\" is "
                           "required",
                           spec.type->name, curve->name);
    if (curve->range == CURVE_FREE) return layer_output_quantizer(l, b, true);
    l->out_signed = curve->lo < 0.0f;
    if (spec.type == NULL) return STATUS_OK;
    spec.type = quantizer_type("observed"), spec.keys = NULL;
    TRY(output_quantizer(l, b, spec, l->out_signed));
    curve_grid(curve, &l->out_q->qp);
    l->out_q->ready = l->out_q->fixed = true;
    return STATUS_OK;
}

Tensor *layer_finish(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y, Activation a)
{
    if (mode->arithmetic != ARITHMETIC_FLOAT) return op_fake_quant(t, y, l->out_q, a, mode->observe);
    if (a.relu) y = op_relu(t, y, a.limit);
    return layer_observe(l, mode, t, y);
}

EpilogueConfig layer_epilogue(const Layer *l, const ForwardMode *mode, Activation a)
{
    return (EpilogueConfig){
        .act = a, .q = mode->arithmetic == ARITHMETIC_FLOAT ? NULL : l->out_q, .learn = mode->observe};
}

Tensor *layer_observe(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y)
{
    if (mode->arithmetic != ARITHMETIC_FLOAT || !mode->observe) return y;
    Quantizer *const sees[] = {l->out_q, l->other_q};
    for (int i = 0; i < 2; i++) {
        if (sees[i] == NULL || tape_failed(t)) continue;
        const Status status = observer_update(&sees[i]->observer, y->x, (size_t)tensor_elements(y));
        if (status != STATUS_OK) tape_fail(t, status_prefix(status, "%s", l->name));
    }
    return y;
}

enum { FIRST_ROOM = 16 };

int lowering_add_tensor(Lowering *w, const GraphTensor *tensor)
{
    Graph *g = w->graph;
    if (g->tensors == w->tensor_room) {
        w->tensor_room = w->tensor_room == 0 ? FIRST_ROOM : 2 * w->tensor_room;
        GraphTensor *larger = ARENA_ARRAY(w->arena, GraphTensor, w->tensor_room);
        if (g->tensors > 0) memcpy(larger, g->tensor, sizeof *larger * (size_t)g->tensors);
        g->tensor = larger;
    }
    g->tensor[g->tensors] = *tensor;
    return g->tensors++;
}

Node *lowering_add_node(Lowering *w, const Node *node)
{
    Graph *g = w->graph;
    if (g->nodes == w->node_room) {
        w->node_room = w->node_room == 0 ? FIRST_ROOM : 2 * w->node_room;
        Node *larger = ARENA_ARRAY(w->arena, Node, w->node_room);
        if (g->nodes > 0) memcpy(larger, g->node, sizeof *larger * (size_t)g->nodes);
        g->node = larger;
    }
    g->node[g->nodes] = *node;
    return &g->node[g->nodes++];
}

static int lower_on(Lowering *w, const Layer *l, GraphTensor y)
{
    y.name = l->name;
    y.h = l->out.h, y.w = l->out.w, y.c = l->out.c;
    return lowering_add_tensor(w, &y);
}

int lower_tensor_on(Lowering *w, const Layer *l, const Quantizer *q)
{
    const QuantParams *qp = &q->qp;
    return lower_on(w, l,
                    (GraphTensor){.scale = qp->scale[0],
                                  .zero_point = qp->zero_point,
                                  .bits = qp->bits,
                                  .qmin = qp->qmin,
                                  .qmax = qp->qmax,
                                  .format = qp->bits == QUANT_WIDE_BITS ? FORMAT_INT16 : FORMAT_INT8});
}

int lower_tensor(Lowering *w, const Layer *l, int same_grid)
{
    return same_grid >= 0 ? lower_on(w, l, w->graph->tensor[same_grid]) : lower_tensor_on(w, l, l->out_q);
}

int lower_tensor_of_sums(Lowering *w, const Layer *l)
{
    return lower_on(
        w, l, (GraphTensor){.bits = QUANT_SUM_BITS, .qmin = -INT32_MAX, .qmax = INT32_MAX, .format = FORMAT_INT32});
}

Node *lower_node(Lowering *w, const Layer *l, NodeKind op, int output)
{
    Node *n = lowering_add_node(w, &(Node){.op = op, .name = l->name, .inputs = l->inputs, .output = output});
    for (int i = 0; i < l->inputs; i++) n->input[i] = w->tensor_of[l->input[i] + 1];
    n->lo = w->graph->tensor[output].qmin;
    n->hi = w->graph->tensor[output].qmax;
    return n;
}

/* Tensor `from` on the grid of out_q. */
static int lower_input(Lowering *w, const Layer *l, int i, int from)
{
    const QuantParams *qp = &l->out_q->qp;
    GraphTensor y = w->graph->tensor[from];
    if (y.scale == qp->scale[0] && y.zero_point == qp->zero_point && y.qmin >= qp->qmin && y.qmax <= qp->qmax)
        return from;
    y.name = arena_printf(w->arena, "%s.input%d", l->name, i);
    y.scale = qp->scale[0], y.zero_point = qp->zero_point;
    y.bits = qp->bits, y.qmin = qp->qmin, y.qmax = qp->qmax;
    const int to = lowering_add_tensor(w, &y);
    lowering_add_node(w, &(Node){.op = NODE_REQUANT,
                                 .name = y.name,
                                 .inputs = 1,
                                 .input = {from},
                                 .output = to,
                                 .lo = qp->qmin,
                                 .hi = qp->qmax});
    return to;
}

Node *lower_node_of_one_grid(Lowering *w, const Layer *l, NodeKind op)
{
    int source[LAYER_MAX_INPUTS] = {0};
    for (int i = 0; i < l->inputs; i++) source[i] = lower_input(w, l, i, w->tensor_of[l->input[i] + 1]);
    Node *n = lower_node(w, l, op, lower_tensor(w, l, -1));
    for (int i = 0; i < l->inputs; i++) n->input[i] = source[i];
    return n;
}

void lower_larger_first(const Lowering *w, Node *n)
{
    const GraphTensor *t = w->graph->tensor;
    const int a = n->input[0], b = n->input[1];
    if (graph_tensor_elements(&t[a]) < graph_tensor_elements(&t[b])) n->input[0] = b, n->input[1] = a;
}

QuantParams *lower_grid(Lowering *w, int tensor)
{
    const GraphTensor *x = &w->graph->tensor[tensor];
    QuantParams *qp = ARENA_ARRAY(w->arena, QuantParams, 1);
    *qp = (QuantParams){.bits = x->bits,
                        .qmin = x->qmin,
                        .qmax = x->qmax,
                        .axis = -1,
                        .n = 1,
                        .scale = ARENA_ARRAY(w->arena, float, 1),
                        .zero_point = x->zero_point};
    qp->scale[0] = x->scale;
    return qp;
}

int layer_params(const Layer *l, Param *params[LAYER_PARAMS])
{
    Param *const all[LAYER_PARAMS] = {l->weight, l->bias, l->gamma, l->beta};
    int n = 0;
    for (int i = 0; i < LAYER_PARAMS; i++)
        if (all[i] != NULL) params[n++] = all[i];
    return n;
}
