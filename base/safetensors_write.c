#include "base/safetensors.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the data of a safetensors file is little-endian");

typedef struct Entry {
    struct Entry *next;
    SafeTensor tensor;
} Entry;

typedef struct Pair {
    struct Pair *next;
    const char *key, *value;
} Pair;

struct SafeWriter {
    Arena *arena;
    Entry *first, **end;
    Pair *first_pair, **end_pair;
};

SafeWriter *safe_writer(Arena *arena)
{
    SafeWriter *w = ARENA_ARRAY(arena, SafeWriter, 1);
    *w = (SafeWriter){.arena = arena, .end = &w->first, .end_pair = &w->first_pair};
    return w;
}

void safe_add(SafeWriter *w, const char *name, SafeType type, int rank, const int64_t *dim, const void *data)
{
    ASSERT(rank >= 0 && rank <= ST_MAX_RANK);
    ASSERT(strcmp(name, "__metadata__") != 0);
    for (const Entry *e = w->first; e != NULL; e = e->next) ASSERT(strcmp(e->tensor.name, name) != 0);
    Entry *e = ARENA_ARRAY(w->arena, Entry, 1);
    e->tensor = (SafeTensor){.name = arena_strdup(w->arena, name), .type = type, .rank = rank, .data = data};
    e->tensor.bytes = safe_type_bytes(type);
    for (int i = 0; i < rank; i++) {
        ASSERT(dim[i] >= 0);
        ASSERT(!__builtin_mul_overflow(e->tensor.bytes, (size_t)dim[i], &e->tensor.bytes));
        e->tensor.dim[i] = dim[i];
    }
    ASSERT(data != NULL || e->tensor.bytes == 0);
    *w->end = e;
    w->end = &e->next;
}

void safe_add_metadata(SafeWriter *w, const char *key, const char *value)
{
    ASSERT(strcmp(key, "crc32") != 0);
    for (const Pair *p = w->first_pair; p != NULL; p = p->next) ASSERT(strcmp(p->key, key) != 0);
    Pair *p = ARENA_ARRAY(w->arena, Pair, 1);
    *p = (Pair){.key = arena_strdup(w->arena, key), .value = arena_strdup(w->arena, value)};
    *w->end_pair = p;
    w->end_pair = &p->next;
}

/* Brings the entries into the order they have in the file. */
static void sort_by_element_size(SafeWriter *w)
{
    Entry *first[4], **end[4] = {&first[0], &first[1], &first[2], &first[3]};
    for (Entry *e = w->first; e != NULL; e = e->next) {
        const size_t bytes = safe_type_bytes(e->tensor.type);
        const int group = bytes == 8 ? 0 : bytes == 4 ? 1 : bytes == 2 ? 2 : 3;
        *end[group] = e;
        end[group] = &e->next;
    }
    *end[3] = NULL;
    *end[2] = first[3];
    *end[1] = first[2];
    *end[0] = first[1];
    w->first = first[0];
    for (w->end = &w->first; *w->end != NULL;) w->end = &(*w->end)->next;
}

static void add_numbers(cJSON *object, const char *key, const double *v, int n)
{
    cJSON_AddItemToObject(object, key, cJSON_CreateDoubleArray(v, n));
}

/* The header as text, its CRC digits '0'; *bytes is its padded length. */
static char *header_text(const SafeWriter *w, size_t *bytes)
{
    cJSON *header = cJSON_CreateObject();
    cJSON *metadata = cJSON_AddObjectToObject(header, "__metadata__");
    cJSON_AddStringToObject(metadata, "crc32", "00000000");
    for (const Pair *p = w->first_pair; p != NULL; p = p->next) cJSON_AddStringToObject(metadata, p->key, p->value);
    double offset[2] = {0, 0};
    for (const Entry *e = w->first; e != NULL; e = e->next) {
        const SafeTensor *t = &e->tensor;
        double dim[ST_MAX_RANK];
        for (int i = 0; i < t->rank; i++) dim[i] = (double)t->dim[i];
        offset[0] = offset[1];
        offset[1] += (double)t->bytes;
        cJSON *entry = cJSON_AddObjectToObject(header, t->name);
        cJSON_AddStringToObject(entry, "dtype", safe_type_name(t->type));
        add_numbers(entry, "shape", dim, t->rank);
        add_numbers(entry, "data_offsets", offset, 2);
    }
    const char *json = json_print_compact(w->arena, header);
    cJSON_Delete(header);
    const size_t n = strlen(json);
    *bytes = (n + 7) / 8 * 8;
    char *text = memset(arena_alloc(w->arena, *bytes), ' ', *bytes);
    return memcpy(text, json, n);
}

static Status write_all(FileWriter *file, const void *data, size_t bytes)
{
    if (bytes == 0 || fwrite(data, 1, bytes, file->stream) == bytes) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot write: %s", file->path, strerror(errno));
}

Status safe_write(SafeWriter *w, const char *path)
{
    size_t bytes;
    sort_by_element_size(w);
    char *header = header_text(w, &bytes);
    if (bytes > ST_MAX_HEADER_BYTES)
        return status_fail(STATUS_UNSUPPORTED, "%s: a header of %zu bytes; must be at most %d", path, bytes,
                           (int)ST_MAX_HEADER_BYTES);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)bytes >> 8 * i);

    uLong crc = crc32_z(crc32_z(0, NULL, 0), length, sizeof length);
    crc = crc32_z(crc, (const Bytef *)header, bytes);
    for (const Entry *e = w->first; e != NULL; e = e->next)
        if (e->tensor.bytes > 0) crc = crc32_z(crc, e->tensor.data, e->tensor.bytes);
    char digits[SAFE_CRC_DIGITS + 1];
    snprintf(digits, sizeof digits, "%08lx", crc & 0xffffffffUL);
    ASSERT(strncmp(header, SAFE_CRC_HEAD "00000000\"", sizeof SAFE_CRC_HEAD + SAFE_CRC_DIGITS) == 0);
    memcpy(header + sizeof SAFE_CRC_HEAD - 1, digits, SAFE_CRC_DIGITS);

    FileWriter file;
    TRY(file_begin(w->arena, path, &file));
    Status status = write_all(&file, length, sizeof length);
    if (status == STATUS_OK) status = write_all(&file, header, bytes);
    for (const Entry *e = w->first; e != NULL && status == STATUS_OK; e = e->next)
        status = write_all(&file, e->tensor.data, e->tensor.bytes);
    if (status == STATUS_OK) return file_commit(&file);
    file_abort(&file);
    return status;
}
