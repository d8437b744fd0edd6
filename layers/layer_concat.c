/* concat: the inputs side by side along the channels, on one grid. */
#include "layers/layer.h"
#include "quant/int_ops.h"

typedef struct {
    LayerCommon common;
} ConcatConfig;

static const Field concat_fields[] = {LAYER_FIELDS, FIELD_END};

static Status concat_shape(Layer *l)
{
    l->out = l->in[0];
    for (int i = 1; i < l->inputs; i++) {
        if (l->in[i].h != l->out.h || l->in[i].w != l->out.w)
            return status_fail(STATUS_SHAPE, "%d x %d beside %d x %d; all inputs must have the same rows and columns",
                               l->out.h, l->out.w, l->in[i].h, l->in[i].w);
        l->out.c += l->in[i].c;
    }
    return STATUS_OK;
}

static Status concat_build(Layer *l, LayerBuilder *b) { return layer_output_quantizer(l, b, true); }

static Tensor *concat_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    if (mode->arithmetic == ARITHMETIC_INT) return op_concat_int(t, l->inputs, x, l->out_q, mode->rounding);
    return layer_finish(l, mode, t, op_concat(t, l->inputs, x), activation_from(0));
}

static FloatOp concat_real(const Layer *l)
{
    (void)l;
    return (FloatOp){.op = NODE_CONCAT, .act = activation_from(0)};
}

/* Inputs on another grid get a requant node of their own: the concat itself only copies. */
static Status concat_lower(Layer *l, Lowering *w)
{
    int source[LAYER_MAX_INPUTS] = {0};
    const QuantParams *qp = &l->out_q->qp;
    for (int i = 0; i < l->inputs; i++) {
        const int from = w->tensor_of[l->input[i] + 1];
        source[i] = from;
        GraphTensor y = w->graph->tensor[from];
        if (y.scale == qp->scale[0] && y.zero_point == qp->zero_point && y.qmin >= qp->qmin && y.qmax <= qp->qmax)
            continue;
        y.name = arena_printf(w->arena, "%s.input%d", l->name, i);
        y.scale = qp->scale[0], y.zero_point = qp->zero_point;
        y.bits = qp->bits, y.qmin = qp->qmin, y.qmax = qp->qmax;
        source[i] = lowering_add_tensor(w, &y);
        lowering_add_node(w, &(Node){.op = NODE_REQUANT,
                                     .name = y.name,
                                     .inputs = 1,
                                     .input = {from},
                                     .output = source[i],
                                     .lo = qp->qmin,
                                     .hi = qp->qmax});
    }
    Node *n = lower_node(w, l, NODE_CONCAT, lower_tensor(w, l, -1));
    for (int i = 0; i < l->inputs; i++) n->input[i] = source[i];
    return STATUS_OK;
}

static const char *const concat_examples[] = {"{\"type\":\"concat\",\"inputs\":[\"a\",\"b\"]}", NULL};

const LayerType layer_concat = {.name = "concat",
                                .doc = "inputs side by side along the channels",
                                .fields = concat_fields,
                                .config_bytes = sizeof(ConcatConfig),
                                .min_inputs = 2,
                                .max_inputs = LAYER_MAX_INPUTS,
                                .shape = concat_shape,
                                .build = concat_build,
                                .forward = concat_forward,
                                .real = concat_real,
                                .lower = concat_lower,
                                .examples = concat_examples};
