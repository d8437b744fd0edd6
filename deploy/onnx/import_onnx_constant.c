/* Constants: initializers, Constant nodes, and what follows from them and from shapes alone. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "deploy/onnx/import_onnx_graph.h"

void import_set_constant(Value *v, Constant *c)
{
    if (v == NULL) return;
    v->kind = VALUE_CONSTANT;
    v->constant = c;
}

/* Tensors that share a file's bytes would multiply them: each file has its size, twice, to give. */
static Status count_outside(Import *im, const ImportNode *n, const Onnx__TensorProto *t, int64_t bytes)
{
    const char *location = "";
    for (size_t i = 0; i < t->n_external_data; i++)
        if (strcmp(onnx_text(t->external_data[i]->key), "location") == 0)
            location = onnx_text(t->external_data[i]->value);
    struct stat st;
    if (stat(file_join(im->arena, im->folder, location), &st) != 0)
        return status_fail(STATUS_IO, "%s: cannot be seen any more", location);
    if (im->file == NULL) im->file = ARENA_ARRAY(im->arena, ImportFile, IMPORT_MAX_FILES);
    int i = 0;
    while (i < im->files && (im->file[i].device != st.st_dev || im->file[i].number != st.st_ino)) i++;
    if (i == IMPORT_MAX_FILES)
        return UNSUPPORTED(im, n, "external data in more than %d files; must be fewer", (int)IMPORT_MAX_FILES);
    if (i == im->files) im->file[im->files++] = (ImportFile){st.st_dev, st.st_ino, 2 * (int64_t)st.st_size};
    im->file[i].left_bytes -= bytes;
    if (im->file[i].left_bytes < 0)
        return MALFORMED(
            im, n, "tensor \"%.100s\": external data in \"%.100s\" that other tensors have twice over; must be its own",
            onnx_text(t->name), location);
    return STATUS_OK;
}

Status import_tensor(Import *im, const ImportNode *n, const Onnx__TensorProto *t, OnnxTensor *out)
{
    TRY(import_at(im, n, onnx_tensor_read(im->arena, t, im->folder, out)));
    const size_t bytes = (size_t)out->count * onnx_type_bytes(out->type);
    if (t->data_location == ONNX_LOCATION_EXTERNAL) TRY(count_outside(im, n, t, (int64_t)bytes));
    im->allowance_bytes += 16 * bytes;
    return STATUS_OK;
}

/* Reads an initializer when it is first asked for. */
static Status read_value(Import *im, const ImportNode *n, Value *v)
{
    if (v->constant != NULL) return STATUS_OK;
    Constant *c = ARENA_ARRAY(im->arena, Constant, 1);
    TRY(import_tensor(im, n, v->proto, &c->tensor));
    v->constant = c;
    return STATUS_OK;
}

Status import_constant(Import *im, const ImportNode *n, int input, Constant **c)
{
    *c = NULL;
    Value *v = import_input(im, n, input);
    if (v == NULL) return MALFORMED(im, n, "input %d: left out; it is required", input);
    if (v->kind != VALUE_CONSTANT)
        return UNSUPPORTED(im, n, "input %d: is computed from the image; must be a constant", input);
    TRY(read_value(im, n, v));
    *c = v->constant;
    return STATUS_OK;
}

Status import_floats(Import *im, const ImportNode *n, const Constant *c, const float **x)
{
    const OnnxTensor *t = &c->tensor;
    float *to = import_alloc(im, sizeof(float) * (size_t)t->count);
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    const float *from;
    TRY(import_at(im, n, onnx_tensor_floats(im->arena, t, &from)));
    long inner = 1;
    for (int i = c->axis + 1; i < t->rank; i++) inner *= t->dim[i];
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t s = c->scales > 1 ? i / inner % c->scales : 0;
        to[i] = c->scales == 0 ? from[i] : (from[i] - (float)c->zero_point[s]) * c->scale[s];
        if (!isfinite(to[i]))
            return MALFORMED(im, n, "a constant holds %g; every number must be finite", (double)to[i]);
    }
    *x = to;
    return STATUS_OK;
}

Status import_scalar(Import *im, const ImportNode *n, int input, float *x)
{
    Constant *c;
    TRY(import_constant(im, n, input, &c));
    if (c->tensor.count != 1)
        return UNSUPPORTED(im, n, "input %d: %lld numbers; must be one", input, (long long)c->tensor.count);
    const float *from;
    TRY(import_at(im, n, onnx_tensor_floats(im->arena, &c->tensor, &from)));
    *x = c->scales == 0 ? from[0] : (from[0] - (float)c->zero_point[0]) * c->scale[0];
    return STATUS_OK;
}

/* ---- integers and their grids ------------------------------------------------------------------------------------ */

