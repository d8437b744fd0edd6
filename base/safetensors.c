#include "base/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [ST_U8] = {"U8", 1},     [ST_I8] = {"I8", 1},           [ST_I32] = {"I32", 4},         [ST_I64] = {"I64", 8},
    [ST_U64] = {"U64", 8},   [ST_F32] = {"F32", 4},         [ST_F64] = {"F64", 8},         [ST_F16] = {"F16", 2},
    [ST_BF16] = {"BF16", 2}, [ST_F8_E4M3] = {"F8_E4M3", 1}, [ST_F8_E5M2] = {"F8_E5M2", 1}, [ST_BOOL] = {"BOOL", 1},
    [ST_U16] = {"U16", 2},   [ST_I16] = {"I16", 2},         [ST_U32] = {"U32", 4},
};
enum { TYPES = sizeof types / sizeof types[0] };

size_t safe_type_bytes(SafeType type) { return types[type].bytes; }
const char *safe_type_name(SafeType type) { return types[type].name; }

typedef struct {
    Arena *arena;
    const char *path;
    FILE *stream;
    size_t file_bytes, header_bytes;
    const unsigned char *start, *header; /* the 8 bytes of its length, the header's text */
    bool has_crc;
    size_t bytes; /* of the data after the header */
} Reader;

/* "<path>: tensor <name>: <said>", said being a text in the arena. */
static Status fail_tensor(const Reader *r, const char *name, const char *said)
{
    return status_fail(STATUS_FORMAT, "%s: tensor %s: %s", r->path, json_quote(r->arena, name), said);
}

/* A whole number that a size_t holds exactly. */
static bool to_count(const cJSON *json, size_t *count)
{
    if (!cJSON_IsNumber(json)) return false;
    const double v = json->valuedouble;
    if (!(v >= 0.0 && v <= 0x1p53) || v != floor(v)) return false;
    *count = (size_t)v;
    return true;
}

static Status read_type(const Reader *r, const char *name, const cJSON *dtype, SafeTensor *t)
{
    for (int i = 0; i < TYPES; i++)
        if (cJSON_IsString(dtype) && strcmp(dtype->valuestring, types[i].name) == 0) {
            t->type = (SafeType)i;
            return STATUS_OK;
        }
    const char *given = dtype == NULL ? "missing" : json_brief(r->arena, dtype);
    const char *names = types[0].name;
    for (int i = 1; i < TYPES; i++) names = arena_printf(r->arena, "%s, %s", names, types[i].name);
    return fail_tensor(r, name, arena_printf(r->arena, "dtype %s; must be one of: %s", given, names));
}

static Status read_shape(const Reader *r, const char *name, const cJSON *shape, SafeTensor *t)
{
    const char *given = shape == NULL ? "missing" : json_brief(r->arena, shape);
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > ST_MAX_RANK)
        return fail_tensor(
            r, name, arena_printf(r->arena, "shape %s; must be a list of at most %d lengths", given, (int)ST_MAX_RANK));
    t->bytes = types[t->type].bytes;
    const cJSON *item;
    cJSON_ArrayForEach(item, shape)
    {
        size_t length;
        if (!to_count(item, &length))
            return fail_tensor(r, name, arena_printf(r->arena, "shape %s; lengths must be integers, 0 to 2^53", given));
        if (__builtin_mul_overflow(t->bytes, length, &t->bytes))
            return fail_tensor(r, name, arena_printf(r->arena, "shape %s; its bytes must fit 64 bits", given));
        t->dim[t->rank++] = (int64_t)length;
    }
    return STATUS_OK;
}

static Status read_range(const Reader *r, const char *name, const cJSON *range, SafeTensor *t)
{
    const char *given = range == NULL ? "missing" : json_brief(r->arena, range);
    size_t begin, end;
    if (!cJSON_IsArray(range) || cJSON_GetArraySize(range) != 2 || !to_count(range->child, &begin) ||
        !to_count(range->child->next, &end) || begin > end || end > r->bytes)
        return fail_tensor(r, name,
                           arena_printf(r->arena, "data_offsets %s; must be [begin, end] within the %zu bytes of data",
                                        given, r->bytes));
    if (end - begin != t->bytes)
        return fail_tensor(r, name,
                           arena_printf(r->arena, "data_offsets %s; type and shape need %zu bytes", given, t->bytes));
    t->begin = begin;
    return STATUS_OK;
}

static Status read_tensor(const Reader *r, const cJSON *entry, SafeTensor *t)
{
    *t = (SafeTensor){.name = arena_strdup(r->arena, entry->string)};
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) > 3)
        return fail_tensor(r, t->name,
                           arena_printf(r->arena, "%s; must be an object of dtype, shape and data_offsets",
                                        json_brief(r->arena, entry)));
    TRY(read_type(r, t->name, json_get(entry, "dtype"), t));
    TRY(read_shape(r, t->name, json_get(entry, "shape"), t));
    return read_range(r, t->name, json_get(entry, "data_offsets"), t);
}

