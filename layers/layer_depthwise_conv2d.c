/* depthwise_conv2d: a convolution of each channel by itself; y = quant(act(norm(conv(x, W)))). */
#include "layers/conv_unit.h"

typedef struct {
    LayerCommon common;
    int multiplier;
    Window window;
    UnitConfig unit;
    ConvGeom geom;
} DepthwiseConfig;

static const Field depthwise_fields[] = {
    LAYER_FIELDS,
    {"multiplier", FIELD_INT, offsetof(DepthwiseConfig, multiplier), .min = 1, .max = 256, .def = "1",
     .doc = "output channels for each input channel"},
    WINDOW_KERNEL_FIELD(DepthwiseConfig),
    {"stride", FIELD_INTS, offsetof(DepthwiseConfig, window.stride), .min = 1, .max = 127, .scalar_ok = true,
     .max_count = 2, .def = "1", .doc = "step, or [rows, columns]"},
    {"dilation", FIELD_INTS, offsetof(DepthwiseConfig, window.dilation), .min = 1, .max = 127, .scalar_ok = true,
     .max_count = 2, .def = "1", .doc = "distance between the kernel's cells, or [rows, columns]"},
    WINDOW_PAD_FIELDS(DepthwiseConfig),
    UNIT_FIELDS(DepthwiseConfig),
    FIELD_END};

static Status depthwise_shape(Layer *l)
{
    DepthwiseConfig *c = l->config;
    TRY(window_geom(&c->window, l->in[0], l->in[0].c * c->multiplier, l->in[0].c, &c->geom));
    l->geom = &c->geom;
    l->out = (Extent){c->geom.oh, c->geom.ow, c->geom.o};
    return STATUS_OK;
}

static Status depthwise_build(Layer *l, LayerBuilder *b)
{
    const DepthwiseConfig *c = l->config;
    return unit_build(l, b, &c->unit, shape_4(1, c->geom.kh, c->geom.kw, c->geom.o), c->geom.o, 3);
}

static void depthwise_init(Layer *l, uint64_t seed)
{
    const DepthwiseConfig *c = l->config;
    const long window = (long)c->geom.kh * c->geom.kw;
    unit_init(l, &c->unit, window, window * c->multiplier, seed);
}

static Tensor *depthwise_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const DepthwiseConfig *c = l->config;
    return unit_forward(l, &c->unit, CONV_DEPTHWISE, &c->geom, mode, t, x[0]);
}

static FloatOp depthwise_real(const Layer *l)
{
    const DepthwiseConfig *c = l->config;
    return unit_real(l, &c->unit, CONV_DEPTHWISE, &c->geom);
}

static Status depthwise_lower(Layer *l, Lowering *w)
{
    const DepthwiseConfig *c = l->config;
    return unit_lower(l, &c->unit, CONV_DEPTHWISE, &c->geom, w);
}

static const char *const depthwise_examples[] = {
    "{\"type\":\"depthwise_conv2d\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"}",
    "{\"type\":\"depthwise_conv2d\",\"kernel\":3,\"stride\":2,\"multiplier\":2,\"padding\":\"valid\"}", NULL};

const LayerType layer_depthwise_conv2d = {.name = "depthwise_conv2d",
                                          .doc = "depthwise convolution with optional batch norm and activation",
                                          .fields = depthwise_fields,
                                          .config_bytes = sizeof(DepthwiseConfig),
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .has_weights = true,
                                          .gives_signs = true,
                                          .kernels = "dwconv",
                                          .channels = CHANNELS_EACH,
                                          .shape = depthwise_shape,
                                          .build = depthwise_build,
                                          .init = depthwise_init,
                                          .forward = depthwise_forward,
                                          .real = depthwise_real,
                                          .lower = depthwise_lower,
                                          .examples = depthwise_examples};