/* Scales and zero points, inputs 1 and 2, of a constant with these dims. */
static Status read_scales(Import *im, const ImportNode *n, const OnnxTensor *t, Constant *out, OnnxDataType *type)
{
    Constant *scale, *zero = NULL;
    TRY(import_constant(im, n, 1, &scale));
    if (import_input(im, n, 2) != NULL) TRY(import_constant(im, n, 2, &zero));
    const int64_t count = scale->tensor.count;
    const int64_t axis = onnx_attribute_int(n->proto, "axis", 1), at = axis < 0 ? axis + t->rank : axis;
    if (count != 1 && (at < 0 || at >= t->rank || count != t->dim[at]))
        return UNSUPPORTED(im, n, "%lld scales along axis %lld; must be one, or as many as the axis is long",
                           (long long)count, (long long)axis);
    if (zero != NULL && zero->tensor.count != count)
        return MALFORMED(im, n, "%lld zero points beside %lld scales; must be as many", (long long)zero->tensor.count,
                         (long long)count);
    out->scales = (int)count;
    out->axis = count > 1 ? (int)at : 0;
    TRY(import_floats(im, n, scale, &out->scale));
    for (int64_t i = 0; i < count; i++)
        if (!(out->scale[i] > 0))
            return MALFORMED(im, n, "scale[%lld]: %g; must be above 0", (long long)i, (double)out->scale[i]);
    int32_t *z = import_alloc(im, sizeof(int32_t) * (size_t)count);
    if (z == NULL) return import_at(im, n, STATUS_NOMEM);
    memset(z, 0, sizeof(int32_t) * (size_t)count);
    const int64_t *ints = NULL;
    if (zero != NULL) TRY(import_at(im, n, onnx_tensor_ints(im->arena, &zero->tensor, &ints)));
    for (int64_t i = 0; ints != NULL && i < count; i++) z[i] = (int32_t)ints[i];
    out->zero_point = z;
    *type = zero == NULL ? ONNX_UINT8 : zero->tensor.type;
    return STATUS_OK;
}

/* Codes of uint8 less 128, as int8: the same numbers. */
static Status shift_codes(Import *im, const ImportNode *n, Constant *c)
{
    if (c->tensor.type != ONNX_UINT8) return STATUS_OK;
    const size_t count = (size_t)c->tensor.count;
    int8_t *codes = import_alloc(im, count);
    int32_t *z = import_alloc(im, sizeof(int32_t) * (size_t)c->scales);
    if (codes == NULL || z == NULL) return import_at(im, n, STATUS_NOMEM);
    for (size_t i = 0; i < count; i++) codes[i] = (int8_t)(((const uint8_t *)c->tensor.data)[i] - 128);
    for (int i = 0; i < c->scales; i++) z[i] = c->zero_point[i] - 128;
    c->tensor.type = ONNX_INT8;
    c->tensor.data = codes;
    c->zero_point = z;
    return STATUS_OK;
}

Status import_fold_dequantize(Import *im, const ImportNode *n)
{
    Constant *x, *out = ARENA_ARRAY(im->arena, Constant, 1);
    OnnxDataType type;
    TRY(import_constant(im, n, 0, &x));
    const OnnxDataType given = x->tensor.type;
    if (x->scales != 0 || (given != ONNX_INT8 && given != ONNX_UINT8 && given != ONNX_INT32))
        return UNSUPPORTED(im, n, "input 0: a constant of data type %d; must be int8, uint8 or int32", given);
    out->tensor = x->tensor;
    TRY(read_scales(im, n, &x->tensor, out, &type));
    TRY(shift_codes(im, n, out));
    import_set_constant(import_output(im, n, 0), out);
    return STATUS_OK;
}

/* The codes are a constant of their own; DequantizeLinear will bring the scales. */
Status import_fold_quantize(Import *im, const ImportNode *n)
{
    Constant *x, scales = {0};
    OnnxDataType type;
    const float *from;
    TRY(import_constant(im, n, 0, &x));
    TRY(read_scales(im, n, &x->tensor, &scales, &type));
    if (type != ONNX_INT8 && type != ONNX_UINT8)
        return UNSUPPORTED(im, n, "zero point of data type %d; must be int8 or uint8", type);
    TRY(import_floats(im, n, x, &from));
    const size_t count = (size_t)x->tensor.count;
    uint8_t *codes = import_alloc(im, count);
    if (codes == NULL) return import_at(im, n, STATUS_NOMEM);
    size_t inner = 1;
    for (int i = scales.axis + 1; i < x->tensor.rank; i++) inner *= (size_t)x->tensor.dim[i];
    const float lo = type == ONNX_INT8 ? -128.0f : 0.0f, hi = lo + 255.0f;
    for (size_t i = 0; i < count; i++) {
        const size_t s = scales.scales > 1 ? i / inner % (size_t)scales.scales : 0;
        const float q = rintf(from[i] / scales.scale[s]) + (float)scales.zero_point[s];
        codes[i] = (uint8_t)(int)fminf(fmaxf(q, lo), hi);
    }
    Constant *out = ARENA_ARRAY(im->arena, Constant, 1);
    *out = (Constant){.tensor = x->tensor};
    out->tensor.type = type;
    out->tensor.data = codes;
    import_set_constant(import_output(im, n, 0), out);
    return STATUS_OK;
}

Status import_ints(Import *im, const ImportNode *n, const char *attribute, int input, int *count, const int64_t **ints)
{
    const Onnx__AttributeProto *a = onnx_attribute(n->proto, attribute);
    *count = -1;
    *ints = NULL;
    if (a != NULL) {
        if (a->n_ints > ONNX_MAX_RANK * 2)
            return MALFORMED(im, n, "attribute %s: %zu numbers; at most %d are accepted", attribute, a->n_ints,
                             ONNX_MAX_RANK * 2);
        *count = (int)a->n_ints;
        *ints = a->ints;
        return STATUS_OK;
    }
    if (import_input(im, n, input) == NULL) return STATUS_OK;
    Constant *c;
    TRY(import_constant(im, n, input, &c));
    if (c->tensor.count > ONNX_MAX_RANK * 2)
        return MALFORMED(im, n, "input %d (%s): %lld numbers; at most %d are accepted", input, attribute,
                         (long long)c->tensor.count, ONNX_MAX_RANK * 2);
    *count = (int)c->tensor.count;
    return import_at(im, n, onnx_tensor_ints(im->arena, &c->tensor, ints));
}
