/* From a config or a model file to everything a run needs: the steps that the verbs and the library share. */
#ifndef BITFOLD_TRAIN_EXPERIMENT_H
#define BITFOLD_TRAIN_EXPERIMENT_H

#include <cjson/cJSON.h>

#include "train/trainer.h"

/* A model file with the config.json next to it. */
typedef struct {
    const Config *config;
    Model *model; /* complete: parameters, statistics, ranges */
    ModelKind kind;
    TrainState state;
    Rounding trained; /* the config's own rounding, or an int8 file's, whatever was assigned */
} OpenModel;

/* Loads the config's data, checked against the model's input. */
Status experiment_data(Arena *arena, const Config *config, DataSplits *data);

/* A float (quant NULL) or quantized model of the config; parameters are zero.  Without data (NULL) classes are
 * named by number. */
Status experiment_model(Arena *arena, const Config *config, const QuantConfig *quant, const DataSplits *data,
                        Model **model);

/* model_freeze with the config's train.freeze. */
Status experiment_freeze(const Config *config, Model *m);

/* Reads MODEL (a checkpoint of any kind, or the run directory it is in: model_file) and config.json next to it, with
 * assignments applied.  For a quantized model only quant.target, data.* and keys that do not change the network may be
 * assigned; others fail when the file is read. */
Status model_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open);

/* Any MODEL or its run directory: a checkpoint as model_open reads it, and the integer graph of a quantized one (NULL:
 * float); or a bitfold-int8 file (docs/format.md).  Of that data.* (not data.normalize, which is in the file), seed and
 * quant.target can be assigned; its open->model has the image's size and the classes, no layers; its data are those of
 * config.json next to it, if there is one. */
Status any_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph);

/* The same; STATUS_STATE for a float model. */
Status graph_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph);

/* Adds "kernels": the kernel of each layer that has one, by name; for a quantized model those on codes, and
 * "kernels_backward" those of its backward pass, in floats. */
void model_note_kernels(Arena *arena, cJSON *json, const Model *m);

/* What may differ between equal runs, besides date, host, threads, ISA and kernels. */
typedef struct {
    const Model *model;
    int argc; /* the command */
    char *const *argv;
    double seconds;
    const Teacher *teacher; /* whom it learned from (train/teacher.h); NULL: nobody */
    const char *changed;    /* what was changed on the way, a line each (Provenance); NULL or "": nothing */
    cJSON *ptq; /* what each step of post-training quantization did, which becomes part of the file; NULL: none */
} RunNote;

/* Writes run.json into the folder. */
Status run_folder_note(Arena *arena, const char *folder, const RunNote *note);

/* ceil(n * bits / 8) for each weight tensor, 4 per bias and per weight scale; float: 4 per parameter.  And a layer's
 * part of it. */
long model_size_bytes(const Model *m);
long layer_size_bytes(const Layer *l);

#endif
