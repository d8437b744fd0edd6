#include "layers/conv_unit.h"

#include <math.h>
#include <string.h>

#include "quant/dynamic_ops.h"
#include "quant/format_ops.h"
#include "kernels/requant_dynamic.h"
#include "quant/int_ops.h"
#include "quant/split_weights.h"

const char *const bias_choices[] = {"auto", "off", "on", NULL};
const char *const init_names[] = {"he", "xavier", NULL};

/* What is stored where outputs are signs is twice the code (quant/int_ops.h): there weights have at most 7 bits. */
static Status weight_quantizer(Layer *l, LayerBuilder *b, int outputs, int axis, bool gives_signs)
{
    enum { MOST_BITS = 7 };
    QuantPlace place = b->place;
    place.in_floats = l->in_floats && !l->input_dynamic;
    QuantizerSpec spec = quant_weight_spec(b->quant, place);
    if (gives_signs && (spec.affine || spec.group > 0))
        return status_fail(STATUS_CONFIG,
                           "weights with zero points or a scale for each group beside outputs of -1 and 1; "
                           "an override of this layer with symmetric weights per channel is required");
    if (gives_signs && spec.bits >= MOST_BITS) spec.bits = MOST_BITS, spec.narrow = true;
    l->weight_q = quantizer_create(b->arena, b->params, arena_printf(b->arena, "%s.weight", l->name), &spec,
                                   (QuantizedTensor){.is_weight = true,
                                                     .channels = outputs,
                                                     .axis = axis,
                                                     .inputs = (int)(l->weight->count / outputs),
                                                     .in_floats = place.in_floats});
    if (l->weight_q == NULL) return STATUS_CONFIG;
    if (!gives_signs || l->weight_q->qp.bits <= MOST_BITS) return STATUS_OK;
    return status_fail(
        STATUS_CONFIG,
        "quantizer \"%s\" for weights, whose codes take %d bits, beside outputs of -1 and 1; codes of at "
        "most %d bits are required: an override of this layer with \"weight_quantizer\"",
        spec.type->name, l->weight_q->qp.bits, MOST_BITS);
}

Status unit_build(Layer *l, LayerBuilder *b, const UnitConfig *config, Shape weight, int outputs, int axis)
{
    const bool is_signed = !activation_from(config->activation).relu;
    if (config->batch_norm && config->bias == 2)
        return status_fail(STATUS_CONFIG,
                           "bias: on beside batch_norm: true; batch norm's own shift is the bias, leave one out");
    l->weight = param_add(b->params, b->arena, arena_printf(b->arena, "%s.weight", l->name), PARAM_WEIGHT, weight);
    bool complete = l->weight != NULL;
    if (config->batch_norm) {
        l->gamma = param_add(b->params, b->arena, arena_printf(b->arena, "%s.bn.gamma", l->name), PARAM_NORM,
                             shape_1(outputs));
        l->beta =
            param_add(b->params, b->arena, arena_printf(b->arena, "%s.bn.beta", l->name), PARAM_NORM, shape_1(outputs));
        complete = complete && l->gamma != NULL && l->beta != NULL;
        l->norm = ARENA_ARRAY(b->arena, BatchNormState, 1);
        *l->norm = (BatchNormState){.mean = ARENA_ARRAY(b->arena, float, outputs),
                                    .var = ARENA_ARRAY(b->arena, float, outputs),
                                    .momentum = (float)config->momentum,
                                    .epsilon = (float)config->epsilon};
        for (int c = 0; c < outputs; c++) l->norm->var[c] = 1.0f;
    } else if (config->bias != 1) {
        l->bias =
            param_add(b->params, b->arena, arena_printf(b->arena, "%s.bias", l->name), PARAM_BIAS, shape_1(outputs));
        complete = complete && l->bias != NULL;
    }
    if (!complete) return STATUS_CONFIG;
    if (b->quant != NULL && !format_is_float(l->weight_format)) {
        TRY(weight_quantizer(l, b, outputs, axis, layer_output_signs(l, b, is_signed)));
    }
    return layer_output_quantizer(l, b, is_signed);
}

void unit_init(Layer *l, const UnitConfig *config, long fan_in, long fan_out, uint64_t seed)
{
    param_init(l->weight, (InitKind)config->init, fan_in, fan_out, seed);
    if (l->bias != NULL) param_fill(l->bias, 0.0f);
    if (l->gamma != NULL) param_fill(l->gamma, (float)config->gamma);
    if (l->beta != NULL) param_fill(l->beta, 0.0f);
}

