/* What conv2d, depthwise_conv2d and dense have in common: weights, optional batch norm, activation, two quantizers. */
#ifndef BITFOLD_LAYERS_CONV_UNIT_H
#define BITFOLD_LAYERS_CONV_UNIT_H

#include "autograd/conv_run.h"
#include "layers/window.h"

typedef struct {
    bool batch_norm;
    int bias;                        /* 0 auto (only without batch norm), 1 off, 2 on */
    int activation;                  /* activation_names */
    int init;                        /* InitKind */
    double momentum, epsilon, gamma; /* of batch norm; gamma: its first value */
} UnitConfig;
extern const char *const bias_choices[];
extern const char *const init_names[];

#define UNIT_FIELDS(Config)                                                                                            \
    {.name = "batch_norm",                                                                                             \
     .type = FIELD_BOOL,                                                                                               \
     .offset = offsetof(Config, unit.batch_norm),                                                                      \
     .def = "false",                                                                                                   \
     .doc = "batch norm behind the weights; absorbed into the integers at deployment"},                                \
        {.name = "bias",                                                                                               \
         .type = FIELD_ENUM,                                                                                           \
         .offset = offsetof(Config, unit.bias),                                                                        \
         .names = bias_choices,                                                                                        \
         .def = "\"auto\"",                                                                                            \
         .doc = "auto: on, but off with batch norm, which has its own shift"},                                         \
        {.name = "activation",                                                                                         \
         .type = FIELD_ENUM,                                                                                           \
         .offset = offsetof(Config, unit.activation),                                                                  \
         .names = activation_names,                                                                                    \
         .def = "\"none\"",                                                                                            \
         .doc = "fused into the layer's output"},                                                                      \
        {.name = "init",                                                                                               \
         .type = FIELD_ENUM,                                                                                           \
         .offset = offsetof(Config, unit.init),                                                                        \
         .names = init_names,                                                                                          \
         .def = "\"he\"",                                                                                              \
         .doc = "he: normal, variance 2 / fan_in; xavier: uniform, variance 2 / (fan_in + fan_out)"},                  \
        {.name = "bn_momentum",                                                                                        \
         .type = FIELD_FLOAT,                                                                                          \
         .offset = offsetof(Config, unit.momentum),                                                                    \
         .min = 0.0001,                                                                                                \
         .max = 1,                                                                                                     \
         .def = "0.1",                                                                                                 \
         .doc = "weight of a batch in batch norm's running statistics"},                                               \
        {.name = "bn_gamma",                                                                                           \
         .type = FIELD_FLOAT,                                                                                          \
         .offset = offsetof(Config, unit.gamma),                                                                       \
         .min = -10,                                                                                                   \
         .max = 10,                                                                                                    \
         .def = "1",                                                                                                   \
         .doc = "first value of batch norm's factor; 0 on the last convolution of a residual branch lets the "         \
                "block start as the identity"},                                                                        \
    {                                                                                                                  \
        .name = "bn_epsilon", .type = FIELD_FLOAT, .offset = offsetof(Config, unit.epsilon), .min = 1e-12, .max = 1,   \
        .def = "1e-5", .doc = "added to batch norm's variance"                                                         \
    }

/* Parameters weight (of this shape), bias or gamma and beta for `outputs` channels, statistics, quantizers. */
Status unit_build(Layer *l, LayerBuilder *b, const UnitConfig *config, Shape weight, int outputs, int axis);
void unit_init(Layer *l, const UnitConfig *config, long fan_in, long fan_out, uint64_t seed);
/* x is what the op takes: [N,H,W,C], or [N,I] for a dense layer, whose result is [N,O] and whose g is NULL. */
Tensor *unit_forward(Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g, const ForwardMode *mode,
                     Tape *t, Tensor *x);
FloatOp unit_real(const Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g);
/* Weights and bias of the node that such a layer in floats is, its batch norm folded. */
Status unit_lower_floats(Layer *l, Lowering *w, Node *n);
Status unit_lower(Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g, Lowering *w);

#endif
