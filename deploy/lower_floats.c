#include "deploy/lower_floats.h"

#include "graph/node_float.h"
#include "kernels/requant_s16.h"
#include "layers/conv_unit.h"

/* A node that makes tensor `to` of tensor `from`. */
static int convert(Lowering *w, int from, int to)
{
    const GraphTensor x = w->graph->tensor[from], y = w->graph->tensor[to];
    const bool both_codes = !graph_tensor_is_float(&x) && !graph_tensor_is_float(&y);
    lowering_add_node(w, &(Node){.op = both_codes                  ? NODE_REQUANT
                                       : graph_tensor_is_float(&y) ? NODE_DEQUANTIZE
                                                                   : NODE_QUANTIZE,
                                 .name = y.name,
                                 .inputs = 1,
                                 .input = {from},
                                 .output = to,
                                 .lo = y.qmin,
                                 .hi = y.qmax});
    return to;
}

/* Codes of x on a grid of the layer's own. */
static int on_grid_of(Lowering *w, const Layer *l, const Quantizer *q, const char *name)
{
    const int to = lower_tensor_on(w, l, q);
    w->graph->tensor[to].name = name;
    return to;
}

int lower_converted(Lowering *w, const Model *m, int source, int natural, Format reads)
{
    const GraphTensor x = w->graph->tensor[natural];
    const Layer *l = source < 0 ? NULL : &m->layer[source];
    GraphTensor y = {.h = x.h, .w = x.w, .c = x.c, .format = reads};
    if (format_is_float(reads)) {
        y.name = arena_printf(w->arena, "%s.dequantized", x.name);
        return convert(w, natural, lowering_add_tensor(w, &y));
    }
    if (graph_tensor_is_float(&x) && reads == FORMAT_INT8)
        return convert(w, natural, on_grid_of(w, l, l->out_q, arena_printf(w->arena, "%s.quantized", x.name)));
    const char *name = arena_printf(w->arena, "%s.%s", x.name, format_names[reads]);
    if (x.format != FORMAT_INT8) return convert(w, natural, on_grid_of(w, l, l->other_q, name));
    y.name = name;
    y.scale = x.scale / S16_WIDENED;
    y.bits = QUANT_WIDE_BITS, y.qmin = S16_MIN, y.qmax = S16_MAX;
    return convert(w, natural, lowering_add_tensor(w, &y));
}

static int activation_index(Activation a)
{
    return !a.relu ? NODE_NO_ACTIVATION : a.limit < INFINITY ? NODE_RELU6 : NODE_RELU;
}

Status lower_floats(Layer *l, Lowering *w)
{
    if (l->type->real == NULL)
        return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": a %s in %s; layers of this type compute in integers only",
                           l->name, l->type->name, format_names[l->out_format]);
    const FloatOp r = l->type->real(l);
    const bool ends_in_codes = !format_is_float(l->out_format);
    const GraphTensor y = {.name = ends_in_codes ? arena_printf(w->arena, "%s.floats", l->name) : l->name,
                           .h = l->out.h,
                           .w = l->out.w,
                           .c = l->out.c,
                           .format = ends_in_codes ? FORMAT_FLOAT32 : l->out_format};
    const int output = lowering_add_tensor(w, &y);
    Node *n = lower_node(w, l, r.op, output);
    n->name = y.name;
    n->geom = r.geom;
    if (r.geom.kh > 0) n->geom.n = 1;
    n->activation = activation_index(r.act);
    n->curve = r.curve;
    if (r.op == NODE_MULTIPLY) lower_larger_first(w, n);
    if (l->weight != NULL) TRY(unit_lower_floats(l, w, n));
    if (!ends_in_codes) return STATUS_OK;
    convert(w, output, lower_tensor(w, l, -1));
    return STATUS_OK;
}
