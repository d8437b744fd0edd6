#include "deploy/lower_floats.h"

#include "graph/node.h"
#include "layers/conv_unit.h"

/* The grid of the codes that out_q makes. */
static GraphTensor on_grid(const Layer *l, const char *name)
{
    const QuantParams *qp = &l->out_q->qp;
    return (GraphTensor){.name = name,
                         .h = l->out.h,
                         .w = l->out.w,
                         .c = l->out.c,
                         .scale = qp->scale[0],
                         .zero_point = qp->zero_point,
                         .bits = qp->bits,
                         .qmin = qp->qmin,
                         .qmax = qp->qmax};
}

static int convert(Lowering *w, int from, const GraphTensor *to)
{
    const int y = lowering_add_tensor(w, to);
    lowering_add_node(w, &(Node){.op = graph_tensor_is_float(to) ? NODE_DEQUANTIZE : NODE_QUANTIZE,
                                 .name = to->name,
                                 .inputs = 1,
                                 .input = {from},
                                 .output = y,
                                 .lo = to->qmin,
                                 .hi = to->qmax});
    return y;
}

int lower_converted(Lowering *w, const Model *m, int source, int natural)
{
    const GraphTensor x = w->graph->tensor[natural];
    if (!graph_tensor_is_float(&x)) {
        const GraphTensor y = {.name = arena_printf(w->arena, "%s.dequantized", x.name),
                               .h = x.h,
                               .w = x.w,
                               .c = x.c,
                               .format = FORMAT_FLOAT32};
        return convert(w, natural, &y);
    }
    const GraphTensor y = on_grid(&m->layer[source], arena_printf(w->arena, "%s.quantized", x.name));
    return convert(w, natural, &y);
}

static int activation_index(Activation a) { return !a.relu ? 0 : a.limit < INFINITY ? 2 : 1; }

/* What is read again at every cell comes second. */
static void larger_first(const Graph *g, Node *n)
{
    const int a = n->input[0], b = n->input[1];
    if (graph_tensor_elements(&g->tensor[a]) < graph_tensor_elements(&g->tensor[b])) n->input[0] = b, n->input[1] = a;
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
    if (r.op == NODE_MULTIPLY) larger_first(w->graph, n);
    if (l->weight != NULL) TRY(unit_lower_floats(l, w, n));
    if (!ends_in_codes) return STATUS_OK;
    const GraphTensor codes = on_grid(l, l->name);
    convert(w, output, &codes);
    return STATUS_OK;
}
