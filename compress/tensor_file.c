#include "compress/tensor_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "base/file.h"
#include "base/format.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "deploy/onnx/onnx_tensor.h"

enum { NPY_MAX_FILE_BYTES = 0xFFFFFFFFu, TEXT_MAX_FILE_BYTES = 1 << 28 };

struct TensorFile {
    const char *path;
    int n;
    FileTensor *tensor;
    Status (*values)(Arena *arena, const TensorFile *file, int i, const float **values);
    SafeFile safe;
    Npy npy;
    const unsigned char *npy_data;
    const float *text;
    Onnx__TensorProto **initializer;
};

static void numpy_elements(const Npy *npy, const unsigned char *data, size_t n, float *x)
{
    for (size_t k = 0; k < n; k++) {
        const unsigned char *at = data + k * (size_t)npy->width;
        x[k] = npy->kind == 'f' ? (float)npy_real(npy, at) : (float)npy_integer(npy, at);
    }
}

/* ---- .npy -------------------------------------------------------------------------------------------------------- */

static Status npy_values(Arena *arena, const TensorFile *file, int i, const float **values)
{
    const Npy *npy = &file->npy;
    const size_t n = (size_t)file->tensor[i].count;
    if (npy->width == 0 || strchr("fiu", npy->kind) == NULL || (npy->kind == 'f' && npy->width == 1))
        return status_fail(STATUS_UNSUPPORTED,
                           "%s: elements of type %s; must be integers of 1 to 8 bytes or floats of 2, 4 or 8",
                           file->path, file->tensor[i].type);
    float *x = arena_try_alloc(arena, n * sizeof *x + 1);
    if (x == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    numpy_elements(npy, file->npy_data, n, x);
    *values = x;
    return STATUS_OK;
}

static Status read_npy(Arena *arena, TensorFile *file)
{
    unsigned char *bytes;
    size_t n, more;
    uint32_t header;
    TRY(file_read(arena, file->path, NPY_MAX_FILE_BYTES, &bytes, &n));
    TRY(npy_begin(file->path, bytes, n, &more, &header));
    const size_t begin = NPY_BEGIN_BYTES + more + header;
    if (begin > n) return status_fail(STATUS_FORMAT, "%s: ends within its header of %u bytes", file->path, header);
    char *text = arena_alloc(arena, (size_t)header + 1);
    memcpy(text, bytes + NPY_BEGIN_BYTES + more, header);
    TRY(npy_header(file->path, text, header, &file->npy));
    const Npy *npy = &file->npy;
    file->n = 1;
    file->tensor = ARENA_ARRAY(arena, FileTensor, 1);
    FileTensor *t = &file->tensor[0];
    *t = (FileTensor){.name = "",
                      .type = arena_printf(arena, "%c%c%d", npy->order, npy->kind, npy->width),
                      .rank = npy->rank,
                      .count = 1};
    for (int i = 0; i < npy->rank; i++) {
        t->dim[i] = (int64_t)npy->dim[i];
        if (npy->dim[i] > 0 && (uint64_t)t->count > NPY_MAX_FILE_BYTES / npy->dim[i])
            return status_fail(STATUS_FORMAT, "%s: a shape of more than 2^32 elements", file->path);
        t->count *= t->dim[i];
    }
    if (npy->width > 0 && (uint64_t)t->count * (uint64_t)npy->width != n - begin)
        return status_fail(STATUS_FORMAT, "%s: %zu bytes of elements; its shape and type require %llu", file->path,
                           n - begin, (unsigned long long)t->count * (unsigned long long)npy->width);
    file->npy_data = bytes + begin;
    file->values = npy_values;
    return STATUS_OK;
}

/* ---- .txt, .csv -------------------------------------------------------------------------------------------------- */

static Status text_values(Arena *arena, const TensorFile *file, int i, const float **values)
{
    (void)arena, (void)i;
    *values = file->text;
    return STATUS_OK;
}

/* A line is a row; numbers stand between commas, semicolons or blanks; empty lines are passed over. */
static Status read_text(Arena *arena, TensorFile *file)
{
    unsigned char *bytes;
    size_t n, count = 0;
    TRY(file_read(arena, file->path, TEXT_MAX_FILE_BYTES, &bytes, &n));
    float *x = arena_try_alloc(arena, (n / 2 + 1) * sizeof *x); /* a number and what parts it from the next */
    if (x == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    const char *at = (const char *)bytes;
    int64_t rows = 0, columns = 0;
    for (int line = 1; *at != '\0'; line++) {
        const size_t row = count;
        for (at += strspn(at, " \t,;\r"); *at != '\0' && *at != '\n'; at += strspn(at, " \t,;\r")) {
            char *end;
            x[count] = strtof(at, &end);
            if (end == at || strchr(" \t,;\r\n", *end) == NULL)
                return status_fail(STATUS_FORMAT, "%s: line %d: \"%.20s\"; must be a number", file->path, line, at);
            count++;
            at = end;
        }
        if (*at == '\n') at++;
        if (count == row) continue;
        if (rows++ == 0) columns = (int64_t)count;
        if ((int64_t)(count - row) != columns)
            return status_fail(STATUS_FORMAT, "%s: line %d: %zu numbers; must be %lld, as in the first row", file->path,
                               line, count - row, (long long)columns);
    }
    if ((const unsigned char *)at != bytes + n)
        return status_fail(STATUS_FORMAT, "%s: a NUL byte; must be text", file->path);
    file->n = 1;
    file->tensor = ARENA_ARRAY(arena, FileTensor, 1);
    file->tensor[0] = (FileTensor){.name = "",
                                   .type = "text",
                                   .rank = rows > 1 ? 2 : 1,
                                   .dim = {rows > 1 ? rows : columns, columns},
                                   .count = (int64_t)count};
    file->text = x;
    file->values = text_values;
    return STATUS_OK;
}

/* ---- .safetensors ------------------------------------------------------------------------------------------------ */

/* What is no float of base/format.h: kind and width as NumPy has them. */
static const Npy numpy_types[] = {
    [ST_U8] = {.kind = 'u', .width = 1},  [ST_BOOL] = {.kind = 'u', .width = 1}, [ST_I8] = {.kind = 'i', .width = 1},
    [ST_U16] = {.kind = 'u', .width = 2}, [ST_I16] = {.kind = 'i', .width = 2},  [ST_U32] = {.kind = 'u', .width = 4},
    [ST_I32] = {.kind = 'i', .width = 4}, [ST_U64] = {.kind = 'u', .width = 8},  [ST_I64] = {.kind = 'i', .width = 8},
    [ST_F64] = {.kind = 'f', .width = 8}};

static Status safe_values(Arena *arena, const TensorFile *file, int i, const float **values)
{
    const SafeTensor *t = &file->safe.tensor[i];
    const size_t n = (size_t)file->tensor[i].count;
    if (t->type == ST_F32) {
        *values = t->data;
        return STATUS_OK;
    }
    float *x = arena_try_alloc(arena, n * sizeof *x + 1);
    if (x == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    *values = x;
    static const struct {
        SafeType type;
        Format format;
    } small[] = {{ST_F16, FORMAT_FLOAT16},
                 {ST_BF16, FORMAT_BFLOAT16},
                 {ST_F8_E4M3, FORMAT_FLOAT8_E4M3},
                 {ST_F8_E5M2, FORMAT_FLOAT8_E5M2}};
    for (size_t f = 0; f < sizeof small / sizeof small[0]; f++) {
        if (small[f].type != t->type) continue;
        format_unpack(small[f].format, n, t->data, x);
        return STATUS_OK;
    }
    numpy_elements(&numpy_types[t->type], t->data, n, x);
    return STATUS_OK;
}

static Status read_safe(Arena *arena, TensorFile *file)
{
    TRY(safe_read(arena, file->path, false, &file->safe));
    file->n = file->safe.n;
    file->tensor = ARENA_ARRAY(arena, FileTensor, file->n + 1);
    for (int i = 0; i < file->n; i++) {
        const SafeTensor *t = &file->safe.tensor[i];
        file->tensor[i] = (FileTensor){.name = t->name,
                                       .type = safe_type_name(t->type),
                                       .rank = t->rank,
                                       .count = (int64_t)(t->bytes / safe_type_bytes(t->type))};
        memcpy(file->tensor[i].dim, t->dim, sizeof *t->dim * (size_t)t->rank);
    }
    file->values = safe_values;
    return STATUS_OK;
}

/* ---- .onnx ------------------------------------------------------------------------------------------------------- */

static Status onnx_values(Arena *arena, const TensorFile *file, int i, const float **values)
{
    OnnxTensor t;
    Status status = onnx_tensor_read(arena, file->initializer[i], file_dirname(arena, file->path), &t);
    if (status == STATUS_OK) status = onnx_tensor_floats(arena, &t, values);
    return status == STATUS_OK ? status : status_prefix(status, "%s", file->path);
}

static const char *onnx_type(Arena *arena, int32_t type)
{
    static const char *const names[] = {
        [ONNX_FLOAT] = "float32", [ONNX_UINT8] = "uint8", [ONNX_INT8] = "int8",      [ONNX_INT16] = "int16",
        [ONNX_INT32] = "int32",   [ONNX_INT64] = "int64", [ONNX_DOUBLE] = "float64", [ONNX_FLOAT16] = "float16"};
    const bool known = type >= 0 && type < (int)(sizeof names / sizeof names[0]) && names[type] != NULL;
    return known ? names[type] : arena_printf(arena, "type %d", type);
}

static Status read_onnx(Arena *arena, TensorFile *file)
{
    Onnx__ModelProto *model;
    TRY(onnx_read(arena, file->path, &model));
    file->n = (int)model->graph->n_initializer;
    file->initializer = model->graph->initializer;
    file->tensor = ARENA_ARRAY(arena, FileTensor, file->n + 1);
    for (int i = 0; i < file->n; i++) {
        const Onnx__TensorProto *t = file->initializer[i];
        FileTensor *out = &file->tensor[i];
        *out = (FileTensor){.name = onnx_text(t->name), .type = onnx_type(arena, t->data_type), .rank = (int)t->n_dims};
        const Status status = onnx_tensor_count(t, &out->count);
        if (status != STATUS_OK) return status_prefix(status, "%s", file->path);
        for (int k = 0; k < out->rank; k++) out->dim[k] = t->dims[k];
    }
    file->values = onnx_values;
    return STATUS_OK;
}

/* ---- any --------------------------------------------------------------------------------------------------------- */

Status tensor_file_read(Arena *arena, const char *path, TensorFile **out)
{
    static const struct {
        const char *extension;
        Status (*read)(Arena *arena, TensorFile *file);
    } formats[] = {{".npy", read_npy},
                   {".safetensors", read_safe},
                   {".onnx", read_onnx},
                   {".txt", read_text},
                   {".csv", read_text}};
    TensorFile *file = arena_zalloc(arena, sizeof *file);
    file->path = path;
    *out = file;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (file_ends(path, formats[i].extension)) return formats[i].read(arena, file);
    return status_fail(STATUS_INVALID, "%s: of no format this reads; must be .npy, .safetensors, .onnx, .txt or .csv",
                       path);
}

int tensor_file_count(const TensorFile *file) { return file->n; }
const FileTensor *tensor_file_at(const TensorFile *file, int i) { return &file->tensor[i]; }

Status tensor_file_find(const TensorFile *file, const char *name, int *found)
{
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensor[i].name, name) == 0) {
            *found = i;
            return STATUS_OK;
        }
    if (file->n == 1 && file->tensor[0].name[0] == '\0')
        return status_fail(STATUS_INVALID, "%s: tensor \"%s\"; the file holds one tensor without a name", file->path,
                           name);
    Arena *memory = arena_create();
    const char **names = ARENA_ARRAY(memory, const char *, file->n + 1);
    for (int i = 0; i < file->n; i++) names[i] = file->tensor[i].name;
    const char *nearest = nearest_name(name, names);
    const Status status =
        nearest == NULL
            ? status_fail(STATUS_INVALID, "%s: no tensor \"%s\"; without a name all %d are listed", file->path, name,
                          file->n)
            : status_fail(STATUS_INVALID, "%s: no tensor \"%s\"; did you mean \"%s\"?", file->path, name, nearest);
    arena_destroy(memory);
    return status;
}

Status tensor_file_values(Arena *arena, const TensorFile *file, int i, const float **values)
{
    return file->values(arena, file, i, values);
}
