/* add: y = quant(act(a + b)), the residual connection. */
#include <math.h>

#include "layers/layer.h"
#include "quant/int_ops.h"

typedef struct {
    LayerCommon common;
    int activation;
} AddConfig;

static const Field add_fields[] = {LAYER_FIELDS,
                                   {"activation", FIELD_ENUM, offsetof(AddConfig, activation),
                                    .names = activation_names, .def = "\"none\"",
                                    .doc = "fused into the layer's output"},
                                   FIELD_END};

static Status add_shape(Layer *l)
{
    const Extent a = l->in[0], b = l->in[1];
    if (a.h != b.h || a.w != b.w || a.c != b.c)
        return status_fail(STATUS_SHAPE, "%d x %d x %d beside %d x %d x %d; both inputs must have one shape", a.h, a.w,
                           a.c, b.h, b.w, b.c);
    l->out = a;
    return STATUS_OK;
}

static Status add_build(Layer *l, LayerBuilder *b)
{
    return layer_output_quantizer(l, b, !activation_from(((const AddConfig *)l->config)->activation).relu);
}

static Tensor *add_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const Activation act = activation_from(((const AddConfig *)l->config)->activation);
    if (mode->arithmetic == ARITHMETIC_INT) return op_add_int(t, x[0], x[1], l->out_q, act, mode->rounding);
    const EpilogueConfig epilogue = layer_epilogue(l, mode, act);
    return layer_observe(l, mode, t, op_add_block(t, x[0], x[1], &epilogue));
}

static FloatOp add_real(const Layer *l)
{
    return (FloatOp){.op = NODE_ADD, .act = activation_from(((const AddConfig *)l->config)->activation)};
}

static Status add_lower(Layer *l, Lowering *w)
{
    const int y = lower_tensor(w, l, -1);
    Node *n = lower_node(w, l, NODE_ADD, y);
    activation_clamp(lower_grid(w, y), activation_from(((const AddConfig *)l->config)->activation), &n->lo, &n->hi);
    return STATUS_OK;
}

static const char *const add_examples[] = {"{\"type\":\"add\",\"inputs\":[\"a\",\"b\"],\"activation\":\"relu\"}",
                                           "{\"type\":\"add\",\"inputs\":[\"a\",\"b\"]}", NULL};

const LayerType layer_add = {.name = "add",
                             .doc = "sum of two inputs of one shape, with optional activation",
                             .fields = add_fields,
                             .config_bytes = sizeof(AddConfig),
                             .min_inputs = 2,
                             .max_inputs = 2,
                             .applies_norm = true,
                             .channels = CHANNELS_SAME,
                             .shape = add_shape,
                             .build = add_build,
                             .forward = add_forward,
                             .real = add_real,
                             .lower = add_lower,
                             .examples = add_examples};
