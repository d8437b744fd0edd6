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

static Status concat_lower(Layer *l, Lowering *w)
{
    lower_node_of_one_grid(w, l, NODE_CONCAT);
    return STATUS_OK;
}

static const char *const concat_examples[] = {"{\"type\":\"concat\",\"inputs\":[\"a\",\"b\"]}", NULL};

const LayerType layer_concat = {.name = "concat",
                                .doc = "inputs side by side along the channels",
                                .fields = concat_fields,
                                .config_bytes = sizeof(ConcatConfig),
                                .min_inputs = 2,
                                .max_inputs = LAYER_MAX_INPUTS,
                                .channels = CHANNELS_JOINED,
                                .shape = concat_shape,
                                .build = concat_build,
                                .forward = concat_forward,
                                .real = concat_real,
                                .lower = concat_lower,
                                .examples = concat_examples};
