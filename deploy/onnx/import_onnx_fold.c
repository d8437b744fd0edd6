/* Nodes that follow from constants and shapes alone: what exporters leave of x.view(x.size(0), -1), of padding, and of
 * constants they did not fold themselves. */
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

enum { FOLD_MAX_INTS = 64 }; /* numbers of a shape that is computed */

static const int64_t *ints_of(const Constant *c) { return c->tensor.data; }

static Constant *new_constant(Import *im, OnnxDataType type, int rank, const int64_t *dim, int64_t count, void *data)
{
    Constant *c = ARENA_ARRAY(im->arena, Constant, 1);
    c->tensor = (OnnxTensor){.name = "", .type = type, .rank = rank, .count = count, .data = data};
    if (rank > 0) memcpy(c->tensor.dim, dim, sizeof *dim * (size_t)rank);
    return c;
}

/* A new list of `count` integers; rank 1, or 0 of one. */
static Constant *new_ints(Import *im, int rank, int64_t count, int64_t **ints)
{
    *ints = ARENA_ARRAY(im->arena, int64_t, count + 1);
    return new_constant(im, ONNX_INT64, rank, &count, count, *ints);
}

static bool is_list(const Constant *c)
{
    return c->tensor.type == ONNX_INT64 && c->tensor.rank <= 1 && c->tensor.count <= FOLD_MAX_INTS && c->scales == 0;
}

static Status shape(Import *im, const ImportNode *n, Constant **out)
{
    Activated a;
    int64_t *to;
    TRY(import_activation(im, n, 0, &a));
    *out = new_ints(im, 1, a.view.rank, &to);
    to[0] = IMPORT_BATCH;
    for (int i = 1; i < a.view.rank; i++) to[i] = view_length(&a.view, a.size, i);
    return STATUS_OK;
}

static Status gather(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x, *at;
    TRY(import_constant(im, n, 0, &x));
    TRY(import_constant(im, n, 1, &at));
    if (!is_list(x) || !is_list(at) || onnx_attribute_int(n->proto, "axis", 0) != 0)
        return UNSUPPORTED(im, n, "of a constant that is no list of integers; must be an element of a shape");
    int64_t *to;
    *out = new_ints(im, at->tensor.rank, at->tensor.count, &to);
    for (int64_t i = 0; i < at->tensor.count; i++) {
        const int64_t k = ints_of(at)[i] < 0 ? ints_of(at)[i] + x->tensor.count : ints_of(at)[i];
        if (k < 0 || k >= x->tensor.count)
            return MALFORMED(im, n, "index %lld of %lld numbers; must be within", (long long)ints_of(at)[i],
                             (long long)x->tensor.count);
        to[i] = ints_of(x)[k];
    }
    return STATUS_OK;
}

static Status slice(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x;
    int starts, ends, axes, steps;
    const int64_t *start, *end, *axis, *step;
    TRY(import_constant(im, n, 0, &x));
    TRY(import_ints(im, n, "starts", 1, &starts, &start));
    TRY(import_ints(im, n, "ends", 2, &ends, &end));
    TRY(import_ints(im, n, "axes", 3, &axes, &axis));
    TRY(import_ints(im, n, "steps", 4, &steps, &step));
    const int64_t rank = x->tensor.rank, by = steps < 0 ? 1 : steps == 1 ? step[0] : 0, rows = x->tensor.dim[0];
    if (x->tensor.type != ONNX_INT64 || x->scales != 0 || rank < 1 || rank > 2 || x->tensor.count > FOLD_MAX_INTS ||
        starts != 1 || ends != 1 || (axes >= 0 && (axes != 1 || (axis[0] != 0 && axis[0] != -rank))) ||
        (by != 1 && by != -1))
        return UNSUPPORTED(im, n, "of a constant; must be a range of a list of integers");
    const int64_t width = rank == 2 ? x->tensor.dim[1] : 1, most = by > 0 ? rows : rows - 1, least = by > 0 ? 0 : -1;
    int64_t a = start[0] < 0 ? start[0] + rows : start[0], b = end[0] < 0 ? end[0] + rows : end[0];
    a = a < 0 ? 0 : a;
    a = a > most ? most : a; /* -1: backwards through no rows */
    b = b < least ? least : b > most ? most : b;
    const int64_t count = by > 0 ? (b > a ? b - a : 0) : (a > b ? a - b : 0), dim[2] = {count, width};
    int64_t *to = ARENA_ARRAY(im->arena, int64_t, count * width + 1);
    for (int64_t i = 0; i < count; i++)
        memcpy(to + i * width, ints_of(x) + (a + i * by) * width, sizeof *to * (size_t)width);
    *out = new_constant(im, ONNX_INT64, (int)rank, dim, count * width, to);
    return STATUS_OK;
}

