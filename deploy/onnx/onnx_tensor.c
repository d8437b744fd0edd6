#include "deploy/onnx/onnx_tensor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw tensor bytes are taken as they are");

static const char *name_of(const Onnx__TensorProto *t) { return onnx_text(t->name); }

Status onnx_tensor_count(const Onnx__TensorProto *t, int64_t *count)
{
    if (t->n_dims > ONNX_MAX_RANK)
        return status_fail(STATUS_FORMAT, "tensor \"%s\": %zu dimensions; at most %d are accepted", name_of(t),
                           t->n_dims, ONNX_MAX_RANK);
    int64_t product = 1;
    bool empty = false;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0 || t->dims[i] > ONNX_MAX_ELEMENTS)
            return status_fail(STATUS_FORMAT, "tensor \"%s\": a dimension of %lld; must be 0 to %d", name_of(t),
                               (long long)t->dims[i], ONNX_MAX_ELEMENTS);
        empty = empty || t->dims[i] == 0;
        product *= t->dims[i] == 0 ? 1 : t->dims[i];
        if (product > ONNX_MAX_ELEMENTS)
            return status_fail(STATUS_FORMAT, "tensor \"%s\": too many elements; at most %d are accepted", name_of(t),
                               ONNX_MAX_ELEMENTS);
    }
    *count = empty ? 0 : product;
    return STATUS_OK;
}

size_t onnx_type_bytes(int32_t data_type)
{
    switch (data_type) {
    case ONNX_UINT8:
    case ONNX_INT8:
        return 1;
    case ONNX_FLOAT16:
    case ONNX_INT16:
        return 2;
    case ONNX_FLOAT:
    case ONNX_INT32:
        return 4;
    case ONNX_INT64:
    case ONNX_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

/* ---- where the bytes are ----------------------------------------------------------------------------------------- */

static Status wrong_size(const Onnx__TensorProto *t, long long given, long long required, const char *unit)
{
    return status_fail(STATUS_FORMAT, "tensor \"%s\": %lld %s of data; its shape and type require %lld", name_of(t),
                       given, unit, required);
}

static Status copy(Arena *arena, const Onnx__TensorProto *t, const void *from, size_t bytes, const void **data)
{
    void *to = arena_try_alloc(arena, bytes);
    if (to == NULL) return status_prefix(STATUS_NOMEM, "tensor \"%s\"", name_of(t));
    if (bytes > 0) memcpy(to, from, bytes);
    *data = to;
    return STATUS_OK;
}

/* Types below 32 bits lie one in each entry of int32_data. */
static Status narrow(Arena *arena, const Onnx__TensorProto *t, size_t element_bytes, const void **data)
{
    const int bits = 8 * (int)element_bytes;
    const bool is_signed = t->data_type == ONNX_INT8 || t->data_type == ONNX_INT16;
    const int32_t lo = is_signed ? -(1 << (bits - 1)) : 0;
    const int32_t hi = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
    unsigned char *to = arena_try_alloc(arena, t->n_int32_data * element_bytes);
    if (to == NULL) return status_prefix(STATUS_NOMEM, "tensor \"%s\"", name_of(t));
    for (size_t i = 0; i < t->n_int32_data; i++) {
        const int32_t v = t->int32_data[i];
        if (v < lo || v > hi)
            return status_fail(STATUS_FORMAT, "tensor \"%s\": value %d; its type holds %d to %d", name_of(t), v, lo,
                               hi);
        memcpy(to + i * element_bytes, &v, element_bytes);
    }
    *data = to;
    return STATUS_OK;
}

static Status typed_data(Arena *arena, const Onnx__TensorProto *t, int64_t count, const void **data)
{
    const void *list = t->int32_data;
    size_t n = t->n_int32_data;
    const size_t element_bytes = onnx_type_bytes(t->data_type);
    if (t->data_type == ONNX_FLOAT) list = t->float_data, n = t->n_float_data;
    if (t->data_type == ONNX_DOUBLE) list = t->double_data, n = t->n_double_data;
    if (t->data_type == ONNX_INT64) list = t->int64_data, n = t->n_int64_data;
    if ((int64_t)n != count) return wrong_size(t, (long long)n, count, "values");
    if (element_bytes < sizeof(int32_t)) return narrow(arena, t, element_bytes, data);
    return copy(arena, t, list, n * element_bytes, data);
}

/* "offset" and "length": decimal digits. */
static Status external_number(const Onnx__TensorProto *t, const char *key, const char *text, int64_t *value)
{
    char *end = NULL;
    errno = 0;
    const long long v = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return status_fail(STATUS_FORMAT, "tensor \"%s\": external %s \"%.40s\"; must be a number of bytes", name_of(t),
                           key, text);
    *value = v;
    return STATUS_OK;
}

typedef struct {
    const char *location;
    int64_t offset, length; /* -1: to the end of the file */
} External;

static Status external_parse(const Onnx__TensorProto *t, External *e)
{
    *e = (External){.location = "", .length = -1};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = onnx_text(t->external_data[i]->key), *value = onnx_text(t->external_data[i]->value);
        if (strcmp(key, "location") == 0) e->location = value;
        if (strcmp(key, "offset") == 0) TRY(external_number(t, key, value, &e->offset));
        if (strcmp(key, "length") == 0) TRY(external_number(t, key, value, &e->length));
    }
    return STATUS_OK;
}

static Status read_range(const Onnx__TensorProto *t, const char *path, int fd, const External *e, void *to,
                         size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(e->offset + (int64_t)done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return status_fail(STATUS_IO, "%s: cannot read: %s; tensor \"%s\" has its data there", path,
                               n < 0 ? strerror(errno) : "it ended early", name_of(t));
        done += (size_t)n;
    }
    return STATUS_OK;
}

/* The tensor's bytes in a file of file_bytes; memory is asked for once they are known to be there. */
static Status read_external(Arena *arena, const Onnx__TensorProto *t, const char *path, int fd, size_t file_bytes,
                            const External *e, size_t bytes, const void **data)
{
    const int64_t rest = e->offset > (int64_t)file_bytes ? -1 : (int64_t)file_bytes - e->offset;
    const int64_t given = e->length < 0 ? rest : e->length;
    if (given != (int64_t)bytes) return wrong_size(t, (long long)given, (long long)bytes, "bytes");
    if (given > rest)
        return status_fail(STATUS_FORMAT, "%s: ends before the data of tensor \"%s\"; must hold all of it", path,
                           name_of(t));
    void *to = arena_try_alloc(arena, bytes);
    if (to == NULL) return status_prefix(STATUS_NOMEM, "tensor \"%s\"", name_of(t));
    *data = to;
    return read_range(t, path, fd, e, to, bytes);
}

static Status external_data(Arena *arena, const Onnx__TensorProto *t, const char *folder, size_t bytes,
                            const void **data)
{
    External e;
    int fd;
    size_t file_bytes;
    TRY(external_parse(t, &e));
    Status status = file_open_below(folder, e.location, &fd, &file_bytes);
    if (status != STATUS_OK) return status_prefix(status, "tensor \"%s\": external data", name_of(t));
    status = read_external(arena, t, file_join(arena, folder, e.location), fd, file_bytes, &e, bytes, data);
    close(fd);
    return status;
}

Status onnx_tensor_read(Arena *arena, const Onnx__TensorProto *t, const char *folder, OnnxTensor *out)
{
    const size_t element_bytes = onnx_type_bytes(t->data_type);
    *out = (OnnxTensor){.name = name_of(t), .type = (OnnxDataType)t->data_type, .rank = (int)t->n_dims};
    if (element_bytes == 0)
        return status_fail(
            STATUS_UNSUPPORTED,
            "tensor \"%s\": data type %d; must be float, double, float16, int8, uint8, int16, int32 or int64",
            name_of(t), t->data_type);
    TRY(onnx_tensor_count(t, &out->count));
    if (t->n_dims > 0) memcpy(out->dim, t->dims, t->n_dims * sizeof out->dim[0]);
    const size_t bytes = (size_t)out->count * element_bytes;
    if (t->data_location == ONNX_LOCATION_EXTERNAL) return external_data(arena, t, folder, bytes, &out->data);
    if (!t->has_raw_data) return typed_data(arena, t, out->count, &out->data);
    if (t->raw_data.len != bytes) return wrong_size(t, (long long)t->raw_data.len, (long long)bytes, "bytes");
    return copy(arena, t, t->raw_data.data, bytes, &out->data);
}

/* ---- conversions ------------------------------------------------------------------------------------------------- */

/* IEEE binary16: exact in float. */
static float from_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = (h >> 10) & 31, mantissa = h & 1023;
    uint32_t bits = sign | (exponent + 112) << 23 | mantissa << 13;
    if (exponent == 31) bits = sign | 0x7f800000 | mantissa << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    if (exponent != 0) return value;
    value = (float)mantissa * 0x1p-24f; /* zero and subnormals */
    return sign != 0 ? -value : value;
}

