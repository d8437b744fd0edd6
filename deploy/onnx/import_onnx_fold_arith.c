/* Add, Sub, Mul, Div, Floor and Ceil of constants: what exporters compute shapes with, and factors they did not
 * fold. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

/* Products of two of these fit int64; the number of images, which stands for any, is none of them. */
static const int64_t MOST = INT64_C(1) << 31;

static bool is_whole(const Constant *c) { return c->tensor.type == ONNX_INT64 || c->tensor.type == ONNX_INT32; }

static Status whole(Import *im, const ImportNode *n, char op, int64_t a, int64_t b, int64_t *y)
{
    if (a > MOST || a < -MOST || b > MOST || b < -MOST)
        return UNSUPPORTED(im, n, "of %s; must be of integers up to 2^31",
                           a == IMPORT_BATCH || b == IMPORT_BATCH ? "the number of images" : "larger integers");
    if (op == 'D' && b == 0) return MALFORMED(im, n, "%lld by 0; must be by another number", (long long)a);
    *y = op == 'A' ? a + b : op == 'S' ? a - b : op == 'M' ? a * b : a / b; /* towards 0 */
    return STATUS_OK;
}

static float real(char op, float a, float b)
{
    return op == 'A'   ? a + b
           : op == 'S' ? a - b
           : op == 'M' ? a * b
           : op == 'D' ? a / b
           : op == 'F' ? floorf(a)
                       : ceilf(a);
}

/* The operand that has the result's dims: the other has them, too, or is one number. */
static const OnnxTensor *larger(const OnnxTensor *a, const OnnxTensor *b)
{
    if (b->count == 1 && a->rank >= b->rank) return a;
    if (a->count == 1 && b->rank >= a->rank) return b;
    const bool same = a->rank == b->rank && memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0;
    return same ? a : NULL;
}

static Status floats(Import *im, const ImportNode *n, char op, const Constant *a, const Constant *b, Constant *out)
{
    const float *x, *z;
    TRY(import_floats(im, n, a, &x));
    TRY(import_floats(im, n, b, &z));
    const int64_t count = out->tensor.count;
    float *to = import_alloc(im, sizeof(float) * (size_t)count);
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int64_t i = 0; i < count; i++) {
        to[i] = real(op, x[a->tensor.count == 1 ? 0 : i], z[b->tensor.count == 1 ? 0 : i]);
        if (!isfinite(to[i])) return MALFORMED(im, n, "gives %g; every number must be finite", (double)to[i]);
    }
    out->tensor.data = to;
    out->tensor.type = ONNX_FLOAT;
    return STATUS_OK;
}

static Status ints(Import *im, const ImportNode *n, char op, const Constant *a, const Constant *b, Constant *out)
{
    const int64_t *x, *z, count = out->tensor.count;
    TRY(import_at(im, n, onnx_tensor_ints(im->arena, &a->tensor, &x)));
    TRY(import_at(im, n, onnx_tensor_ints(im->arena, &b->tensor, &z)));
    int64_t *to = import_alloc(im, sizeof(int64_t) * (size_t)(count + 1));
    if (to == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int64_t i = 0; i < count; i++)
        TRY(whole(im, n, op, x[a->tensor.count == 1 ? 0 : i], z[b->tensor.count == 1 ? 0 : i], &to[i]));
    out->tensor.data = to;
    out->tensor.type = ONNX_INT64;
    return STATUS_OK;
}

Status import_fold_arith(Import *im, const ImportNode *n, Constant **out)
{
    const char op = n->proto->op_type[0]; /* A, S, M, D, F, C */
    Constant *a, *b;
    TRY(import_constant(im, n, 0, &a));
    TRY(import_constant(im, n, n->inputs > 1 ? 1 : 0, &b));
    const OnnxTensor *y = larger(&a->tensor, &b->tensor);
    if (y == NULL || a->scales != 0 || b->scales != 0 || is_whole(a) != is_whole(b))
        return UNSUPPORTED(im, n, "of constants; must be of one type and of the same dims, or with a single number");
    *out = ARENA_ARRAY(im->arena, Constant, 1);
    (*out)->tensor = *y;
    if (is_whole(a) && op != 'F' && op != 'C') return ints(im, n, op, a, b, *out);
    return floats(im, n, op, a, b, *out);
}