static Status concat(Import *im, const ImportNode *n, Constant **out)
{
    int64_t list[FOLD_MAX_INTS], count = 0;
    for (int i = 0; i < n->inputs; i++) {
        Constant *x;
        TRY(import_constant(im, n, i, &x));
        if (!is_list(x) || x->tensor.rank != 1 || count + x->tensor.count > FOLD_MAX_INTS)
            return UNSUPPORTED(im, n, "of constants that are no lists of integers; must be one of activations");
        memcpy(list + count, x->tensor.data, sizeof *list * (size_t)x->tensor.count);
        count += x->tensor.count;
    }
    int64_t *to;
    *out = new_ints(im, 1, count, &to);
    memcpy(to, list, sizeof *list * (size_t)count);
    return STATUS_OK;
}

static Status constant_of_shape(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x;
    TRY(import_constant(im, n, 0, &x));
    const Onnx__AttributeProto *a = onnx_attribute(n->proto, "value");
    OnnxTensor value = {.type = ONNX_FLOAT};
    if (a != NULL && a->t != NULL) TRY(import_tensor(im, n, a->t, &value));
    const int64_t count = is_list(x) && x->tensor.count == 1 ? ints_of(x)[0] : -1;
    if (count < 0 || count > FOLD_MAX_INTS || value.type != ONNX_INT64 || value.count != 1)
        return UNSUPPORTED(im, n, "of a constant; must be a list of integers");
    int64_t *to;
    *out = new_ints(im, 1, count, &to);
    for (int64_t i = 0; i < count; i++) to[i] = *(const int64_t *)value.data;
    return STATUS_OK;
}

/* Constant: its number or tensor is in one of several attributes. */
static Status constant(Import *im, const ImportNode *n, Constant **out)
{
    const Onnx__AttributeProto *a = n->proto->n_attribute == 1 ? n->proto->attribute[0] : NULL;
    const char *name = a == NULL ? "" : onnx_text(a->name);
    int64_t *ints;
    if (strcmp(name, "value") == 0 && a->t != NULL) {
        *out = ARENA_ARRAY(im->arena, Constant, 1);
        return import_tensor(im, n, a->t, &(*out)->tensor);
    }
    if (strcmp(name, "value_int") == 0 || strcmp(name, "value_ints") == 0) {
        const bool list = strcmp(name, "value_ints") == 0;
        *out = new_ints(im, list, list ? (int64_t)a->n_ints : 1, &ints);
        if (!list) ints[0] = a->i;
        if (list && a->n_ints > 0) memcpy(ints, a->ints, sizeof *ints * a->n_ints);
        return STATUS_OK;
    }
    if (strcmp(name, "value_float") == 0 || strcmp(name, "value_floats") == 0) {
        const bool list = strcmp(name, "value_floats") == 0;
        const int64_t count = list ? (int64_t)a->n_floats : 1;
        float *x = ARENA_ARRAY(im->arena, float, count + 1);
        if (!list) x[0] = a->f;
        if (list && count > 0) memcpy(x, a->floats, sizeof *x * (size_t)count);
        *out = new_constant(im, ONNX_FLOAT, list, &count, count, x);
        return STATUS_OK;
    }
    return UNSUPPORTED(im, n, "attribute \"%.60s\"; must be value, value_int, value_ints, value_float or value_floats",
                       name);
}

/* Numbers as integers, cut off towards 0. */
static Status truncated(Import *im, const ImportNode *n, const Constant *x, Constant *out)
{
    const float *from;
    TRY(import_floats(im, n, x, &from));
    int64_t *to = ARENA_ARRAY(im->arena, int64_t, x->tensor.count + 1);
    for (int64_t i = 0; i < x->tensor.count; i++) {
        if (!(from[i] > -0x1p62f && from[i] < 0x1p62f))
            return UNSUPPORTED(im, n, "%g as an integer; must be below 2^62", (double)from[i]);
        to[i] = (int64_t)from[i];
    }
    out->tensor.data = to;
    return STATUS_OK;
}

