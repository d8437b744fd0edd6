/* safetensors files (an 8-byte little-endian header length, a JSON header, the tensors' bytes), written by us with a
 * CRC-32, by which a damaged file is known.
 *
 * What we write: the header is compact JSON, padded with spaces so that the data begins at a multiple of 8.  Its first
 * member __metadata__ (string to string) begins with "crc32": 8 lower-case hex digits of the CRC-32 (zlib's) over the
 * whole file with those 8 digits set to '0'; the other keys follow in the order they were added.  Tensors stand, in the
 * header as in the data, by element size (8, 4, 2, 1 bytes), then in the order they were added: without a hole every
 * one begins at a multiple of its element size.  Nothing else enters the file: equal content, equal bytes.
 *
 * What we read: any file that keeps the format's rules, which want the data to be covered without holes or overlap, and
 * whose types are among ours.
 */
#ifndef BITFOLD_BASE_SAFETENSORS_H
#define BITFOLD_BASE_SAFETENSORS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum {
    ST_U8,
    ST_I8,
    ST_I32,
    ST_I64,
    ST_U64,
    ST_F32,
    ST_F64,
    ST_F16,
    ST_BF16,
    ST_F8_E4M3,
    ST_F8_E5M2,
    ST_BOOL, /* these four are in files of others alone */
    ST_U16,
    ST_I16,
    ST_U32
} SafeType;
enum { ST_MAX_RANK = 8, ST_MAX_HEADER_BYTES = 64 << 20 };

typedef struct {
    const char *name;
    SafeType type;
    int rank;
    int64_t dim[ST_MAX_RANK];
    const void *data; /* in a file that was read: in the arena, aligned to the element size */
    size_t bytes;
    size_t begin; /* in a file that was read: where in its data */
} SafeTensor;

typedef struct SafeWriter SafeWriter;
SafeWriter *safe_writer(Arena *arena);
/* The data must stay valid until safe_write.  Names and keys must be new to the file, dim[i] >= 0, rank at most 8, the
 * key not "crc32" (ASSERT). */
void safe_add(SafeWriter *writer, const char *name, SafeType type, int rank, const int64_t *dim, const void *data);
void safe_add_metadata(SafeWriter *writer, const char *key, const char *value);
Status safe_write(SafeWriter *writer, const char *path); /* atomic (base/file.h) */

typedef struct {
    const char *path;
    int n;
    SafeTensor *tensor;
    int n_metadata;
    const char **key, **value;
} SafeFile;

/* Reads and checks the whole file (at most 4 GiB): the CRC when there is one, and that there is one if require_crc; the
 * header's length and JSON; types, ranks <= 8, shapes whose product must equal the byte range, ranges that cover the
 * data without hole or overlap, no duplicate name, no overflow anywhere.  STATUS_FORMAT names the file and the tensor.
 * Tensors and metadata come in the header's order, "crc32" included.  No tensor is read before the header is known to
 * be good and to fit the file's size.  Memory: the file, and while its header is read at most 64 times the header. */
Status safe_read(Arena *arena, const char *path, bool require_crc, SafeFile *file);

const SafeTensor *safe_find(const SafeFile *file, const char *name); /* NULL if absent */
const char *safe_metadata(const SafeFile *file, const char *key);    /* NULL if absent */
/* safe_find that must succeed with this type and shape: STATUS_FORMAT otherwise.  dim -1 accepts any length. */
Status safe_expect(const SafeFile *file, const char *name, SafeType type, int rank, const int64_t *dim,
                   const SafeTensor **tensor);

size_t safe_type_bytes(SafeType type);
const char *safe_type_name(SafeType type); /* as the format spells it: "F32" */

/* How the header of a file with a CRC begins; the 8 digits follow. */
#define SAFE_CRC_HEAD "{\"__metadata__\":{\"crc32\":\""
enum { SAFE_CRC_DIGITS = 8 };

#endif
