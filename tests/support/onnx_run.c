#include "tests/support/onnx_call.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { MAX_VALUES = 4096 };

typedef OnnxCall Call;

OnnxArray onnx_call_array(Arena *a, int rank, const int64_t *dim)
{
    OnnxArray y = {.rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) y.dim[i] = dim[i], y.count *= dim[i];
    y.x = ARENA_ARRAY(a, double, y.count);
    return y;
}

void onnx_call_ints(const Call *c, const char *name, int n, int *out)
{
    const Onnx__AttributeProto *a = onnx_attribute(c->node, name);
    ck_assert_msg(a != NULL && a->n_ints == (size_t)n, "%s: %s", c->node->name, name);
    for (int i = 0; i < n; i++) out[i] = (int)a->ints[i];
}

static OnnxArray like(const Call *c) { return onnx_call_array(c->arena, c->in[0]->rank, c->in[0]->dim); }

/* ---- element by element ------------------------------------------------------------------------------------------ */

/* Scale or zero point of element i: scalars, along axis 0, or of a block of a row. */
static double at_axis(const OnnxArray *p, const OnnxArray *x, int64_t i, int64_t block)
{
    if (block > 0) i = i / x->dim[1] * p->dim[1] + i % x->dim[1] / block;
    return p->rank == 0 ? p->x[0] : p->x[block > 0 ? i : i / (x->count / x->dim[0])];
}

static OnnxArray dequantize(const Call *c)
{
    const int64_t block = onnx_attribute_int(c->node, "block_size", 0);
    OnnxArray y = like(c);
    ck_assert(c->in[1]->rank == 0 || onnx_attribute_int(c->node, "axis", 1) == (block > 0));
    for (int64_t i = 0; i < y.count; i++)
        y.x[i] = (c->in[0]->x[i] - at_axis(c->in[2], &y, i, block)) * at_axis(c->in[1], &y, i, block);
    return y;
}

static OnnxArray quantize(const Call *c)
{
    OnnxArray y = like(c);
    const double codes = c->type[2] == ONNX_INT16 ? 65536 : 256;
    const double lo = c->type[2] == ONNX_UINT8 ? 0 : -codes / 2, hi = lo + codes - 1;
    for (int64_t i = 0; i < y.count; i++)
        y.x[i] = fmin(hi, fmax(lo, rint(c->in[0]->x[i] / c->in[1]->x[0]) + c->in[2]->x[0]));
    return y;
}

static OnnxArray relu(const Call *c)
{
    OnnxArray y = like(c);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = fmax(0, c->in[0]->x[i]);
    return y;
}

static OnnxArray clip(const Call *c)
{
    OnnxArray y = like(c);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = fmin(c->in[2]->x[0], fmax(c->in[1]->x[0], c->in[0]->x[i]));
    return y;
}

static OnnxArray sigmoid(const Call *c)
{
    OnnxArray y = like(c);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = 1.0 / (1.0 + exp(-c->in[0]->x[i]));
    return y;
}

static OnnxArray hyperbolic_tangent(const Call *c)
{
    OnnxArray y = like(c);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = tanh(c->in[0]->x[i]);
    return y;
}

static OnnxArray hard_sigmoid(const Call *c)
{
    OnnxArray y = like(c);
    const double alpha = (double)onnx_attribute_float(c->node, "alpha", 0.2f);
    const double beta = (double)onnx_attribute_float(c->node, "beta", 0.5f);
    for (int64_t i = 0; i < y.count; i++) y.x[i] = fmin(fmax(alpha * c->in[0]->x[i] + beta, 0), 1);
    return y;
}

/* From a row, by indices of any shape. */
static OnnxArray gather(const Call *c)
{
    OnnxArray y = onnx_call_array(c->arena, c->in[1]->rank, c->in[1]->dim);
    ck_assert(c->in[0]->rank == 1 && onnx_attribute_int(c->node, "axis", 0) == 0);
    for (int64_t i = 0; i < y.count; i++) {
        const int64_t at = (int64_t)c->in[1]->x[i];
        ck_assert(at >= 0 && at < c->in[0]->count);
        y.x[i] = c->in[0]->x[at];
    }
    return y;
}