static Status cast(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x;
    TRY(import_constant(im, n, 0, &x));
    const int64_t to = onnx_attribute_int(n->proto, "to", 0);
    *out = ARENA_ARRAY(im->arena, Constant, 1);
    **out = *x;
    if (to == x->tensor.type) return STATUS_OK;
    (*out)->tensor.type = (OnnxDataType)to;
    if (to == ONNX_FLOAT && x->scales == 0) {
        const float *floats;
        TRY(import_floats(im, n, x, &floats));
        (*out)->tensor.data = floats;
        return STATUS_OK;
    }
    const bool whole = x->tensor.type == ONNX_INT32 || x->tensor.type == ONNX_INT64;
    if ((to != ONNX_INT64 && to != ONNX_INT32) || (!whole && x->tensor.type != ONNX_FLOAT) || x->scales != 0 ||
        x->tensor.count > FOLD_MAX_INTS)
        return UNSUPPORTED(im, n,
                           "to: %lld of a constant of data type %d; must be 1 (float), or 6 or 7 (int32, int64) of a "
                           "short list of numbers",
                           (long long)to, x->tensor.type);
    (*out)->tensor.type = ONNX_INT64; /* what shapes are counted in */
    if (!whole) return truncated(im, n, x, *out);
    const int64_t *ints;
    TRY(import_at(im, n, onnx_tensor_ints(im->arena, &x->tensor, &ints)));
    (*out)->tensor.data = ints;
    return STATUS_OK;
}

/* Dims of a Reshape: one -1 for what is left, 0 for the same length. */
static Status reshaped_dims(const Import *im, const ImportNode *n, const OnnxTensor *t, int count, const int64_t *to,
                            OnnxTensor *y)
{
    int64_t known = 1;
    int open = -1;
    y->rank = count;
    for (int i = 0; i < count; i++) {
        y->dim[i] = i < t->rank && to[i] == 0 ? t->dim[i] : to[i];
        if (to[i] == -1) open = i;
        if (to[i] < -1 || y->dim[i] > ONNX_MAX_ELEMENTS || known > ONNX_MAX_ELEMENTS)
            return MALFORMED(im, n, "shape[%d]: %lld; must be a length, or -1", i, (long long)to[i]);
        known *= i == open ? 1 : y->dim[i];
    }
    if (open >= 0) y->dim[open] = known > 0 ? t->count / known : 0;
    if (known * (open >= 0 ? y->dim[open] : 1) == t->count) return STATUS_OK;
    return MALFORMED(im, n, "a shape of %lld elements of %lld; must be as many", (long long)known, (long long)t->count);
}

/* Of rank `rank`: which dims the axes name. */
static Status marked_axes(const Import *im, const ImportNode *n, int rank, int count, const int64_t *axes, bool *marked)
{
    for (int i = 0; i < count; i++) {
        const int64_t at = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (at < 0 || at >= rank || marked[at])
            return MALFORMED(im, n, "axes: %lld of rank %d; must be within, each once", (long long)axes[i], rank);
        marked[at] = true;
    }
    return STATUS_OK;
}

/* Reshape, Squeeze, Unsqueeze of a constant: the same elements in other dims. */
static Status reshape(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x;
    int count;
    const int64_t *to;
    bool marked[2 * ONNX_MAX_RANK] = {false};
    const char op = n->proto->op_type[0]; /* R, S, U */
    TRY(import_constant(im, n, 0, &x));
    const OnnxTensor *t = &x->tensor;
    *out = ARENA_ARRAY(im->arena, Constant, 1);
    **out = *x;
    OnnxTensor *y = &(*out)->tensor;
    TRY(import_ints(im, n, op == 'R' ? "shape" : "axes", 1, &count, &to));
    if (x->scales > 1 || count > ONNX_MAX_RANK)
        return UNSUPPORTED(im, n, "of a constant with a scale for each channel; must not be reshaped");
    if (op == 'R' && count < 0) return MALFORMED(im, n, "no shape; it is required");
    if (op == 'R') return reshaped_dims(im, n, t, count, to, y);
    const int rank = t->rank + (op == 'U' && count > 0 ? count : 0);
    if (rank > ONNX_MAX_RANK) return UNSUPPORTED(im, n, "to rank %d; at most %d", rank, ONNX_MAX_RANK);
    TRY(marked_axes(im, n, rank, count, to, marked));
    y->rank = 0;
    for (int i = 0, k = 0; i < rank; i++)
        if (op == 'U')
            y->dim[y->rank++] = marked[i] ? 1 : t->dim[k++];
        else if (t->dim[i] != 1 || (count >= 0 && !marked[i]))
            y->dim[y->rank++] = t->dim[i];
    return STATUS_OK;
}

