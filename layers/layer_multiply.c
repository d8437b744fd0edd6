/* multiply: y = quant(act(a b)), of one shape, or one of the two [1,1,C] against every cell of the other: what a
 * squeeze-and-excite block ends with. */
#include "layers/layer.h"
#include "quant/int_ops.h"

typedef struct {
    LayerCommon common;
    int activation;
} MultiplyConfig;

static const Field multiply_fields[] = {LAYER_FIELDS,
                                        {"activation", FIELD_ENUM, offsetof(MultiplyConfig, activation),
                                         .names = activation_names, .def = "\"none\"",
                                         .doc = "fused into the layer's output"},
                                        FIELD_END};

static Activation act(const Layer *l) { return activation_from(((const MultiplyConfig *)l->config)->activation); }

static bool is_cell(Extent e) { return e.h == 1 && e.w == 1; }

/* Which input has the output's shape: the other is of that shape or of one cell. */
static int whole(const Layer *l) { return is_cell(l->in[0]) && !is_cell(l->in[1]); }

static Status multiply_shape(Layer *l)
{
    const Extent a = l->in[0], b = l->in[1];
    const bool same = a.h == b.h && a.w == b.w;
    if (a.c != b.c || !(same || is_cell(a) || is_cell(b)))
        return status_fail(STATUS_SHAPE,
                           "%d x %d x %d beside %d x %d x %d; inputs must have one shape, or one of them 1 x 1 and the "
                           "other's channels",
                           a.h, a.w, a.c, b.h, b.w, b.c);
    l->out = l->in[whole(l)];
    return STATUS_OK;
}

static Status multiply_build(Layer *l, LayerBuilder *b) { return layer_output_quantizer(l, b, !act(l).relu); }

static Tensor *multiply_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    Tensor *a = x[whole(l)], *b = x[1 - whole(l)];
    if (mode->arithmetic == ARITHMETIC_INT) return op_multiply_int(t, a, b, l->out_q, act(l), mode->rounding);
    return layer_finish(l, mode, t, op_multiply(t, a, b), act(l));
}

static FloatOp multiply_real(const Layer *l) { return (FloatOp){.op = NODE_MULTIPLY, .act = act(l)}; }

static Status multiply_lower(Layer *l, Lowering *w)
{
    const int y = lower_tensor(w, l, -1);
    Node *n = lower_node(w, l, NODE_MULTIPLY, y);
    lower_larger_first(w, n);
    activation_clamp(lower_grid(w, y), act(l), &n->lo, &n->hi);
    return STATUS_OK;
}

static const char *const multiply_examples[] = {
    "{\"type\":\"multiply\",\"inputs\":[\"a\",\"b\"]}",
    "{\"type\":\"multiply\",\"inputs\":[\"b\",\"c\"],\"activation\":\"relu\"}",
    "{\"type\":\"multiply\",\"inputs\":[\"c\",\"a\"]}", "{\"type\":\"multiply\",\"inputs\":[\"b\",\"b\"]}", NULL};

const LayerType layer_multiply = {
    .name = "multiply",
    .doc = "product of two inputs of one shape, or one of them 1 x 1 in rows and columns, with optional activation",
    .fields = multiply_fields,
    .config_bytes = sizeof(MultiplyConfig),
    .min_inputs = 2,
    .max_inputs = 2,
    .channels = CHANNELS_SAME,
    .shape = multiply_shape,
    .build = multiply_build,
    .forward = multiply_forward,
    .real = multiply_real,
    .lower = multiply_lower,
    .examples = multiply_examples};
