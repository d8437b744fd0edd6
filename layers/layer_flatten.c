/* flatten: the same elements, in [H,W,C] order, as one row. */
#include "layers/layer.h"

typedef struct {
    LayerCommon common;
} FlattenConfig;

static const Field flatten_fields[] = {LAYER_FIELDS, FIELD_END};

static Status flatten_shape(Layer *l)
{
    l->out = (Extent){1, 1, l->in[0].h * l->in[0].w * l->in[0].c};
    return STATUS_OK;
}

static Tensor *flatten_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    (void)mode;
    if (tape_failed(t)) return NULL;
    return op_reshape(t, x[0], shape_4(x[0]->shape.dim[0], 1, 1, l->out.c));
}

static FloatOp flatten_real(const Layer *l)
{
    (void)l;
    return (FloatOp){.op = NODE_RESHAPE, .act = activation_from(0)};
}

static Status flatten_lower(Layer *l, Lowering *w)
{
    const int y = lower_tensor(w, l, w->tensor_of[l->input[0] + 1]);
    lower_node(w, l, NODE_RESHAPE, y);
    return STATUS_OK;
}

static const char *const flatten_examples[] = {"{\"type\":\"flatten\"}", NULL};

const LayerType layer_flatten = {.name = "flatten",
                                 .doc = "rows, columns and channels as one row",
                                 .fields = flatten_fields,
                                 .config_bytes = sizeof(FlattenConfig),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .keeps_grid = true,
                                 .shows_input = true,
                                 .channels = CHANNELS_FLAT,
                                 .shape = flatten_shape,
                                 .forward = flatten_forward,
                                 .real = flatten_real,
                                 .lower = flatten_lower,
                                 .examples = flatten_examples};
