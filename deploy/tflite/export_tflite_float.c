/* Nodes that compute in floats, as TFLite operators: what they have of their own. */
#include <float.h>

#include "deploy/tflite/export_tflite.h"
#include "graph/node.h"
#include "graph/node_float.h"
#include "graph/node_groups.h"

const float tflite_lowest_float = -FLT_MAX;

int tflite_float_activation(const Node *n)
{
    static const int activations[NODE_ACTIVATIONS] = {
        [NODE_NO_ACTIVATION] = TFLITE_NO_ACTIVATION, [NODE_RELU] = TFLITE_RELU, [NODE_RELU6] = TFLITE_RELU6};
    return activations[n->activation];
}

/* TFLite Micro, which has the other roundings, knows no float16 and dequantizes activations alone. */
static bool is_for_micro(const Graph *g) { return g->rounding != ROUNDING_XNNPACK; }

static bool is_known(Format f) { return f == FORMAT_FLOAT32 || f == FORMAT_FLOAT16 || f == FORMAT_INT8; }

Status tflite_check_formats(const Graph *g, const Node *n)
{
    const Format y = node_y(g, n)->format, f = is_known(n->weight_format) ? y : n->weight_format;
    if (is_known(f) && !(y == FORMAT_FLOAT16 && is_for_micro(g))) return STATUS_OK;
    return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": %s, which the kernels of %s do not know; must be %s", n->name,
                       format_names[f], is_for_micro(g) ? "TFLite Micro" : "TFLite",
                       is_for_micro(g) ? "float32 or int8" : "float32, float16 or int8");
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

/* Float32 values of a constant. */
static int32_t add_dequantized(TfliteBuild *b, const char *name, TfliteTensor *stored, int version)
{
    const int32_t input = (int32_t)(stored - b->m->tensor);
    const int y = tflite_add_fixed(b, arena_printf(b->arena, "%s/values", name), stored->rank, stored->shape);
    tflite_add_operator(b, TFLITE_DEQUANTIZE, 1, &input, y)->version = version;
    return y;
}

static int32_t add_half_weights(TfliteBuild *b, const Node *n, const char *name, int rank, const int32_t *shape)
{
    const size_t count = (size_t)node_weights(n);
    void *half = arena_alloc(b->arena, count * format_bytes(FORMAT_FLOAT16));
    format_pack(FORMAT_FLOAT16, count, n->float_weights, half);
    return add_dequantized(b, name, tflite_add_constant(b, name, TFLITE_FLOAT16, rank, shape, half),
                           TFLITE_FROM_FLOAT16_VERSION);
}

/* Two to a byte, the first in the lower half. */
static const int8_t *pack_int4(Arena *arena, const Node *n)
{
    const long count = node_weights(n);
    uint8_t *packed = arena_zalloc(arena, (size_t)(count + 1) / 2);
    for (long i = 0; i < count; i++) packed[i / 2] |= (uint8_t)((n->weights[i] & 15) << (i % 2 * 4));
    return (const int8_t *)packed;
}

static int32_t add_code_weights(TfliteBuild *b, const Node *n, const char *name, int rank, const int32_t *shape,
                                int axis)
{
    const bool small = n->weight_bits <= 4;
    const int outputs = n->geom.o;
    TfliteTensor *w = tflite_add_constant(b, name, small ? TFLITE_INT4 : TFLITE_INT8, rank, shape,
                                          small ? pack_int4(b->arena, n) : n->weights);
    w->scales = w->zero_points = outputs;
    w->scale = n->weight_scale, w->zero_point = ARENA_ARRAY(b->arena, int64_t, outputs);
    w->axis = outputs > 1 ? axis : 0;
    return add_dequantized(b, name, w, small ? TFLITE_FROM_INT4_VERSION : TFLITE_PER_CHANNEL_VERSION);
}

/* Weights of a layer that finds the grid of its input at run time stay codes: TFLite's hybrid kernels, which make int8 codes
 * of each image themselves. */