static OnnxArray norm(const Call *c)
{
    OnnxArray y = like(c);
    const double epsilon = (double)onnx_attribute_float(c->node, "epsilon", 1e-5f);
    const int64_t inner = y.count / y.dim[0] / y.dim[1];
    for (int64_t i = 0; i < y.count; i++) {
        const int64_t k = i / inner % y.dim[1];
        y.x[i] = (c->in[0]->x[i] - c->in[3]->x[k]) / sqrt(c->in[4]->x[k] + epsilon) * c->in[1]->x[k] + c->in[2]->x[k];
    }
    return y;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static OnnxArray flatten(const Call *c)
{
    OnnxArray y = *c->in[0];
    y.rank = 2, y.dim[1] = y.count / y.dim[0];
    return y;
}

static OnnxArray identity(const Call *c) { return *c->in[0]; }

static OnnxArray reshape(const Call *c)
{
    OnnxArray y = *c->in[0];
    int64_t count = 1;
    y.rank = (int)c->in[1]->count;
    for (int i = 0; i < y.rank; i++) {
        if (c->in[1]->x[i] != 0) y.dim[i] = (int64_t)c->in[1]->x[i];
        count *= y.dim[i];
    }
    ck_assert_int_eq(count, y.count);
    return y;
}

static OnnxArray transpose(const Call *c)
{
    int perm[4];
    onnx_call_ints(c, "perm", 4, perm);
    const OnnxArray *x = c->in[0];
    const int64_t dim[4] = {x->dim[perm[0]], x->dim[perm[1]], x->dim[perm[2]], x->dim[perm[3]]};
    OnnxArray y = onnx_call_array(c->arena, 4, dim);
    for (int64_t i = 0; i < y.count; i++) {
        int64_t at[4], rest = i;
        for (int k = 3; k >= 0; k--) at[perm[k]] = rest % dim[k], rest /= dim[k];
        y.x[i] = x->x[((at[0] * x->dim[1] + at[1]) * x->dim[2] + at[2]) * x->dim[3] + at[3]];
    }
    return y;
}

/* Of one shape, a number, or a bias: [C] or [C,1,1], of [N,C,...]. */
static OnnxArray add(const Call *c)
{
    OnnxArray y = like(c);
    const OnnxArray *b = c->in[1];
    const int64_t inner = y.rank > 1 ? y.count / y.dim[0] / y.dim[1] : 1;
    const bool bias = b->count != y.count && b->count != 1;
    ck_assert(!bias || (y.rank > 1 && b->count == y.dim[1] && b->rank == (y.rank == 2 ? 1 : 3)));
    for (int64_t i = 0; i < y.count; i++)
        y.x[i] = c->in[0]->x[i] + b->x[bias ? i / inner % y.dim[1] : b->count == 1 ? 0 : i];
    return y;
}

/* Of one shape, or [N,C,1,1] against every cell. */
static OnnxArray multiply(const Call *c)
{
    const OnnxArray *a = c->in[0], *b = c->in[1];
    if (a->count < b->count) b = c->in[0], a = c->in[1];
    OnnxArray y = onnx_call_array(c->arena, a->rank, a->dim);
    const int64_t each = a->count / b->count; /* the cells of a channel stand together */
    for (int64_t i = 0; i < y.count; i++) y.x[i] = a->x[i] * b->x[i / each];
    return y;
}

static OnnxArray concat(const Call *c)
{
    int64_t dim[4] = {0};
    memcpy(dim, c->in[0]->dim, sizeof dim);
    for (int k = 1; k < c->inputs; k++) dim[1] += c->in[k]->dim[1];
    OnnxArray y = onnx_call_array(c->arena, c->in[0]->rank, dim);
    double *to = y.x;
    for (int64_t n = 0; n < dim[0]; n++)
        for (int k = 0; k < c->inputs; k++) {
            const int64_t part = c->in[k]->count / dim[0];
            memcpy(to, c->in[k]->x + n * part, sizeof *to * (size_t)part);
            to += part;
        }
    return y;
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    OnnxArray (*run)(const Call *c);
} ops[] = {{"QuantizeLinear", quantize},
           {"DequantizeLinear", dequantize},
           {"Conv", onnx_call_conv},
           {"Gemm", onnx_call_gemm},
           {"DynamicQuantizeLinear", onnx_call_dynamic_quantize},
           {"ConvInteger", onnx_call_conv_integer},
           {"MatMulInteger", onnx_call_matmul_integer},
           {"Add", add},
           {"Mul", multiply},
           {"Concat", concat},
           {"MaxPool", onnx_call_max_pool},
           {"AveragePool", onnx_call_average_pool},
           {"Relu", relu},
           {"GlobalAveragePool", onnx_call_global_average},
           {"Clip", clip},
           {"BatchNormalization", norm},
           {"Flatten", flatten},
           {"Identity", identity},
           {"Cast", identity},
           {"Sigmoid", sigmoid},
           {"Tanh", hyperbolic_tangent},
           {"HardSigmoid", hard_sigmoid},
           {"Gather", gather},
           {"Reshape", reshape},
           {"Transpose", transpose}};

typedef struct {
    int n;
    const char *name[MAX_VALUES];
    OnnxArray value[MAX_VALUES];
    OnnxDataType type[MAX_VALUES];
} Values;

static void put(Values *v, const char *name, OnnxArray value, OnnxDataType type)
{
    ck_assert_int_lt(v->n, MAX_VALUES);
    v->name[v->n] = name, v->type[v->n] = type, v->value[v->n++] = value;
}

static int find(const Values *v, const char *name)
{
    for (int i = 0; i < v->n; i++)
        if (strcmp(v->name[i], name) == 0) return i;
    ck_abort_msg("value \"%s\" is read before it is made", name);
    return -1;
}

static void put_constant(Arena *arena, Values *v, const Onnx__TensorProto *proto)
{
    OnnxTensor t;
    ck_assert_msg(onnx_tensor_read(arena, proto, ".", &t) == STATUS_OK, "%s", status_message());
    const float *values;
    ck_assert_int_eq(onnx_tensor_floats(arena, &t, &values), STATUS_OK);
    OnnxArray a = onnx_call_array(arena, t.rank, t.dim);
    for (int64_t i = 0; i < t.count; i++)
        a.x[i] = t.type == ONNX_INT32 ? ((const int32_t *)t.data)[i] : (double)values[i];
    put(v, t.name, a, t.type);
}

static void put_input(Arena *arena, Values *v, const Onnx__ValueInfoProto *input, int n, const double *values)
{
    const Onnx__TensorShapeProto *shape = input->type->tensor_type->shape;
    int64_t dim[4] = {n};
    ck_assert_int_eq((int)shape->n_dim, 4);
    for (int i = 1; i < 4; i++) dim[i] = shape->dim[i]->dim_value;
    OnnxArray a = onnx_call_array(arena, 4, dim);
    memcpy(a.x, values, sizeof *values * (size_t)a.count);
    put(v, input->name, a, (OnnxDataType)input->type->tensor_type->elem_type);
}

OnnxArray onnx_run(Arena *arena, const Onnx__ModelProto *model, int n, const double *input, const char *output)
{
    const Onnx__GraphProto *g = model->graph;
    Values *v = arena_zalloc(arena, sizeof *v);
    for (size_t i = 0; i < g->n_initializer; i++) put_constant(arena, v, g->initializer[i]);
    put_input(arena, v, g->input[0], n, input);
    for (size_t i = 0; i < g->n_node; i++) {
        OnnxArray more[ONNX_CALL_MORE];
        Call c = {.arena = arena, .node = g->node[i], .inputs = (int)g->node[i]->n_input, .more = more};
        for (int k = 0; k < c.inputs; k++) {
            const int at = find(v, c.node->input[k]);
            c.in[k] = &v->value[at], c.type[k] = v->type[at];
        }
        size_t op = 0;
        while (op < sizeof ops / sizeof ops[0] && strcmp(ops[op].name, c.node->op_type) != 0) op++;
        ck_assert_msg(op < sizeof ops / sizeof ops[0], "operation %s", c.node->op_type);
        put(v, c.node->output[0], ops[op].run(&c), ONNX_FLOAT);
        for (size_t k = 1; k < c.node->n_output; k++) put(v, c.node->output[k], more[k - 1], ONNX_FLOAT);
    }
    return v->value[find(v, output)];
}
