/* maxpool, avgpool, global_avgpool: they stay on their input's grid. */
#include "layers/window.h"

typedef struct {
    LayerCommon common;
    Window window;
    ConvGeom geom;
} PoolConfig;

static const Field pool_fields[] = {
    LAYER_FIELDS,
    WINDOW_KERNEL_FIELD(PoolConfig),
    {"stride", FIELD_INTS, offsetof(PoolConfig, window.stride), .min = 1, .max = 127, .scalar_ok = true, .max_count = 2,
     .doc = "step, or [rows, columns]; default: the kernel's size"},
    {"padding", FIELD_ENUM, offsetof(PoolConfig, window.padding), .names = padding_names, .def = "\"valid\"",
     .doc = "valid: none; same: TensorFlow's rule. Cells outside the image do not count"},
    {"pads", FIELD_INTS, offsetof(PoolConfig, window.pads), .min = 0, .max = 127, .max_count = 4,
     .doc = "explicit padding [top, bottom, left, right], each smaller than the kernel, instead of `padding`"},
    FIELD_END};

static Status pool_shape(Layer *l)
{
    PoolConfig *c = l->config;
    Window window = c->window;
    if (window.stride.n == 0) window.stride = window.kernel;
    TRY(window_geom(&window, l->in[0], l->in[0].c, l->in[0].c, &c->geom));
    const ConvGeom *g = &c->geom;
    if (g->pt >= g->kh || g->pb >= g->kh || g->pl >= g->kw || g->pr >= g->kw)
        return status_fail(STATUS_CONFIG,
                           "pads: %d,%d,%d,%d around a window of %d x %d; each must be smaller than the window", g->pt,
                           g->pb, g->pl, g->pr, g->kh, g->kw);
    l->out = (Extent){g->oh, g->ow, g->o};
    return STATUS_OK;
}

static Tensor *max_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    (void)mode;
    return op_maxpool(t, x[0], &((const PoolConfig *)l->config)->geom);
}

static Tensor *avg_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    return op_avgpool(t, x[0], &((const PoolConfig *)l->config)->geom, mode->rounding);
}

static Status pool_lower(Layer *l, Lowering *w, NodeKind op, const ConvGeom *g)
{
    const int y = lower_tensor(w, l, w->tensor_of[l->input[0] + 1]);
    GraphTensor *mean = l->type->averages ? &w->graph->tensor[y] : NULL;
    if (mean != NULL && graph_tensor_is_signs(mean)) mean->bits = QUANT_MIN_BITS; /* of -1 and 1 it is 0, too */
    Node *n = lower_node(w, l, op, y);
    n->geom = *g;
    n->geom.n = 1;
    return STATUS_OK;
}

static FloatOp max_real(const Layer *l)
{
    return (FloatOp){.op = NODE_MAXPOOL, .geom = ((const PoolConfig *)l->config)->geom, .act = activation_from(0)};
}

static FloatOp avg_real(const Layer *l)
{
    return (FloatOp){.op = NODE_AVGPOOL, .geom = ((const PoolConfig *)l->config)->geom, .act = activation_from(0)};
}

static Status max_lower(Layer *l, Lowering *w)
{
    return pool_lower(l, w, NODE_MAXPOOL, &((const PoolConfig *)l->config)->geom);
}

static Status avg_lower(Layer *l, Lowering *w)
{
    return pool_lower(l, w, NODE_AVGPOOL, &((const PoolConfig *)l->config)->geom);
}

static const char *const max_examples[] = {"{\"type\":\"maxpool\",\"kernel\":2}",
                                           "{\"type\":\"maxpool\",\"kernel\":3,\"stride\":2,\"padding\":\"same\"}",
                                           NULL};
static const char *const avg_examples[] = {"{\"type\":\"avgpool\",\"kernel\":2}",
                                           "{\"type\":\"avgpool\",\"kernel\":3,\"stride\":2,\"padding\":\"same\"}",
                                           NULL};

const LayerType layer_maxpool = {.name = "maxpool",
                                 .doc = "largest value of each window",
                                 .fields = pool_fields,
                                 .config_bytes = sizeof(PoolConfig),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .keeps_grid = true,
                                 .channels = CHANNELS_SAME,
                                 .shape = pool_shape,
                                 .forward = max_forward,
                                 .real = max_real,
                                 .lower = max_lower,
                                 .examples = max_examples};

const LayerType layer_avgpool = {.name = "avgpool",
                                 .averages = true,
                                 .doc = "mean of each window's cells inside the image",
                                 .fields = pool_fields,
                                 .config_bytes = sizeof(PoolConfig),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .keeps_grid = true,
                                 .channels = CHANNELS_SAME,
                                 .shape = pool_shape,
                                 .forward = avg_forward,
                                 .real = avg_real,
                                 .lower = avg_lower,
                                 .examples = avg_examples};

/* ---- the whole map ----------------------------------------------------------------------------------------------- */

typedef struct {
    LayerCommon common;
} GlobalConfig;

static const Field global_fields[] = {LAYER_FIELDS, FIELD_END};

static ConvGeom global_geom(const Layer *l)
{
    const Extent in = l->in[0];
    return (ConvGeom){.n = 1,
                      .h = in.h,
                      .w = in.w,
                      .c = in.c,
                      .o = in.c,
                      .oh = 1,
                      .ow = 1,
                      .kh = in.h,
                      .kw = in.w,
                      .sh = 1,
                      .sw = 1,
                      .dh = 1,
                      .dw = 1,
                      .groups = in.c};
}

static Status global_shape(Layer *l)
{
    l->out = (Extent){1, 1, l->in[0].c};
    return STATUS_OK;
}

static Tensor *global_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    const ConvGeom g = global_geom(l);
    return op_avgpool(t, x[0], &g, mode->rounding);
}

static FloatOp global_real(const Layer *l)
{
    return (FloatOp){.op = NODE_AVGPOOL, .geom = global_geom(l), .act = activation_from(0)};
}

static Status global_lower(Layer *l, Lowering *w)
{
    const ConvGeom g = global_geom(l);
    return pool_lower(l, w, NODE_AVGPOOL, &g);
}

static const char *const global_examples[] = {"{\"type\":\"global_avgpool\"}", NULL};

const LayerType layer_global_avgpool = {.name = "global_avgpool",
                                        .averages = true,
                                        .doc = "mean of each channel over the whole map",
                                        .fields = global_fields,
                                        .config_bytes = sizeof(GlobalConfig),
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .keeps_grid = true,
                                        .channels = CHANNELS_SAME,
                                        .shape = global_shape,
                                        .forward = global_forward,
                                        .real = global_real,
                                        .lower = global_lower,
                                        .examples = global_examples};