static Tensor *leaf(Tape *t, const Param *p)
{
    return p == NULL ? NULL : tape_leaf(t, p->name, p->shape, p->x, p->frozen ? NULL : p->dx);
}

/* The sign of each channel's batch-norm factor. */
static const float *factor_signs(Tape *t, const Param *gamma)
{
    float *sign = arena_alloc(t->arena, sizeof(float) * (size_t)gamma->count);
    for (long c = 0; c < gamma->count; c++) sign[c] = signbit(gamma->x[c]) ? -1.0f : 1.0f;
    return sign;
}

/* The weights on their grid or in their format, and in bn_scale and b what batch norm leaves for the scale and the
 * bias. */
typedef struct {
    Tensor *w, *bn_scale, *b;
} Folded;

/* Per channel W itself is quantized; per tensor, and in floats, bn_scale * W is (batch norm changes which weight is the
 * largest). */
static Folded fold(Layer *l, Tape *t)
{
    Folded f = {.w = leaf(t, l->weight), .b = leaf(t, l->bias)};
    Quantizer *q = l->weight_q;
    const float *sign = NULL;
    if (l->norm != NULL) {
        f.bn_scale = op_norm_scale(t, leaf(t, l->gamma), l->norm);
        f.b = op_norm_shift(t, f.bn_scale, leaf(t, l->beta), l->norm);
        if (q != NULL && q->qp.n > 1)
            sign = factor_signs(t, l->gamma);
        else
            f.w = op_scale_weights(t, f.w, f.bn_scale,
                                   q != NULL ? q->qp.axis == 0 : l->weight->shape.dim[0] == l->gamma->count);
    }
    f.w = q != NULL ? op_fake_quant_weights(t, f.w, q, sign) : op_round(t, f.w, l->weight_format);
    return f;
}

static Tensor *linear(ConvKind kind, Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g)
{
    if (kind == CONV_DENSE) return op_dense(t, x, w, b);
    return kind == CONV_DEPTHWISE ? op_depthwise(t, x, w, b, g) : op_conv2d(t, x, w, b, g);
}

/* conv(x, Q(bn_scale W)) with bn_scale divided out again before batch norm takes its statistics: grids per tensor,
 * where bn_scale moves the codes. */
static Tensor *normalize_unscaled(Layer *l, Tape *t, Tensor *y, Tensor *bn_scale)
{
    if (tape_failed(t)) return NULL;
    const Shape shape = y->shape;
    if (shape.rank == 2) y = op_reshape(t, y, shape_4(shape.dim[0], 1, 1, shape.dim[1]));
    y = op_batchnorm(t, op_unscale(t, y, bn_scale), leaf(t, l->gamma), leaf(t, l->beta), l->norm, true);
    return shape.rank == 2 ? op_reshape(t, y, shape) : y;
}

static ConvGeom unit_geom(const Layer *l, ConvKind kind, const ConvGeom *g)
{
    ConvGeom of = kind == CONV_DENSE ? dense_geom(1, l->in[0].h * l->in[0].w * l->in[0].c, l->out.c) : *g;
    of.n = 1;
    return of;
}

/* The scale of each output's codes, or of its groups, as deployed. */
static float *code_scales(const Layer *l, Arena *arena, const Folded *f, int outputs)
{
    const QuantParams *qp = f->w->qp;
    const int scales = outputs * qp->groups;
    float *scale = ARENA_ARRAY(arena, float, scales);
    for (int s = 0; s < scales; s++) {
        scale[s] = qp->scale[qp->n == 1 ? 0 : s];
        if (f->bn_scale != NULL && l->weight_q->qp.n > 1) scale[s] *= fabsf(f->bn_scale->x[s / qp->groups]);
    }
    return scale;
}

static float *float_bias(Arena *arena, const Folded *f, int outputs)
{
    float *bias = ARENA_ARRAY(arena, float, outputs);
    if (f->b != NULL) memcpy(bias, f->b->x, sizeof *bias * (size_t)outputs);
    return bias;
}