/* Transpose of a constant of rank 2 to 4, scales with it. */
static Status transpose(Import *im, const ImportNode *n, Constant **out)
{
    Constant *x;
    int count;
    const int64_t *perm;
    TRY(import_constant(im, n, 0, &x));
    TRY(import_ints(im, n, "perm", -1, &count, &perm));
    const OnnxTensor *t = &x->tensor;
    *out = ARENA_ARRAY(im->arena, Constant, 1);
    **out = *x;
    OnnxTensor *y = &(*out)->tensor;
    int64_t step[ONNX_MAX_RANK] = {0}, from[ONNX_MAX_RANK] = {0}, at[ONNX_MAX_RANK] = {0}, product = 1;
    for (int i = t->rank - 1; i >= 0; i--) step[i] = product, product *= t->dim[i];
    bool used[ONNX_MAX_RANK] = {false};
    for (int i = 0; i < t->rank; i++) {
        const int64_t p = count < 0 ? t->rank - 1 - i : i < count ? perm[i] : -1;
        if (p < 0 || p >= t->rank || used[p] || (count >= 0 && count != t->rank))
            return MALFORMED(im, n, "perm; must be a permutation of %d dimensions", t->rank);
        used[p] = true;
        y->dim[i] = t->dim[p];
        from[i] = step[p];
        if (x->scales > 1 && p == x->axis) (*out)->axis = i;
    }
    const size_t bytes = onnx_type_bytes(t->type);
    char *to = import_alloc(im, bytes * (size_t)t->count);
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    int64_t source = 0;
    for (int64_t i = 0; i < t->count; i++) {
        memcpy(to + (size_t)i * bytes, (const char *)t->data + (size_t)source * bytes, bytes);
        for (int k = t->rank - 1; k >= 0; k--) {
            source += from[k];
            if (++at[k] < y->dim[k]) break;
            source -= from[k] * y->dim[k];
            at[k] = 0;
        }
    }
    y->data = to;
    return STATUS_OK;
}

static Status same(Import *im, const ImportNode *n, Constant **out) { return import_constant(im, n, 0, out); }

static const struct {
    const char *op;
    Status (*fold)(Import *im, const ImportNode *n, Constant **out);
} folds[] = {{"Constant", constant},
             {"Shape", shape},
             {"Gather", gather},
             {"Slice", slice},
             {"Concat", concat},
             {"ConstantOfShape", constant_of_shape},
             {"Cast", cast},
             {"Reshape", reshape},
             {"Squeeze", reshape},
             {"Unsqueeze", reshape},
             {"Transpose", transpose},
             {"Identity", same},
             {"Add", import_fold_arith},
             {"Sub", import_fold_arith},
             {"Mul", import_fold_arith},
             {"Div", import_fold_arith},
             {"Floor", import_fold_arith},
             {"Ceil", import_fold_arith}};

Status import_fold(Import *im, const ImportNode *n, bool *done)
{
    *done = false;
    const char *op = n->proto->op_type;
    const bool shapes = strcmp(op, "Shape") == 0;
    for (int i = 0; i < n->inputs && !shapes; i++) {
        const Value *v = import_input(im, n, i);
        if (v != NULL && v->kind != VALUE_CONSTANT) return STATUS_OK;
    }
    if (strcmp(op, "QuantizeLinear") == 0 || strcmp(op, "DequantizeLinear") == 0) {
        *done = true;
        return op[0] == 'Q' ? import_fold_quantize(im, n) : import_fold_dequantize(im, n);
    }
    for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++) {
        if (strcmp(folds[i].op, op) != 0) continue;
        Constant *c = NULL;
        TRY(folds[i].fold(im, n, &c));
        import_set_constant(import_output(im, n, 0), c);
        *done = true;
        return STATUS_OK;
    }
    return STATUS_OK;
}
