/* activation: y = quant(act(x)), where no layer can fuse it: behind a pool or a concat, or where x itself is read,
 * too. */
#include "layers/layer.h"
#include "quant/int_ops.h"

typedef struct {
    LayerCommon common;
    int function; /* activation_names without "none" */
} ActivationConfig;

static const Field activation_fields[] = {LAYER_FIELDS,
                                          {"function", FIELD_ENUM, offsetof(ActivationConfig, function),
                                           .names = activation_names + 1, .def = "\"relu\"",
                                           .doc = "relu: max(x, 0); relu6: that, and at most 6"},
                                          FIELD_END};

static Activation act(const Layer *l) { return activation_from(1 + ((const ActivationConfig *)l->config)->function); }

static Status activation_shape(Layer *l)
{
    l->out = l->in[0];
    return STATUS_OK;
}

static Status activation_build(Layer *l, LayerBuilder *b) { return layer_output_quantizer(l, b, false); }

static Tensor *activation_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    if (mode->arithmetic == ARITHMETIC_INT) return op_requant_int(t, x[0], l->out_q, act(l), mode->rounding);
    return layer_finish(l, mode, t, x[0], act(l));
}

static FloatOp activation_real(const Layer *l) { return (FloatOp){.op = NODE_REQUANT, .act = act(l)}; }

static Status activation_lower(Layer *l, Lowering *w)
{
    const int y = lower_tensor(w, l, -1);
    Node *n = lower_node(w, l, NODE_REQUANT, y);
    activation_clamp(lower_grid(w, y), act(l), &n->lo, &n->hi);
    return STATUS_OK;
}

static const char *const activation_examples[] = {"{\"type\":\"activation\"}",
                                                  "{\"type\":\"activation\",\"function\":\"relu6\"}", NULL};

const LayerType layer_activation = {
    .name = "activation",
    .doc =
        "ReLU or ReLU6 where no layer can fuse it: behind a pool or concat, or where its input is read elsewhere, too",
    .fields = activation_fields,
    .config_bytes = sizeof(ActivationConfig),
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = activation_shape,
    .build = activation_build,
    .forward = activation_forward,
    .real = activation_real,
    .lower = activation_lower,
    .examples = activation_examples};
