/* dense: y = quant(act(norm(W x + b))); x is flattened in [H,W,C] order. */
#include "layers/conv_unit.h"

typedef struct {
    LayerCommon common;
    int units;
    UnitConfig unit;
} DenseConfig;

static const Field dense_fields[] = {LAYER_FIELDS,
                                     {"units", FIELD_INT, offsetof(DenseConfig, units), .min = 1, .max = 65536,
                                      .required = true, .doc = "output features"},
                                     UNIT_FIELDS(DenseConfig),
                                     FIELD_END};

static int inputs(const Layer *l) { return l->in[0].h * l->in[0].w * l->in[0].c; }

static Status dense_shape(Layer *l)
{
    const DenseConfig *c = l->config;
    l->out = (Extent){1, 1, c->units};
    return STATUS_OK;
}

static Status dense_build(Layer *l, LayerBuilder *b)
{
    const DenseConfig *c = l->config;
    return unit_build(l, b, &c->unit, shape_2(c->units, inputs(l)), c->units, 0);
}

static void dense_init(Layer *l, uint64_t seed)
{
    const DenseConfig *c = l->config;
    unit_init(l, &c->unit, inputs(l), c->units, seed);
}

static Tensor *dense_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const DenseConfig *c = l->config;
    if (tape_failed(t)) return NULL;
    const int n = x[0]->shape.dim[0];
    Tensor *y = unit_forward(l, &c->unit, CONV_DENSE, NULL, mode, t, op_reshape(t, x[0], shape_2(n, inputs(l))));
    return op_reshape(t, y, shape_4(n, 1, 1, c->units));
}

static FloatOp dense_real(const Layer *l)
{
    const DenseConfig *c = l->config;
    return unit_real(l, &c->unit, CONV_DENSE, NULL);
}

static Status dense_lower(Layer *l, Lowering *w)
{
    const DenseConfig *c = l->config;
    return unit_lower(l, &c->unit, CONV_DENSE, NULL, w);
}

static const char *const dense_examples[] = {
    "{\"type\":\"dense\",\"units\":10}",
    "{\"type\":\"dense\",\"units\":7,\"batch_norm\":true,\"activation\":\"relu\",\"init\":\"xavier\"}", NULL};

const LayerType layer_dense = {.name = "dense",
                               .doc = "fully connected, with optional batch norm and activation",
                               .fields = dense_fields,
                               .config_bytes = sizeof(DenseConfig),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .has_weights = true,
                               .gives_signs = true,
                               .kernels = "gemm",
                               .channels = CHANNELS_OWN,
                               .channels_key = "units",
                               .shape = dense_shape,
                               .build = dense_build,
                               .init = dense_init,
                               .forward = dense_forward,
                               .real = dense_real,
                               .lower = dense_lower,
                               .examples = dense_examples};