/* In floats as deployed: y = act(conv(x, w) + b); `f` is what fold gives. */
static Tensor *deployed_floats(Layer *l, const ConvBlock *block, Tape *t, Tensor *x, const Folded *f)
{
    Tensor *w = f->w;
    if (f->bn_scale != NULL && l->weight_q != NULL && l->weight_q->qp.n > 1) w = op_deployed_weights(t, w, f->bn_scale);
    ConvBlock c = *block;
    c.bias = f->b;
    if (!l->input_dynamic) return op_conv_block(t, x, w, &c);
    Tensor *y = op_conv_block(t, op_dynamic(t, x), w, &c);
    if (tape_failed(t)) return NULL;
    const ConvGeom g = unit_geom(l, c.kind, c.geom);
    const DynamicConvConfig config = {.geom = g,
                                      .depthwise = c.kind == CONV_DEPTHWISE,
                                      .weights = f->w->codes,
                                      .weight_scale = code_scales(l, t->arena, f, g.o),
                                      .bias = float_bias(t->arena, f, g.o)};
    return dynamic_conv_over(t, x, &config, c.epilogue.act, y);
}

static const GradientQuant *gradient_of(const Layer *l)
{
    return l->weight_q != NULL && l->weight_q->gradient.bits > 0 ? &l->weight_q->gradient : NULL;
}

Tensor *unit_forward(Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g, const ForwardMode *mode,
                     Tape *t, Tensor *x)
{
    const Activation act = activation_from(mode->linear ? 0 : config->activation);
    const bool batch_statistics = mode->batch_statistics && !l->frozen, sums = layer_gives_sums(l);
    ConvBlock block = {.kind = kind,
                       .geom = g,
                       .batch_statistics = batch_statistics,
                       .defer = l->norm_deferred && t->grad && !mode->observe && !mode->keep_outputs,
                       .epilogue = layer_epilogue(l, mode, act)};
    if (mode->in_floats && mode->deployed) {
        const Folded f = fold(l, t);
        block.gradient = gradient_of(l);
        return tape_failed(t) ? NULL : deployed_floats(l, &block, t, x, &f);
    }
    if (mode->in_floats && l->input_dynamic) x = op_dynamic(t, x);
    if (mode->arithmetic == ARITHMETIC_FLOAT && !(mode->in_floats && l->weight_q != NULL)) {
        Tensor *w = leaf(t, l->weight);
        if (mode->in_floats) w = op_round(t, w, l->weight_format);
        block.bias = leaf(t, l->bias);
        block.gamma = leaf(t, l->gamma), block.beta = leaf(t, l->beta), block.norm = l->norm;
        return layer_observe(l, mode, t, op_conv_block(t, x, w, &block));
    }
    const Folded f = fold(l, t);
    const bool folded = l->norm != NULL && l->weight_q->qp.n == 1;
    block.gradient = gradient_of(l);
    if (mode->arithmetic == ARITHMETIC_INT && !sums) {
        const ConvIntConfig c = {.kind = kind,
                                 .geom = g,
                                 .out = l->out_q,
                                 .act = act,
                                 .rounding = mode->rounding,
                                 .gradient = block.gradient};
        return op_conv_int(t, x, f.w, folded ? NULL : f.bn_scale, f.b, &c);
    }
    if (folded && batch_statistics) {
        Tensor *z = op_quantize_gradient(t, linear(kind, t, x, f.w, NULL, g), block.gradient);
        Tensor *y = normalize_unscaled(l, t, z, f.bn_scale);
        return sums ? y : layer_finish(l, mode, t, y, act);
    }
    if (l->norm == NULL || folded)
        block.bias = f.b;
    else
        block.gamma = leaf(t, l->gamma), block.beta = leaf(t, l->beta), block.norm = l->norm;
    return op_conv_block(t, x, f.w, &block);
}

/* The levels of its codes, of which 0 is one where a weight is 0: a channel that is a constant has such weights. */
static void lower_levels(const Layer *l, Arena *arena, Node *n)
{
    const QuantParams *qp = &l->weight_q->qp;
    bool has_zero = qp->levels == 0, zero = false;
    n->weight_bits = qp->bits;
    for (int i = 0; i < qp->levels; i++) has_zero = has_zero || qp->level[i] == 0;
    for (long i = 0; !has_zero && i < l->weight->count; i++) zero = zero || n->weights[i] == 0;
    int8_t *level = arena_alloc(arena, (size_t)qp->levels + 1);
    for (int i = 0; i < qp->levels; i++) {
        if (zero && qp->level[i] > 0) level[n->levels++] = 0, zero = false;
        level[n->levels++] = qp->level[i];
    }
    if (zero) level[n->levels++] = 0;
    n->level = n->levels == 0 ? NULL : level;
}

