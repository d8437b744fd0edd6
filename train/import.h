/* From an ONNX file to a model folder, as the verb `import` does it. */
#ifndef BITFOLD_TRAIN_IMPORT_H
#define BITFOLD_TRAIN_IMPORT_H

#include "deploy/onnx/import_onnx.h"
#include "train/experiment.h"
#include "train/run_folder.h"

typedef struct {
    const char *path;        /* of the .onnx */
    const char *const *sets; /* assignments to keys of the config, NULL-ended; NULL: none */
    const char *out;         /* the folder */
    bool overwrite;
    int argc; /* the command, for run.json */
    char *const *argv;
} ImportRequest;

typedef struct {
    const char *model_path; /* float: out/last.safetensors; quantized: out/model.safetensors, manifest next to it */
    const Config *config;   /* as in out/config.json; of a quantized model its layers are empty */
    ImportedModel imported; /* without `model` */
    Model *model;           /* float, else NULL */
    RunFolder run;          /* what the folder is held by; given back when the import ends */
} ImportOutcome;

/* A float network becomes config.json and a float checkpoint, what training would have left: ptq, qat, compare, eval
 * and export take it.  Unless assigned, data.dataset is "synthetic" with the network's classes.
 * A quantized one becomes a bitfold-int8 file in the rounding of quant.target.  Unless assigned, that is onnxruntime,
 * and data.normalize such that the image's codes are its pixels.  An export of this program brings rounding, normalize
 * and class names.  What was assumed is among the imported notes.  STATUS_CONFIG, before anything is written: an
 * unknown data set, a data.dir that is no folder, an assignment that cannot matter to integers. */
Status run_import(Arena *arena, const ImportRequest *request, ImportOutcome *outcome);

#endif