#define CONVERT(type, to, expression)                                                                                  \
    do {                                                                                                               \
        const type *from = t->data;                                                                                    \
        for (int64_t i = 0; i < t->count; i++) (to)[i] = (expression);                                                 \
    } while (0)

Status onnx_tensor_floats(Arena *arena, const OnnxTensor *t, const float **values)
{
    float *to = arena_try_alloc(arena, (size_t)t->count * sizeof *to);
    if (to == NULL) return status_prefix(STATUS_NOMEM, "tensor \"%s\"", t->name);
    switch (t->type) {
    case ONNX_FLOAT:
        CONVERT(float, to, from[i]);
        break;
    case ONNX_DOUBLE:
        CONVERT(double, to, (float)from[i]);
        break;
    case ONNX_FLOAT16:
        CONVERT(uint16_t, to, from_half(from[i]));
        break;
    case ONNX_INT8:
        CONVERT(int8_t, to, from[i]);
        break;
    case ONNX_UINT8:
        CONVERT(uint8_t, to, from[i]);
        break;
    case ONNX_INT16:
        CONVERT(int16_t, to, from[i]);
        break;
    case ONNX_INT32:
        CONVERT(int32_t, to, (float)from[i]);
        break;
    case ONNX_INT64:
        CONVERT(int64_t, to, (float)from[i]);
        break;
    }
    *values = to;
    return STATUS_OK;
}

Status onnx_tensor_ints(Arena *arena, const OnnxTensor *t, const int64_t **values)
{
    int64_t *to = arena_try_alloc(arena, (size_t)t->count * sizeof *to);
    if (to == NULL) return status_prefix(STATUS_NOMEM, "tensor \"%s\"", t->name);
    switch (t->type) {
    case ONNX_INT8:
        CONVERT(int8_t, to, from[i]);
        break;
    case ONNX_UINT8:
        CONVERT(uint8_t, to, from[i]);
        break;
    case ONNX_INT16:
        CONVERT(int16_t, to, from[i]);
        break;
    case ONNX_INT32:
        CONVERT(int32_t, to, from[i]);
        break;
    case ONNX_INT64:
        CONVERT(int64_t, to, from[i]);
        break;
    case ONNX_FLOAT:
    case ONNX_DOUBLE:
    case ONNX_FLOAT16:
        return status_fail(STATUS_FORMAT, "tensor \"%s\": holds floats; integers are required", t->name);
    }
    *values = to;
    return STATUS_OK;
}
