/* activation: y = quant(act(x)), where no layer can fuse it: behind a pool, an add or a concat, or where x itself is read,
 * too.  Without a function x is brought to the output's own grid, which may be that of its signs: then a table, too.  A curve is a table of codes, in floats its formula (node lut); one that a layer names as its own is this layer
 * after it. */
#include "layers/layer.h"
#include "quant/int_ops.h"

typedef struct {
    LayerCommon common;
    int function; /* as activation_names */
} ActivationConfig;

/* A list of its own: model_build makes a layer like this one of an `activation` that is a curve of activation_names. */
#define CURVE(name, doc, formula, derivative, range) #name,
static const char *const functions[] = {"none", "relu", "relu6",
#include "autograd/curves.def"
                                        NULL};
#undef CURVE

static const Field activation_fields[] = {
    LAYER_FIELDS,
    {"function", FIELD_ENUM, offsetof(ActivationConfig, function), .names = functions, .def = "\"relu\"",
     .doc =
         "relu: max(x, 0); relu6: that, and at most 6; none: x on the grid of this layer, such as its sign; the others "
         "are curves, on int8 codes a table of 256"},
    FIELD_END};

static int choice(const Layer *l) { return ((const ActivationConfig *)l->config)->function; }
static Activation act(const Layer *l) { return activation_from(choice(l)); }
static const CurveType *curve_of(const Layer *l) { return activation_curve(choice(l)); }

static Status activation_shape(Layer *l)
{
    l->out = l->in[0];
    return STATUS_OK;
}

static Status activation_build(Layer *l, LayerBuilder *b)
{
    return curve_of(l) != NULL ? layer_curve_quantizer(l, b, curve_of(l)) : layer_output_quantizer(l, b, !act(l).relu);
}

static Tensor *activation_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const CurveType *curve = curve_of(l);
    if (curve != NULL && mode->arithmetic != ARITHMETIC_FLOAT)
        return op_curve_int(t, x[0], curve, l->out_q, mode->observe && mode->arithmetic == ARITHMETIC_FAKE);
    if (curve != NULL) return layer_observe(l, mode, t, op_curve(t, x[0], curve));
    if (mode->arithmetic == ARITHMETIC_INT) return op_requant_int(t, x[0], l->out_q, act(l), mode->rounding);
    if (mode->arithmetic == ARITHMETIC_FLOAT && !act(l).relu) /* the output is a tensor of its own */
        return layer_observe(l, mode, t, op_reshape(t, x[0], x[0]->shape));
    return layer_finish(l, mode, t, x[0], act(l));
}

static FloatOp activation_real(const Layer *l)
{
    const CurveType *curve = curve_of(l);
    return (FloatOp){.op = curve != NULL ? NODE_LUT : NODE_REQUANT, .act = act(l), .curve = curve};
}

static void lower_table(Lowering *w, const CurveType *curve, Node *n)
{
    int8_t *table = ARENA_ARRAY(w->arena, int8_t, 256);
    const QuantParams *x = lower_grid(w, n->input[0]);
    if (curve != NULL)
        curve_table(curve, x, lower_grid(w, n->output), table);
    else
        sign_table(x, table);
    n->table = table;
}

static Status activation_lower(Layer *l, Lowering *w)
{
    const CurveType *curve = curve_of(l);
    const int y = lower_tensor(w, l, -1);
    const bool is_table = curve != NULL || grid_is_signs(&l->out_q->qp);
    Node *n = lower_node(w, l, is_table ? NODE_LUT : NODE_REQUANT, y);
    if (is_table)
        lower_table(w, curve, n);
    else
        activation_clamp(lower_grid(w, y), act(l), &n->lo, &n->hi);
    return STATUS_OK;
}

#define CURVE(name, doc, formula, derivative, range)                                                                   \
    "{\"type\":\"activation\",\"inputs\":\"b\",\"function\":\"" #name "\"}",
static const char *const activation_examples[] = {"{\"type\":\"activation\"}",
                                                  "{\"type\":\"activation\",\"function\":\"relu6\"}",
                                                  "{\"type\":\"activation\",\"inputs\":\"b\",\"function\":\"none\"}",
#include "autograd/curves.def"
                                                  NULL};
#undef CURVE

const LayerType layer_activation = {
    .name = "activation",
    .doc = "an activation function where no layer can fuse it: after a pool or concat, or where its input is read "
           "elsewhere, too",
    .fields = activation_fields,
    .config_bytes = sizeof(ActivationConfig),
    .min_inputs = 1,
    .max_inputs = 1,
    .gives_signs = true,
    .channels = CHANNELS_SAME,
    .shape = activation_shape,
    .build = activation_build,
    .forward = activation_forward,
    .real = activation_real,
    .lower = activation_lower,
    .examples = activation_examples};
