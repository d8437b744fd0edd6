/* conv2d: y = quant(act(norm(conv(x, W)))). */
#include "layers/conv_unit.h"

typedef struct {
    LayerCommon common;
    int filters, groups;
    Window window;
    UnitConfig unit;
    ConvGeom geom;
} ConvConfig;

static const Field conv_fields[] = {LAYER_FIELDS,
                                    {"filters", FIELD_INT, offsetof(ConvConfig, filters), .min = 1, .max = 65536,
                                     .required = true, .doc = "output channels"},
                                    WINDOW_KERNEL_FIELD(ConvConfig),
                                    {"stride", FIELD_INTS, offsetof(ConvConfig, window.stride), .min = 1, .max = 127,
                                     .scalar_ok = true, .max_count = 2, .def = "1", .doc = "step, or [rows, columns]"},
                                    {"dilation", FIELD_INTS, offsetof(ConvConfig, window.dilation), .min = 1,
                                     .max = 127, .scalar_ok = true, .max_count = 2, .def = "1",
                                     .doc = "distance between the kernel's cells, or [rows, columns]"},
                                    WINDOW_PAD_FIELDS(ConvConfig),
                                    {"groups", FIELD_INT, offsetof(ConvConfig, groups), .min = 1, .max = 65536,
                                     .def = "1", .doc = "channel groups that do not see each other"},
                                    UNIT_FIELDS(ConvConfig),
                                    FIELD_END};

static Status conv_shape(Layer *l)
{
    ConvConfig *c = l->config;
    TRY(window_geom(&c->window, l->in[0], c->filters, c->groups, &c->geom));
    l->out = (Extent){c->geom.oh, c->geom.ow, c->filters};
    return STATUS_OK;
}

static Status conv_build(Layer *l, LayerBuilder *b)
{
    const ConvConfig *c = l->config;
    const Shape w = shape_4(c->filters, c->geom.kh, c->geom.kw, l->in[0].c / c->groups);
    return unit_build(l, b, &c->unit, w, c->filters, 0);
}

static void conv_init(Layer *l, uint64_t seed)
{
    const ConvConfig *c = l->config;
    const long window = (long)c->geom.kh * c->geom.kw;
    unit_init(l, &c->unit, window * l->in[0].c / c->groups, window * c->filters / c->groups, seed);
}

static Tensor *conv_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const ConvConfig *c = l->config;
    return unit_forward(l, &c->unit, CONV_FULL, &c->geom, mode, t, x[0]);
}

static FloatOp conv_real(const Layer *l)
{
    const ConvConfig *c = l->config;
    return unit_real(l, &c->unit, CONV_FULL, &c->geom);
}

static Status conv_lower(Layer *l, Lowering *w)
{
    const ConvConfig *c = l->config;
    return unit_lower(l, &c->unit, CONV_FULL, &c->geom, w);
}

static const char *const conv_examples[] = {
    "{\"type\":\"conv2d\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"}",
    "{\"type\":\"conv2d\",\"filters\":8,\"kernel\":[2,3],\"stride\":2,\"groups\":2,\"padding\":\"valid\"}",
    "{\"type\":\"conv2d\",\"filters\":5,\"kernel\":3,\"dilation\":2,\"pads\":[0,3,1,2],\"activation\":\"relu6\"}",
    NULL};

const LayerType layer_conv2d = {.name = "conv2d",
                                .doc = "convolution with optional batch norm and activation",
                                .fields = conv_fields,
                                .config_bytes = sizeof(ConvConfig),
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .has_weights = true,
                                .gives_signs = true,
                                .kernels = "gemm",
                                .channels = CHANNELS_OWN,
                                .channels_key = "filters",
                                .shape = conv_shape,
                                .build = conv_build,
                                .init = conv_init,
                                .forward = conv_forward,
                                .real = conv_real,
                                .lower = conv_lower,
                                .examples = conv_examples};
