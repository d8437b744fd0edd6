/* Tensors of somebody's file, whichever of the formats it has: NumPy's .npy, .safetensors, the initializers of an .onnx
 * model, rows of numbers as text (.txt, .csv).  Their values come as float32, on demand. */
#ifndef BITFOLD_COMPRESS_TENSOR_FILE_H
#define BITFOLD_COMPRESS_TENSOR_FILE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

enum { TENSOR_FILE_MAX_RANK = 8 };

typedef struct {
    const char *name; /* "" in a .npy file and in text */
    const char *type; /* as the format spells it: "F16", "float32", "<f4", "text" */
    int rank;
    int64_t dim[TENSOR_FILE_MAX_RANK];
    int64_t count; /* the product; 1 of rank 0 */
} FileTensor;

typedef struct TensorFile TensorFile;

/* Reads the file (at most 4 GiB; .onnx 1 GiB and its external data), known by its extension.  STATUS_INVALID: another
 * extension.  STATUS_FORMAT, STATUS_UNSUPPORTED, STATUS_IO: as the formats' readers say. */
Status tensor_file_read(Arena *arena, const char *path, TensorFile **file);

int tensor_file_count(const TensorFile *file);
const FileTensor *tensor_file_at(const TensorFile *file, int i);
/* The index of the tensor of this name.  STATUS_INVALID, with the nearest name, if there is none. */
Status tensor_file_find(const TensorFile *file, const char *name, int *i);

/* Its values as float32, in the arena, or in the file's memory: integers beyond 2^24 and float64 are rounded.
 * STATUS_UNSUPPORTED: elements that are no real numbers, of the types this program reads. */
Status tensor_file_values(Arena *arena, const TensorFile *file, int i, const float **values);

#endif