static int by_place(const void *a, const void *b)
{
    const SafeTensor *x = *(SafeTensor *const *)a, *y = *(SafeTensor *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The tensors, in the order of their bytes, must follow each other from the first byte of data to the last. */
static Status check_cover(const Reader *r, SafeTensor *const *sorted, int n)
{
    size_t end = 0;
    for (int i = 0; i < n; i++) {
        if (sorted[i]->begin != end)
            return fail_tensor(
                r, sorted[i]->name,
                arena_printf(r->arena, "begins at byte %zu of the data; must begin at %zu, where the one before ends",
                             sorted[i]->begin, end));
        end = sorted[i]->begin + sorted[i]->bytes;
    }
    if (end == r->bytes) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: %zu bytes of data; the tensors must cover them and end at %zu", r->path,
                       r->bytes, end);
}

/* Another writer may have put a tensor where its type may not stand in memory: that one is copied. */
static Status align(const Reader *r, SafeTensor *t)
{
    if ((uintptr_t)t->data % types[t->type].bytes == 0) return STATUS_OK;
    void *copy = arena_try_alloc(r->arena, t->bytes);
    if (copy == NULL) return status_prefix(STATUS_NOMEM, "%s", r->path);
    t->data = memcpy(copy, t->data, t->bytes);
    return STATUS_OK;
}

static Status read_metadata(const Reader *r, const cJSON *metadata, SafeFile *file)
{
    if (!cJSON_IsObject(metadata))
        return status_fail(STATUS_FORMAT, "%s: __metadata__ %s; must be an object of strings", r->path,
                           json_brief(r->arena, metadata));
    const size_t n = (size_t)cJSON_GetArraySize(metadata);
    file->key = arena_try_alloc(r->arena, n * sizeof *file->key);
    file->value = arena_try_alloc(r->arena, n * sizeof *file->value);
    if (file->key == NULL || file->value == NULL) return status_prefix(STATUS_NOMEM, "%s", r->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, metadata)
    {
        if (!cJSON_IsString(item))
            return status_fail(STATUS_FORMAT, "%s: __metadata__ %s: %s; must be a string", r->path,
                               json_quote(r->arena, item->string), json_brief(r->arena, item));
        if (!r->has_crc && strcmp(item->string, "crc32") == 0)
            return status_fail(STATUS_FORMAT, "%s: crc32 %s is not at the head of the header; it must stand there",
                               r->path, json_brief(r->arena, item));
        file->key[file->n_metadata] = arena_strdup(r->arena, item->string);
        file->value[file->n_metadata++] = arena_strdup(r->arena, item->valuestring);
    }
    return STATUS_OK;
}

static Status read_tensors(const Reader *r, const cJSON *header, SafeFile *file)
{
    const size_t members = (size_t)cJSON_GetArraySize(header);
    file->tensor = arena_try_alloc(r->arena, members * sizeof *file->tensor);
    SafeTensor **sorted = arena_try_alloc(r->arena, members * sizeof *sorted);
    if (file->tensor == NULL || sorted == NULL) return status_prefix(STATUS_NOMEM, "%s", r->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, header)
    {
        if (strcmp(item->string, "__metadata__") == 0) {
            TRY(read_metadata(r, item, file));
            continue;
        }
        TRY(read_tensor(r, item, &file->tensor[file->n]));
        sorted[file->n] = &file->tensor[file->n];
        file->n++;
    }
    if (file->n > 0) qsort(sorted, (size_t)file->n, sizeof *sorted, by_place);
    return check_cover(r, sorted, file->n);
}

/* The CRC of the file with '0' for its own digits. */
static Status check_crc(const Reader *r, const unsigned char *data)
{
    static const size_t head = sizeof SAFE_CRC_HEAD - 1;
    const unsigned char *digits = r->header + head, *rest = digits + SAFE_CRC_DIGITS;
    char computed[SAFE_CRC_DIGITS + 1];
    uLong crc = crc32_z(crc32_z(0, NULL, 0), r->start, 8);
    crc = crc32_z(crc, r->header, head);
    crc = crc32_z(crc, (const Bytef *)"00000000", SAFE_CRC_DIGITS);
    crc = crc32_z(crc, rest, (size_t)(r->header + r->header_bytes - rest));
    crc = crc32_z(crc, data, r->bytes);
    snprintf(computed, sizeof computed, "%08lx", crc & 0xffffffffUL);
    if (memcmp(computed, digits, SAFE_CRC_DIGITS) == 0) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: its bytes have CRC-32 %s, its header says otherwise; the file is damaged",
                       r->path, computed);
}