static void add_hybrid_weights(TfliteBuild *b, const Node *n, const char *name, int rank, const int32_t *shape,
                               int axis)
{
    const int outputs = n->geom.o;
    TfliteTensor *w = tflite_add_constant(b, name, TFLITE_INT8, rank, shape, n->weights);
    w->scales = w->zero_points = outputs;
    w->scale = n->weight_scale, w->zero_point = ARENA_ARRAY(b->arena, int64_t, outputs);
    w->axis = outputs > 1 ? axis : 0;
}

static Status check_hybrid(const Graph *g, const Node *n)
{
    if (n->input_bits == 0) return STATUS_OK;
    const bool grouped = n->op == NODE_CONV2D && n->geom.groups > 1;
    if (!grouped && !is_for_micro(g)) return STATUS_OK;
    return status_fail(
        STATUS_UNSUPPORTED,
        "layer \"%s\": finds the grid of its input at run time (quant.activations.scheme \"dynamic\"), for "
        "which %s has no kernel%s; export --to onnx, or quantize it with scheme \"static\"",
        n->name, is_for_micro(g) ? "TFLite Micro" : "TFLite", is_for_micro(g) ? "" : " of a convolution in groups");
}

static Status add_float32_weights(TfliteBuild *b, const Node *n, const char *name, int rank, const int32_t *shape)
{
    const float *w = node_real_weights(b->arena, n);
    if (w == NULL) return status_prefix(STATUS_NOMEM, "layer \"%s\"", n->name);
    tflite_add_constant(b, name, TFLITE_FLOAT32, rank, shape, w);
    return STATUS_OK;
}

Status tflite_add_float_weights(TfliteBuild *b, const Node *n, int rank, const int32_t *shape, int axis,
                                int32_t input[3])
{
    const char *name = arena_printf(b->arena, "%s/weight", n->name);
    TRY(check_hybrid(b->g, n));
    if (node_is_split(n) && !is_for_micro(b->g))
        return status_fail(
            STATUS_UNSUPPORTED,
            "layer \"%s\": weights with %s in a layer that computes in floats; TFLite has one scale for an "
            "output and zero point 0: export --to onnx, c or safetensors",
            n->name, n->weight_group > 0 ? "a scale for each group" : "zero points");
    input[1] = b->m->tensors;
    if (n->input_bits > 0)
        add_hybrid_weights(b, n, name, rank, shape, axis);
    else if (is_for_micro(b->g) || n->weight_format == FORMAT_FLOAT32)
        TRY(add_float32_weights(b, n, name, rank, shape));
    else
        input[1] = n->weights != NULL ? add_code_weights(b, n, name, rank, shape, axis)
                                      : add_half_weights(b, n, name, rank, shape);
    input[2] = b->m->tensors;
    tflite_add_constant(b, arena_printf(b->arena, "%s/bias", n->name), TFLITE_FLOAT32, 1, (const int32_t[]){n->geom.o},
                        n->float_bias);
    return STATUS_OK;
}

/* ---- curves ------------------------------------------------------------------------------------------------------- */

/* Operators of a curve, after which y is curve(x). */
typedef void CurveOperators(TfliteBuild *b, const Node *n, int32_t x, int32_t y);

static int32_t add_part(TfliteBuild *b, const Node *n, const char *part, int32_t x)
{
    return tflite_add_plain(b, arena_printf(b->arena, "%s/%s", n->name, part), TFLITE_FLOAT32, x);
}

static TfliteOperator *add_with(TfliteBuild *b, const Node *n, TfliteOpIndex op, int32_t x, const char *name,
                                const float *constant, int32_t y)
{
    const int32_t input[2] = {x, b->m->tensors};
    tflite_add_constant(b, arena_printf(b->arena, "%s/%s", n->name, name), TFLITE_FLOAT32, 1, (const int32_t[]){1},
                        constant);
    return tflite_add_operator(b, op, 2, input, y);
}

static void add_sigmoid(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    (void)n;
    tflite_add_operator(b, TFLITE_LOGISTIC, 1, &x, y);
}

