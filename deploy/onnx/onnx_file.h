/* ONNX files as the messages of deploy/onnx/onnx.proto: reading within a stated amount of memory, writing, and
 * accessors that know what a field that is not there means.  Tensors: deploy/onnx/onnx_tensor.h.
 */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_FILE_H
#define BITFOLD_DEPLOY_ONNX_ONNX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "deploy/onnx/onnx.pb-c.h"

/* Values of fields that are enumerations in ONNX: those this program knows. */
typedef enum {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11
} OnnxDataType;

typedef enum {
    ONNX_ATTRIBUTE_FLOAT = 1,
    ONNX_ATTRIBUTE_INT = 2,
    ONNX_ATTRIBUTE_STRING = 3,
    ONNX_ATTRIBUTE_TENSOR = 4,
    ONNX_ATTRIBUTE_GRAPH = 5,
    ONNX_ATTRIBUTE_FLOATS = 6,
    ONNX_ATTRIBUTE_INTS = 7,
    ONNX_ATTRIBUTE_STRINGS = 8
} OnnxAttributeType;

typedef enum { ONNX_LOCATION_DEFAULT = 0, ONNX_LOCATION_EXTERNAL = 1 } OnnxLocation;

/* A file has at most 1 GiB; its messages may take 16 bytes of memory for each of its own, and 1 MiB.  What real files
 * take is below 2 bytes each and some kilobytes: only a file made of empty messages meets the bound. */
enum { ONNX_MAX_FILE_BYTES = 1 << 30, ONNX_EXPANSION = 16, ONNX_EXPANSION_BASE_BYTES = 1 << 20 };

/* Messages made from the file's bytes, all memory (a copy of every string and tensor, too) in the arena.
 * STATUS_FORMAT: no protobuf of an ONNX model, or without a graph.  STATUS_NOMEM: more memory than the bound, or than
 * the system has.  `where` begins the sentence: the path. */
Status onnx_parse(Arena *arena, const void *bytes, size_t length, const char *where, Onnx__ModelProto **model);
Status onnx_read(Arena *arena, const char *path, Onnx__ModelProto **model);

/* Atomic (base/file.h).  Equal messages give equal bytes: fields in the order of their numbers. */
Status onnx_write(Arena *arena, const Onnx__ModelProto *model, const char *path);

/* A string that may be missing, as "". */
const char *onnx_text(const char *text);

/* The attribute of this name, or NULL.  Its `type` may be missing in files of the first IR version. */
const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *node, const char *name);
/* Its value; `missing` when there is no such attribute, or it holds no value of the kind. */
int64_t onnx_attribute_int(const Onnx__NodeProto *node, const char *name, int64_t missing);
float onnx_attribute_float(const Onnx__NodeProto *node, const char *name, float missing);
/* A copy in the arena, with a NUL after it. */
const char *onnx_attribute_string(Arena *arena, const Onnx__NodeProto *node, const char *name, const char *missing);

/* Version of the operator set "" (or "ai.onnx"); 0 when the model imports none. */
int64_t onnx_opset(const Onnx__ModelProto *model);
/* The value of a key of metadata_props, or NULL. */
const char *onnx_metadata(const Onnx__ModelProto *model, const char *key);

#endif
