/* Which file a MODEL is: verbs and the library take a run directory for the model in it. */
#ifndef BITFOLD_TRAIN_MODEL_FILE_H
#define BITFOLD_TRAIN_MODEL_FILE_H

#include "base/arena.h"
#include "base/status.h"

/* `path` itself unless it is a folder; of a run directory best.safetensors, else last.safetensors, else
 * model.safetensors.  STATUS_STATE for a folder that holds none of them, with the run directories in it, if there are
 * any (that of compare). */
Status model_file(Arena *arena, const char *path, const char **file);

#endif
