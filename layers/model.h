/* A model: layers in a graph, their parameters in one block, and the image's own grid. */
#ifndef BITFOLD_LAYERS_MODEL_H
#define BITFOLD_LAYERS_MODEL_H

#include "graph/graph.h"
#include "layers/layer.h"

typedef struct {
    IntList input;       /* [H, W, C] of the image */
    const cJSON *layers; /* each parsed by its type's table */
} ModelConfig;
extern const Field model_fields[];

/* How a pixel becomes a real number: (p / 255 - mean[c]) / std[c]. */
typedef struct {
    int n; /* 1, or one for each channel */
    const double *mean, *std;
} PixelScale;

typedef struct {
    Arena *arena;
    const char *name;
    int layers;
    Layer *layer; /* in an order in which every layer follows its inputs */
    ParamSet params;
    int quantizers;
    Quantizer **quantizer; /* all of them, in layer order; none in a float model */
    Extent input;
    int classes;
    const char **class_names; /* [classes] */
    const char *task;         /* a name of tasks/tasks.def; NULL: classification */
    TargetScale scale;        /* of the outputs */
    float *mean, *std;        /* [input.c] */
    QuantParams input_grid;   /* 8 bits; codes are pixel - 128 when `exact_pixels` */
    bool exact_pixels;
    float *pixel_value;       /* [C][256] normalised */
    int8_t *pixel_code;       /* [C][256] */
    const QuantConfig *quant; /* NULL: float */
    Tensor **out;             /* [layers] what each layer gave in the last forward pass */
    Tensor *image;            /* and what went in */
    Tensor **widened;         /* [1 + layers] int8 codes or floats as int16 codes, where a layer reads them so */
    Tensor **
        converted; /* [1 + layers] image and outputs, floats as codes or codes as floats, where a layer reads them so */
} Model;

/* Builds the graph, shapes, parameters (zero until model_init or a checkpoint) and quantizers.  `where` names the
 * config in messages.  Refuses, naming the layer: unknown types and keys, duplicate or dangling names, cycles, layers
 * whose output nobody reads, shapes that do not fit.  quant NULL: a float model. */
Status model_build(Arena *arena, const ModelConfig *config, PixelScale pixels, const QuantConfig *quant,
                   const char *where, Model **model);

void model_init(Model *m, uint64_t seed);

/* Layers whose name matches one of the patterns (with * and ?) keep their parameters and batch norm statistics in
 * training: Layer.frozen, Param.frozen.  STATUS_CONFIG, naming `where`: a pattern that matches no layer with parameters,
 * or nothing is left to train. */
Status model_freeze(Model *m, const StringList *patterns, const char *where);

/* Values by the name a checkpoint gives them: a parameter's, or "LAYER.bn.mean" and "LAYER.bn.var"; *count of them.
 * NULL if there are none. */
float *model_values(const Model *m, const char *name, long *count);

/* pixels [n,H,W,C] -> logits [n,classes] (codes, unless the pass is in float).  NULL: the tape says why.
 * With mode->keep_outputs all of m->out can be read afterwards.  Without it a layer's output may have been released
 * after the last layer that reads it (a pass that is not recorded) or left unnormalized (Tensor.deferred_norm). */
Tensor *model_forward(Model *m, Tape *t, const ForwardMode *mode, const uint8_t *pixels, int n);

/* Weights, biases and batch norm parameters; learned steps are not counted. */
long model_parameters(const Model *m);
/* Multiplications of one image in layer l (0 for layers without weights). */
long layer_macs(const Layer *l);

#endif
