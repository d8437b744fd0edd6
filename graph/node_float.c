#include "graph/node_float.h"

#include <math.h>

#include "autograd/norm.h"
#include "graph/graph_check.h"
#include "graph/node_check.h"
#include "graph/node_groups.h"
#include "graph/node_levels.h"
#include "graph/node_text.h"
#include "quant/dynamic_conv.h"

const char *const node_activation_names[] = {
    [NODE_NO_ACTIVATION] = "none", [NODE_RELU] = "relu", [NODE_RELU6] = "relu6", [NODE_ACTIVATIONS] = NULL};

Activation node_activation(const Node *n)
{
    return (Activation){.relu = n->activation != NODE_NO_ACTIVATION,
                        .limit = n->activation == NODE_RELU6 ? 6.0f : INFINITY};
}

const Field node_float_fields[] = {NODE_FIELDS, {NODE_ACTIVATION}, FIELD_END};

void node_float_end(const EngineNode *e, float *values)
{
    const size_t count = (size_t)graph_tensor_elements(node_y(e->g, e->node));
    const Activation act = node_activation(e->node);
    if (act.relu) kernels()->relu_f32(count, act.limit, values, values);
    format_round(node_y(e->g, e->node)->format, count, values, values);
}

SafeType node_safe_type(Format format)
{
    static const SafeType types[FORMATS] = {[FORMAT_INT8] = ST_I8,
                                            [FORMAT_INT16] = ST_I32,
                                            [FORMAT_INT32] = ST_I32,
                                            [FORMAT_FLOAT32] = ST_F32,
                                            [FORMAT_FLOAT16] = ST_F16,
                                            [FORMAT_BFLOAT16] = ST_BF16,
                                            [FORMAT_FLOAT8_E4M3] = ST_F8_E4M3,
                                            [FORMAT_FLOAT8_E5M2] = ST_F8_E5M2};
    return types[format];
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

const Field node_float_window_fields[] = {NODE_FIELDS,          {NODE_KERNEL},
                                          {NODE_STRIDE},        {NODE_DILATION},
                                          {NODE_PADDING},       {NODE_GROUPS},
                                          {NODE_WEIGHT_FORMAT}, {NODE_FLOAT_WEIGHT_BITS},
                                          {NODE_WEIGHT_LEVELS}, {NODE_WEIGHT_GROUP},
                                          {NODE_WEIGHT_AFFINE}, {NODE_INPUT_BITS},
                                          {NODE_ACTIVATION},    FIELD_END};
const Field node_float_dense_fields[] = {NODE_FIELDS,          {NODE_WEIGHT_FORMAT}, {NODE_FLOAT_WEIGHT_BITS},
                                         {NODE_WEIGHT_LEVELS}, {NODE_WEIGHT_GROUP},  {NODE_WEIGHT_AFFINE},
                                         {NODE_INPUT_BITS},    {NODE_ACTIVATION},    FIELD_END};

const float *node_real_weights(Arena *arena, const Node *n)
{
    if (n->weights == NULL) return n->float_weights;
    const long count = node_weights(n);
    float *w = arena_try_alloc(arena, sizeof *w * (size_t)count);
    for (long i = 0; w != NULL && i < count; i++) {
        const long group = node_weight_group_of(n, i);
        w[i] = n->weight_scale[group] * (float)(n->weights[i] - node_zero_point(n, group));
    }
    return w;
}

static Status check_codes(const Graph *g, const Node *n)
{
    NODE_RULE(n, n->weights != NULL && n->weight_scale != NULL && n->float_weights == NULL,
              "no weights or weight scales; must have both");
    NODE_RULE(n, n->weight_bits >= 2 && n->weight_bits <= 8 && n->weight_shift == 0,
              "%d-bit weights shifted by %d; must be 2 to 8 bits, not shifted", n->weight_bits, n->weight_shift);
    const int limit = 1 << (n->weight_bits - 1);
    TRY(node_check_levels(n));
    TRY(node_check_groups(g, n));
    NODE_RULE(n, n->weight_multiple == NULL, "multiples of its scales; in floats scales must stand for themselves");
    for (long i = 0, count = node_weights(n); i < count; i++) {
        NODE_RULE(n, n->weights[i] >= -limit && n->weights[i] < limit, "weight %d; must be a %d-bit code",
                  n->weights[i], n->weight_bits);
        NODE_RULE(n, n->levels == 0 || node_level(n, n->weights[i]) >= 0, "weight %d; must be one of %d levels",
                  n->weights[i], n->levels);
    }
    const int groups = node_weight_groups(n);
    for (int s = 0; s < n->geom.o * groups; s++)
        NODE_RULE(n, graph_scale_ok(n->weight_scale[s]) && isfinite(n->weight_scale[s] * 255.0f),
                  "channel %d: weight scale %g; must be finite and above 0, its weights too", s / groups,
                  (double)n->weight_scale[s]);
    return STATUS_OK;
}

static Status check_floats(const Node *n)
{
    NODE_RULE(n, n->float_weights != NULL && n->weights == NULL && n->weight_scale == NULL,
              "no weights; must have them in %s", format_names[n->weight_format]);
    NODE_RULE(n, n->weight_bits == 0 && n->weight_shift == 0 && n->levels == 0 && !node_is_split(n),
              "%d-bit weights; those in %s have no bits", n->weight_bits, format_names[n->weight_format]);
    for (long i = 0, count = node_weights(n); i < count; i++) {
        const float w = n->float_weights[i];
        NODE_RULE(n, isfinite(w) && format_decode(n->weight_format, format_encode(n->weight_format, w)) == w,
                  "weight %g; must be a finite value of %s", (double)w, format_names[n->weight_format]);
    }
    return STATUS_OK;
}

Status node_check_float_weights(const Graph *g, const Node *n)
{
    NODE_RULE(n,
              (int)n->weight_format >= 0 && (int)n->weight_format < FORMATS &&
                  (n->weight_format == FORMAT_INT8 || format_is_float(n->weight_format)),
              "weight format %d; must be int8 or a float format", (int)n->weight_format);
    TRY(n->weight_format == FORMAT_INT8 ? check_codes(g, n) : check_floats(n));
    NODE_RULE(n, n->float_bias != NULL && n->bias == NULL, "no bias in floats; must have one");
    for (int o = 0; o < n->geom.o; o++)
        NODE_RULE(n, isfinite(n->float_bias[o]), "channel %d: bias %g; must be finite", o, (double)n->float_bias[o]);
    return STATUS_OK;
}

typedef struct {
    const float *w;           /* packed but for a depthwise node */
    const float *ones, *bias; /* tables of autograd/norm.h */
    size_t period;
} FloatWeights;

static void dynamic_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    dynamic_conv_run(e->state, node_floats(in[0]), node_floats_out(out), scratch);
    node_float_end(e, node_floats_out(out));
}

