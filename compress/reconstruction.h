/* Codes of weights chosen so that what layers give stays what it is in the float network, a unit of layers after another
 * in the order in which they run, each on the inputs that the quantized network gives it (AdaRound, Nagel 2020,
 * 2004.10568; blocks: BRECQ, Li 2021, 2102.05426; dropped grids: QDrop, Wei 2022, 2203.05740).  No labels. */
#ifndef BITFOLD_COMPRESS_RECONSTRUCTION_H
#define BITFOLD_COMPRESS_RECONSTRUCTION_H

#include "compress/ptq_step.h"

typedef struct {
    int iterations, batch;
    double lr, lambda;
    double warmup;   /* share of the iterations without penalty */
    double drop;     /* probability that a value is on no grid */
    double range_lr; /* of the activations' scales, as a share of them; 0: they stay */
    double bias_lr;  /* of biases and batch norm's beta, as a share of the output's range; 0: they stay */
} ReconstructionKeys;

/* Those that both steps have; drop: its default. */
#define RECONSTRUCTION_FIELDS(dropped)                                                                                 \
    {.name = "iterations",                                                                                             \
     .type = FIELD_INT,                                                                                                \
     .offset = offsetof(ReconstructionKeys, iterations),                                                               \
     .min = 1,                                                                                                         \
     .max = 1000000,                                                                                                   \
     .def = "2000",                                                                                                    \
     .doc = "steps of Adam for each unit"},                                                                            \
        {.name = "batch",                                                                                              \
         .type = FIELD_INT,                                                                                            \
         .offset = offsetof(ReconstructionKeys, batch),                                                                \
         .min = 1,                                                                                                     \
         .max = 4096,                                                                                                  \
         .def = "32",                                                                                                  \
         .unit = "images",                                                                                             \
         .doc = "images of one step, drawn from ptq.images"},                                                          \
        {.name = "lr",                                                                                                 \
         .type = FIELD_FLOAT,                                                                                          \
         .offset = offsetof(ReconstructionKeys, lr),                                                                   \
         .min = 1e-9,                                                                                                  \
         .max = 10,                                                                                                    \
         .def = "0.01",                                                                                                \
         .doc = "learning rate of the roundings"},                                                                     \
        {.name = "lambda",                                                                                             \
         .type = FIELD_FLOAT,                                                                                          \
         .offset = offsetof(ReconstructionKeys, lambda),                                                               \
         .min = 0,                                                                                                     \
         .max = 1e6,                                                                                                   \
         .def = "0.01",                                                                                                \
         .doc = "weight of the penalty that makes roundings 0 or 1"},                                                  \
        {.name = "warmup",                                                                                             \
         .type = FIELD_FLOAT,                                                                                          \
         .offset = offsetof(ReconstructionKeys, warmup),                                                               \
         .min = 0,                                                                                                     \
         .max = 0.99,                                                                                                  \
         .def = "0.2",                                                                                                 \
         .doc = "share of the steps before the penalty begins"},                                                       \
    {                                                                                                                  \
        .name = "drop", .type = FIELD_FLOAT, .offset = offsetof(ReconstructionKeys, drop), .min = 0, .max = 1,         \
        .def = dropped, .doc = "probability that a value of an activation stays off its grid meanwhile"                \
    }

/* blocks: residual blocks are units, else each layer is one. */
Status reconstruct_units(Model *m, const PtqContext *context, const ReconstructionKeys *keys, bool blocks);

#endif
