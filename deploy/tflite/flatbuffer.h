/* FlatBuffers, the container of .tflite files: little-endian tables whose fields may be absent, vectors and strings,
 * tied together by offsets that count forward from where they stand.
 *
 *     file    u32 offset of the root table, 4 bytes of identifier, ...
 *     table   i32: its position less that of its vtable; then its fields
 *     vtable  u16 bytes of the vtable, u16 bytes of the table, u16 offset in the table for each field id (0: absent)
 *     vector  u32 count, elements;  string: u32 length, bytes, NUL
 */
#ifndef BITFOLD_DEPLOY_TFLITE_FLATBUFFER_H
#define BITFOLD_DEPLOY_TFLITE_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Written top-down: a table comes with empty references, what they refer to is written after it and linked.  Positions
 * are byte offsets in the file. */
typedef struct {
    Arena *arena;
    unsigned char *data;
    size_t bytes, capacity;
} FlatWriter;

/* One field of a table: 1 or 4 bytes, or a reference that flat_link sets later. */
typedef struct {
    int id, bytes;
    int32_t value;
} FlatField;
#define FLAT_BYTE(field, v) ((FlatField){.id = (field), .bytes = 1, .value = (int32_t)(v)})
#define FLAT_WORD(field, v) ((FlatField){.id = (field), .bytes = 4, .value = (int32_t)(v)})
#define FLAT_REFERENCE(field) FLAT_WORD(field, 0)

enum { FLAT_MAX_FIELDS = 16 };

/* A file with this identifier of 4 bytes; flat_set_root says which table is its root. */
FlatWriter flat_writer(Arena *arena, const char *identifier);
void flat_set_root(FlatWriter *w, size_t table);

/* Each returns the position of what it wrote.  Ids ascend; references that are never linked are not allowed. */
size_t flat_table(FlatWriter *w, int fields, const FlatField *field);
size_t flat_string(FlatWriter *w, const char *text);
/* The first element stands at a multiple of `align` bytes (a power of two, 4 or more). */
size_t flat_vector(FlatWriter *w, size_t count, size_t element_bytes, size_t align, const void *data);
/* A vector of references, for flat_link_element. */
size_t flat_references(FlatWriter *w, size_t count);

/* Makes the reference refer to what was written after it at `target`. */
void flat_link(FlatWriter *w, size_t table, int id, size_t target);
void flat_link_element(FlatWriter *w, size_t vector, size_t index, size_t target);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Nothing in the bytes is trusted.  The first failure sticks: `status` and the sentence hold it, later reads give
 * defaults and empty vectors.  Views lie inside data[0, bytes).  What several references share is counted each time,
 * and reading more than FLAT_MAX_REUSE times the file is a failure, so that time stays in proportion to its size. */
typedef struct {
    const unsigned char *data; /* 16-byte aligned */
    size_t bytes, budget;
    Status status;
} FlatReader;
enum { FLAT_MAX_REUSE = 16 };

typedef struct {
    size_t at, vtable; /* positions; at 0: absent */
    unsigned bytes, slots;
} FlatTable;

typedef struct {
    const void *data; /* the first element, aligned to its size; NULL: absent */
    size_t n, at;     /* elements; position of the first */
} FlatVector;

/* The sentence after "byte N: ", once. */
void flat_fail(FlatReader *r, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));

FlatReader flat_reader(const unsigned char *data, size_t bytes);
FlatTable flat_root(FlatReader *r, const char *identifier);

/* A scalar field, or the default where it is absent. */
int32_t flat_int8(FlatReader *r, FlatTable t, int id, int32_t absent);
int32_t flat_int32(FlatReader *r, FlatTable t, int id, int32_t absent);
uint64_t flat_uint64(FlatReader *r, FlatTable t, int id, uint64_t absent);

FlatTable flat_get_table(FlatReader *r, FlatTable t, int id);
FlatVector flat_get_vector(FlatReader *r, FlatTable t, int id, size_t element_bytes);
const char *flat_get_string(FlatReader *r, FlatTable t, int id); /* NULL: absent */

/* A vector of references, and the table one of them refers to. */
FlatVector flat_get_tables(FlatReader *r, FlatTable t, int id);
FlatTable flat_element(FlatReader *r, FlatVector tables, size_t index);

#endif
