/* safetensors files (an 8-byte little-endian header length, a JSON header, the tensors' bytes), written by us with a
 * CRC-32 so that a damaged file is told from a good one.
 *
 * The header's __metadata__ (string to string) holds "crc32": 8 lower-case hex digits of the CRC-32 (zlib's) over the
 * whole file with those 8 digits set to '0'.  Tensors are in the order they were added, each start aligned to 8 bytes,
 * padded with spaces in the header as the format allows.  Nothing else enters the file: equal content, equal bytes.
 */
#ifndef BITFOLD_BASE_SAFETENSORS_H
#define BITFOLD_BASE_SAFETENSORS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum { ST_U8, ST_I8, ST_I32, ST_I64, ST_U64, ST_F32, ST_F64 } SafeType;
enum { ST_MAX_RANK = 8 };

typedef struct {
    const char *name;
    SafeType type;
    int rank;
    int64_t dim[ST_MAX_RANK];
    const void *data; /* in a file that was read: inside the file's buffer, aligned to 8 */
    size_t bytes;
} SafeTensor;

typedef struct SafeWriter SafeWriter;
SafeWriter *safe_writer(Arena *arena);
/* The data must stay valid until safe_write.  Names and keys must be new to the file (ASSERT). */
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

/* Reads and checks the whole file: header length, JSON, types, shapes whose product must equal the byte range, ranges in
 * bounds, without overlap or gap other than alignment, no duplicate name, rank <= 8, no overflow anywhere; the CRC when
 * there is one, and that there is one if require_crc.  STATUS_FORMAT names the file and the tensor. */
Status safe_read(Arena *arena, const char *path, bool require_crc, SafeFile *file);

const SafeTensor *safe_find(const SafeFile *file, const char *name);      /* NULL if absent */
const char *safe_metadata(const SafeFile *file, const char *key);         /* NULL if absent */
/* safe_find that must succeed with this type and shape: STATUS_FORMAT otherwise.  dim -1 accepts any length. */
Status safe_expect(const SafeFile *file, const char *name, SafeType type, int rank, const int64_t *dim,
                   const SafeTensor **tensor);
size_t safe_type_bytes(SafeType type);

#endif