/* What the codes of weights with zero points or groups are multiples of. */
static void lower_groups(const Layer *l, Arena *arena, Node *n)
{
    const QuantParams *qp = &l->weight_q->qp;
    if (!grid_is_split(qp)) return;
    const size_t count = (size_t)n->geom.o * (size_t)qp->groups;
    n->weight_group = qp->group;
    if (qp->zero != NULL) {
        int8_t *zero = arena_alloc(arena, count);
        for (size_t i = 0; i < count; i++) zero[i] = qp->zero[qp->n == 1 ? 0 : i];
        n->weight_affine = true;
        n->weight_zero_point = zero;
    }
    if (qp->multiple == NULL) return;
    if (qp->group > 0)
        n->weight_multiple = memcpy(arena_alloc(arena, count), qp->multiple, count);
    else
        n->weight_shift = 7 - qp->bits;
}

static const NodeKind ops[] = {[CONV_FULL] = NODE_CONV2D, [CONV_DEPTHWISE] = NODE_DWCONV2D, [CONV_DENSE] = NODE_DENSE};

FloatOp unit_real(const Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g)
{
    return (FloatOp){.op = ops[kind], .geom = unit_geom(l, kind, g), .act = activation_from(config->activation)};
}

Status unit_lower(Layer *l, const UnitConfig *config, ConvKind kind, const ConvGeom *g, Lowering *w)
{
    tape_reset(w->tape, false);
    const Folded f = fold(l, w->tape);
    if (tape_failed(w->tape)) return status_fail(w->tape->status, "%s", w->tape->message);
    const bool folded = l->norm != NULL && l->weight_q->qp.n == 1;
    const bool sums = layer_gives_sums(l);
    const int y = sums ? lower_tensor_of_sums(w, l) : lower_tensor(w, l, -1);
    Node *n = lower_node(w, l, ops[kind], y);
    ConvInt fold_int;
    TRY(conv_int_fold(w->arena, l->name, lower_grid(w, n->input[0]), f.w,
                      folded || f.bn_scale == NULL ? NULL : f.bn_scale->x, f.b == NULL ? NULL : f.b->x,
                      sums ? NULL : lower_grid(w, y), activation_from(config->activation), w->graph->rounding, true,
                      &fold_int));
    n->geom = unit_geom(l, kind, g);
    n->weight_shift = fold_int.shift;
    n->lo = fold_int.lo;
    n->hi = fold_int.hi;
    n->weights = fold_int.weights;
    lower_levels(l, w->arena, n);
    lower_groups(l, w->arena, n);
    n->bias = fold_int.bias;
    n->wide_bias = fold_int.wide_bias;
    n->weight_scale = fold_int.weight_scale;
    if (sums) w->graph->tensor[y].scale = w->graph->tensor[n->input[0]].scale * fold_int.weight_scale[0];
    return STATUS_OK;
}

static void lower_codes(Layer *l, Lowering *w, const Folded *f, Node *n)
{
    n->weight_format = FORMAT_INT8;
    if (l->input_dynamic) n->input_bits = DYNAMIC_BITS;
    n->weights = memcpy(arena_alloc(w->arena, (size_t)l->weight->count), f->w->codes, (size_t)l->weight->count);
    lower_levels(l, w->arena, n);
    if (l->input_dynamic && l->weight_q->qp.multiple != NULL)
        n->weight_bits = 8; /* what is multiplied */
    else
        lower_groups(l, w->arena, n);
    n->weight_scale = code_scales(l, w->arena, f, n->geom.o);
}

Status unit_lower_floats(Layer *l, Lowering *w, Node *n)
{
    tape_reset(w->tape, false);
    const Folded f = fold(l, w->tape);
    if (tape_failed(w->tape)) return status_fail(w->tape->status, "%s", w->tape->message);
    const size_t count = (size_t)l->weight->count;
    n->float_bias = float_bias(w->arena, &f, n->geom.o);
    if (l->weight_q != NULL) {
        lower_codes(l, w, &f, n);
        return STATUS_OK;
    }
    n->weight_format = l->weight_format;
    n->float_weights = memcpy(arena_alloc(w->arena, sizeof(float) * count), f.w->x, sizeof(float) * count);
    return STATUS_OK;
}