static Status dynamic_prepare(Arena *arena, EngineNode *e)
{
    const Node *n = e->node;
    const DynamicConvConfig config = {.geom = n->geom,
                                      .depthwise = n->op == NODE_DWCONV2D,
                                      .weights = n->weights,
                                      .weight_scale = n->weight_scale,
                                      .bias = n->float_bias};
    DynamicConv *c = e->state = arena_zalloc(arena, sizeof *c);
    if (dynamic_conv_make(arena, &config, c) != STATUS_OK) return node_no_room(e);
    e->scratch_bytes = dynamic_conv_scratch_bytes(c);
    e->run = dynamic_run;
    return STATUS_OK;
}

/* y = 1 * conv(x, w) + bias by the pass that op_conv_block ends on. */
Status node_float_weights_prepare(Arena *arena, EngineNode *e)
{
    const Node *n = e->node;
    const ConvGeom *geom = &n->geom;
    if (n->input_bits > 0) return dynamic_prepare(arena, e);
    FloatWeights *s = e->state = arena_zalloc(arena, sizeof *s);
    s->w = node_real_weights(arena, n);
    if (s->w == NULL) return node_no_room(e);
    float *ones = ARENA_ARRAY(arena, float, geom->o);
    for (int o = 0; o < geom->o; o++) ones[o] = 1.0f;
    s->period = tile_period(geom->o);
    s->ones = tile_channels(arena, geom->o, ones);
    s->bias = tile_channels(arena, geom->o, n->float_bias);
    if (n->op == NODE_DWCONV2D) return STATUS_OK;
    float *packed = arena_try_alloc(arena, sizeof *packed * conv_f32_packed_count(geom));
    if (packed == NULL) return node_no_room(e);
    conv_f32_pack(geom, s->w, packed);
    s->w = packed;
    e->scratch_bytes = conv_scratch_bytes(geom);
    return STATUS_OK;
}

void node_float_weights_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    const FloatWeights *s = e->state;
    const ConvInput x = {.x = node_floats(in[0])};
    float *y = node_floats_out(out);
    if (e->node->op == NODE_DWCONV2D)
        kernels()->dwconv_f32_forward(&e->node->geom, 1, x, s->w, y);
    else
        conv_f32_forward(&e->node->geom, 1, x, s->w, y, scratch);
    kernels()->scale_shift((size_t)graph_tensor_elements(node_y(e->g, e->node)), s->period, s->ones, s->bias, y, y);
    node_float_end(e, y);
}