static void add_tanh(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    (void)n;
    tflite_add_operator(b, TFLITE_TANH, 1, &x, y);
}

static void add_hard_swish(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    (void)n;
    tflite_add_operator(b, TFLITE_HARD_SWISH, 1, &x, y);
}

static void add_silu(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    const int32_t gate = add_part(b, n, "gate", x), input[2] = {x, gate};
    add_sigmoid(b, n, x, gate);
    tflite_add_operator(b, TFLITE_MUL, 2, input, y);
}

/* relu6(x + 3) / 6. */
static void add_hard_sigmoid(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    static const float three = 3.0f, sixth = 1.0f / 6.0f;
    const int32_t ramp = add_part(b, n, "ramp", x);
    add_with(b, n, TFLITE_ADD, x, "three", &three, ramp)->option[ADD_ACTIVATION] = TFLITE_RELU6;
    add_with(b, n, TFLITE_MUL, ramp, "sixth", &sixth, y);
}

/* By curve; NULL: TFLite has no operators. */
static CurveOperators *const curves[CURVES] = {
    [CURVE_INDEX_sigmoid] = add_sigmoid,           [CURVE_INDEX_tanh] = add_tanh,
    [CURVE_INDEX_hard_swish] = add_hard_swish,     [CURVE_INDEX_silu] = add_silu,
    [CURVE_INDEX_hard_sigmoid] = add_hard_sigmoid,
};

Status tflite_add_curve(TfliteBuild *b, const Node *n, int32_t x, int32_t y)
{
    CurveOperators *add = curves[curve_index(n->curve)];
    if (add == NULL)
        return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": %s, for which TFLite has no operator; must be int8",
                           n->name, n->curve->name);
    add(b, n, x, y);
    return STATUS_OK;
}

/* ---- versions and rounding ---------------------------------------------------------------------------------------- */

void tflite_set_float_version(TfliteOperator *o, const Node *n)
{
    static const int hybrid[TFLITE_OPS] = {[TFLITE_CONV_2D] = TFLITE_HYBRID_CONV_VERSION,
                                           [TFLITE_DEPTHWISE_CONV_2D] = TFLITE_HYBRID_DEPTHWISE_VERSION,
                                           [TFLITE_FULLY_CONNECTED] = TFLITE_HYBRID_DENSE_VERSION};
    const TfliteOpIndex op = (TfliteOpIndex)(o->op - tflite_ops);
    if (n->input_bits > 0 && hybrid[op] > 0) {
        o->version = hybrid[op];
        if (op == TFLITE_FULLY_CONNECTED) o->option[FC_ASYMMETRIC_INPUTS] = 1;
        return;
    }
    if (op == TFLITE_DEQUANTIZE || (op == TFLITE_CONV_2D && o->version == TFLITE_CONV_GROUPED_VERSION)) return;
    const bool dilated =
        op == TFLITE_DEPTHWISE_CONV_2D && (o->option[DW_DILATION_W] > 1 || o->option[DW_DILATION_H] > 1);
    o->version = dilated ? TFLITE_DILATED_FLOAT_VERSION : TFLITE_FLOAT_VERSION;
}

bool tflite_rounds(const Graph *g, const Node *n)
{
    return node_y(g, n)->format == FORMAT_FLOAT16 && n->op != NODE_RESHAPE;
}

void tflite_add_rounding(TfliteBuild *b, const Node *n, int x, int y)
{
    const int32_t half = tflite_add_plain(b, arena_printf(b->arena, "%s/float16", n->name), TFLITE_FLOAT16, x),
                  from = x;
    TfliteOperator *narrow = tflite_add_operator(b, TFLITE_CAST, 1, &from, half);
    narrow->option[CAST_FROM] = TFLITE_FLOAT32, narrow->option[CAST_TO] = TFLITE_FLOAT16;
    TfliteOperator *widen = tflite_add_operator(b, TFLITE_CAST, 1, &half, y);
    widen->option[CAST_FROM] = TFLITE_FLOAT16, widen->option[CAST_TO] = TFLITE_FLOAT32;
}