/* The header's length, held against the file's, and its text. */
static Status read_start(Reader *r, bool require_crc)
{
    unsigned char *start, *text;
    if (r->file_bytes < 8)
        return status_fail(STATUS_FORMAT, "%s: %zu bytes; a safetensors file has 8 and a header", r->path,
                           r->file_bytes);
    TRY(file_next(r->arena, r->stream, r->path, 8, &start));
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | start[i];
    const uint64_t room = r->file_bytes - 8;
    if (length > ST_MAX_HEADER_BYTES && length > room)
        return status_fail(STATUS_FORMAT, "%s: does not begin like a .safetensors file; one is required", r->path);
    if (length > ST_MAX_HEADER_BYTES || length > room)
        return status_fail(STATUS_FORMAT, "%s: header length %llu; must be at most %d and within the file's %zu bytes",
                           r->path, (unsigned long long)length, (int)ST_MAX_HEADER_BYTES, r->file_bytes);
    TRY(file_next(r->arena, r->stream, r->path, (size_t)length, &text));
    const size_t head = sizeof SAFE_CRC_HEAD - 1;
    r->start = start;
    r->header = text;
    r->header_bytes = (size_t)length;
    r->bytes = (size_t)(room - length);
    r->has_crc = length >= head + SAFE_CRC_DIGITS && memcmp(text, SAFE_CRC_HEAD, head) == 0;
    if (!r->has_crc && require_crc)
        return status_fail(STATUS_FORMAT,
                           "%s: no CRC-32 at the head; the file is damaged or was not written by bitfold", r->path);
    if (length == 0 || text[0] != '{')
        return status_fail(STATUS_FORMAT, "%s: no safetensors header; it must begin with '{' at byte 8", r->path);
    return STATUS_OK;
}

static Status read_header(const Reader *r, SafeFile *file)
{
    cJSON *header = NULL;
    Status status =
        json_parse((const char *)r->header, r->header_bytes, arena_printf(r->arena, "%s: header", r->path), &header);
    if (status == STATUS_OK) status = read_tensors(r, header, file);
    cJSON_Delete(header);
    if (status != STATUS_FORMAT || !r->has_crc) return status;
    return status_fail(STATUS_FORMAT, "%s; the file is damaged", arena_strdup(r->arena, status_message()));
}

static Status read_data(const Reader *r, const SafeFile *file)
{
    unsigned char *data;
    TRY(file_next(r->arena, r->stream, r->path, r->bytes, &data));
    if (r->has_crc) TRY(check_crc(r, data));
    for (int i = 0; i < file->n; i++) {
        file->tensor[i].data = data + file->tensor[i].begin;
        TRY(align(r, &file->tensor[i]));
    }
    return STATUS_OK;
}

Status safe_read(Arena *arena, const char *path, bool require_crc, SafeFile *file)
{
    *file = (SafeFile){.path = arena_strdup(arena, path)};
    Reader r = {.arena = arena, .path = file->path};
    TRY(file_open(path, (size_t)4 << 30, &r.stream, &r.file_bytes));
    Status status = read_start(&r, require_crc);
    if (status == STATUS_OK) status = read_header(&r, file);
    if (status == STATUS_OK) status = read_data(&r, file);
    fclose(r.stream);
    return status;
}

const SafeTensor *safe_find(const SafeFile *file, const char *name)
{
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

const char *safe_metadata(const SafeFile *file, const char *key)
{
    for (int i = 0; i < file->n_metadata; i++)
        if (strcmp(file->key[i], key) == 0) return file->value[i];
    return NULL;
}

/* "F32 [10,any]" */
static const char *shape_words(char text[256], SafeType type, int rank, const int64_t *dim)
{
    int n = snprintf(text, 256, "%s [", types[type].name);
    for (int i = 0; i < rank; i++) {
        const char *comma = i == 0 ? "" : ",";
        if (dim[i] < 0)
            n += snprintf(text + n, 256 - (size_t)n, "%sany", comma);
        else
            n += snprintf(text + n, 256 - (size_t)n, "%s%lld", comma, (long long)dim[i]);
    }
    snprintf(text + n, 256 - (size_t)n, "]");
    return text;
}

Status safe_expect(const SafeFile *file, const char *name, SafeType type, int rank, const int64_t *dim,
                   const SafeTensor **tensor)
{
    ASSERT(rank >= 0 && rank <= ST_MAX_RANK);
    const SafeTensor *t = safe_find(file, name);
    bool fits = t != NULL && t->type == type && t->rank == rank;
    for (int i = 0; i < rank && fits; i++) fits = dim[i] < 0 || dim[i] == t->dim[i];
    *tensor = fits ? t : NULL;
    if (fits) return STATUS_OK;
    char given[256], wanted[256];
    return status_fail(STATUS_FORMAT, "%s: tensor \"%s\": %s; must be %s", file->path, name,
                       t == NULL ? "missing" : shape_words(given, t->type, t->rank, t->dim),
                       shape_words(wanted, type, rank, dim));
}
