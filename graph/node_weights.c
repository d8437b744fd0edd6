#include "graph/node_weights.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "graph/graph_check.h"
#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_groups.h"
#include "graph/node_levels.h"
#include "kernels/requant_dynamic.h"
#include "kernels/requant_s16.h"
#include "quant/dynamic_conv.h"

enum { MAX_WEIGHTS = 1 << 28 };

/* The weights of one output: count of them, step apart. */
typedef struct {
    const int8_t *w;
    long count, step;
} OutputWeights;

static OutputWeights weights_of_output(const Node *n, int output)
{
    const bool last = node_type(n)->weights->outputs_last;
    const long count = node_weights(n) / n->geom.o;
    return (OutputWeights){n->weights + (last ? output : output * count), count, last ? n->geom.o : 1};
}

ChannelWeights node_channel_weights(const Node *n, int output)
{
    const OutputWeights of = weights_of_output(n, output);
    ChannelWeights sums = {0, 0};
    for (long i = 0; i < of.count; i++) {
        const int w = of.w[i * of.step];
        sums.magnitude += w < 0 ? -w : w;
        sums.total += w;
    }
    return sums;
}

int64_t node_output_sum(const Graph *g, const Node *n, int output)
{
    const int64_t bias = node_bias(n, output);
    return node_channel_weights(n, output).magnitude * graph_tensor_max_magnitude(node_x(g, n)) +
           (bias < 0 ? -bias : bias);
}

int64_t node_weights_largest_sum(const Graph *g, const Node *n)
{
    int64_t most = 0;
    for (int o = 0; o < n->geom.o; o++) {
        const int64_t sum = node_output_sum(g, n, o);
        most = sum > most ? sum : most;
    }
    return most;
}

long node_weights_macs(const Graph *g, const Node *n)
{
    const GraphTensor *y = node_y(g, n);
    return node_weights(n) * y->h * y->w;
}

size_t node_weights_flash_bytes(const Node *n)
{
    const size_t count = (size_t)node_weights(n), outputs = (size_t)n->geom.o;
    if (n->float_weights != NULL) return count * format_bytes(n->weight_format) + 4 * outputs;
    const size_t each = node_gives_sums(n) ? 4 : n->wide_bias != NULL ? 12 : 8;
    const size_t codes = (count * (size_t)node_weight_width(n) + 7) / 8;
    return codes + (size_t)n->levels + node_groups_bytes(n) + each * outputs;
}

/* ---- in the model file ------------------------------------------------------------------------------------------- */

static int outputs(const Node *n, int64_t dim[4])
{
    dim[0] = n->geom.o;
    return 1;
}

const NodeBinary node_weights_binary[] = {{"weight", ST_I8, node_weight_shape, offsetof(Node, weights)},
                                          {"bias", ST_I32, outputs, offsetof(Node, bias)},
                                          {"weight_scale", ST_F32, outputs, offsetof(Node, weight_scale)},
                                          {.suffix = NULL}};

static const NodeBinary wide_binary[] = {{"weight", ST_I8, node_weight_shape, offsetof(Node, weights)},
                                         {"bias", ST_I64, outputs, offsetof(Node, wide_bias)},
                                         {"weight_scale", ST_F32, outputs, offsetof(Node, weight_scale)},
                                         {.suffix = NULL}};

/* ---- check ------------------------------------------------------------------------------------------------------- */

/* Of an output that is the sums themselves, on one grid. */
static Status check_sums(const Node *n, int o, float scale, float y_scale, int64_t products)
{
    NODE_RULE(n, n->lo == -INT32_MAX && n->hi == INT32_MAX,
              "clamp %d to %d of an output in int32; must be -2147483647 to 2147483647", n->lo, n->hi);
    NODE_RULE(n, scale == y_scale, "channel %d: sums on a scale of %.9g; must be the output's %.9g", o, (double)scale,
              (double)y_scale);
    if (channel_sums_check(o, products, node_bias(n, o), 0.0, CHANNEL_SUM_BITS) != STATUS_OK)
        return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", n->name);
    return STATUS_OK;
}

/* Of an output of signs: sums are odd, so none is 0, and once rescaled they are still beyond 1/2. */
static Status check_sign(const Node *n, int o, double M)
{
    const OutputWeights of = weights_of_output(n, o);
    bool even = true;
    for (long i = 0; i < of.count; i++) even = even && of.w[i * of.step] % 2 == 0;
    NODE_RULE(n, even && node_bias(n, o) % 2 != 0,
              "channel %d: sums for outputs of -1 and 1 that can be 0; weights must be even and the bias odd", o);
    NODE_RULE(n, M >= 0.75 && n->lo == -1 && n->hi == 1,
              "channel %d: multiplier %g, clamp %d to %d for outputs of -1 and 1; must be 0.75 at least, -1 to 1", o, M,
              n->lo, n->hi);
    return STATUS_OK;
}

static Status check_output(const Graph *g, const Node *n, int o)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    const int step = 1 << n->weight_shift, limit = 1 << (n->weight_bits - 1);
    const OutputWeights of = weights_of_output(n, o);
    for (long i = 0; i < of.count && !node_is_split(n); i++) {
        const int w = of.w[i * of.step];
        NODE_RULE(n, w % step == 0 && w / step >= -limit && w / step < limit,
                  "channel %d: weight %d; must be a %d-bit code shifted by %d", o, w, n->weight_bits, n->weight_shift);
        NODE_RULE(n, n->levels == 0 || node_level(n, w / step) >= 0,
                  "channel %d: weight %d; must be one of %d levels shifted by %d", o, w, n->levels, n->weight_shift);
    }
    const float s = n->weight_scale[o];
    NODE_RULE(n, graph_scale_ok(s), "channel %d: weight scale %g; must be finite and above 0", o, (double)s);
    const int64_t products = channel_products(node_channel_weights(n, o), x->zero_point, x->qmin, x->qmax);
    if (graph_tensor_is_sums(y)) return check_sums(n, o, x->scale * s, y->scale, products);
    const Multiplier M = multiplier_make(g->rounding, x->scale, s, y->scale);
    NODE_RULE(n, !rounding_is_float(g->rounding) || isfinite(M.f),
              "channel %d: multiplier %g; must be finite in float32", o, (double)M.f);
    const double exact = (double)x->scale * (double)s / (double)y->scale;
    if (graph_tensor_is_signs(y)) TRY(check_sign(n, o, exact));
    if (node_is_wide(g, n)) NODE_RULE(n, exact < 0x1p7, "channel %d: multiplier %g; must be below 2^7", o, exact);
    const int64_t largest = INT64_C(1) << CHANNEL_SUM_BITS_WIDE;
    NODE_RULE(n, node_bias(n, o) > -largest && node_bias(n, o) < largest, "channel %d: bias %lld; must stay below 2^%d",
              o, (long long)node_bias(n, o), CHANNEL_SUM_BITS_WIDE);
    const int bits = node_is_wide(g, n) ? CHANNEL_SUM_BITS_WIDE : CHANNEL_SUM_BITS;
    if (channel_sums_check(o, products, node_bias(n, o), exact, bits) != STATUS_OK)
        return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", n->name);
    return STATUS_OK;
}

/* Of a node that makes codes of its input: no partial sum leaves int32, whatever the grid. */
static Status check_dynamic(const Node *n)
{
    NODE_RULE(n, n->input_bits == 0 || n->input_bits == DYNAMIC_BITS, "input_bits %d; must be %d, or none",
              n->input_bits, DYNAMIC_BITS);
    NODE_RULE(n, n->input_bits == 0 || n->weights != NULL,
              "codes of its input, weights in %s; must be int8 codes with input_bits", format_names[n->weight_format]);
    for (int o = 0; n->input_bits > 0 && o < n->geom.o; o++)
        if (channel_sums_check(o, dynamic_products(node_channel_weights(n, o)), 0, 0.0, CHANNEL_SUM_BITS) != STATUS_OK)
            return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", n->name);
    return STATUS_OK;
}

Status node_check_weights(const Graph *g, const Node *n)
{
    const long count = node_weights(n); /* at most 2^20 cells of 2^16 channels for 2^16 outputs */
    NODE_RULE(n, count <= MAX_WEIGHTS, "%ld weights for each of %d outputs; at most %d", count / n->geom.o, n->geom.o,
              MAX_WEIGHTS);
    if (node_is_float(g, n)) {
        TRY(node_check_float_weights(g, n));
        return check_dynamic(n);
    }
    NODE_RULE(n, n->weight_format == FORMAT_INT8 && n->float_weights == NULL && n->float_bias == NULL,
              "weights in %s; must be int8 codes in a node that computes in integers", format_names[n->weight_format]);
    const bool has_bias =
        node_is_wide(g, n) ? n->wide_bias != NULL && n->bias == NULL : n->bias != NULL && n->wide_bias == NULL;
    NODE_RULE(n, n->weights != NULL && has_bias && n->weight_scale != NULL,
              "no weights, bias or weight scales; must have all three%s",
              node_is_wide(g, n) ? ", the bias in int64" : "");
    NODE_RULE(
        n, n->weight_bits >= 2 && n->weight_bits <= 8 && n->weight_shift >= 0 && n->weight_shift <= 8 - n->weight_bits,
        "%d-bit weights shifted by %d; must be 2 to 8 bits, shifted by 0 to 8 - bits", n->weight_bits, n->weight_shift);
    TRY(node_check_levels(n));
    TRY(node_check_groups(g, n));
    for (int o = 0; o < n->geom.o; o++) TRY(check_output(g, n, o));
    return STATUS_OK;
}

/* ---- scales ------------------------------------------------------------------------------------------------------ */

bool node_weights_exceed(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES])
{
    const float s_x = node_x(g, n)->scale, s_y = node_y(g, n)->scale;
    if (node_gives_sums(n)) return false;
    for (int o = 0; o < n->geom.o; o++) {
        const float M = s_x * n->weight_scale[o] / s_y;
        if (ratio_fits(&xnnpack_weights, M)) continue;
        snprintf(given, NODE_GIVEN_BYTES, "output %d: multiplier %g", o, (double)M);
        return true;
    }
    return false;
}

/* Sums that leave int32 when they are rescaled, or a multiplier that XNNPACK does not hold. */
int node_weights_floors(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS])
{
    const double s_x = (double)node_x(g, n)->scale, s_y = (double)node_y(g, n)->scale;
    double least = 0.0;
    if (node_gives_sums(n)) return 0;
    for (int o = 0; o < n->geom.o; o++) {
        const double step = s_x * (double)n->weight_scale[o], end = (double)xnnpack_weights.end;
        const int64_t sum = node_output_sum(g, n, o);
        const double of_sum = step * (double)(sum > 1 ? sum : 1) * 0x1p-30;
        if (of_sum >= s_y) least = fmax(least, of_sum);
        if (runtime && (float)(step / s_y) >= xnnpack_weights.end) least = fmax(least, step / end);
        if (node_is_wide(g, n) && step >= 0x1p7 * s_y) least = fmax(least, step * 0x1p-7);
    }
    floor[0] = (ScaleFloor){.tensor = n->output, .least = least};
    return least > 0.0;
}

/* ---- engine ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const ConvS8 *conv;
    void *packed;
    RequantRows requant; /* of an output that is the sums themselves none */
    int zero_point;
} WeightsState;

static Status pack_weights(Arena *arena, EngineNode *e, const ConvS8 *conv, WeightsState *s)
{
    const ConvGeom *geom = &e->node->geom;
    s->zero_point = node_x(e->g, e->node)->zero_point;
    s->conv = conv;
    s->packed = arena_try_alloc(arena, conv->packed_bytes(geom));
    if (s->packed == NULL) return node_no_room(e);
    conv->pack(geom, e->node->weights, s->packed);
    e->scratch_bytes = conv->scratch_bytes(geom);
    return STATUS_OK;
}

/* y = acc + bias, |y| < 2^31 by graph_check. */
static void sums_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    const WeightsState *s = e->state;
    const int outputs = e->node->geom.o;
    int32_t *y = (void *)out;
    s->conv->sums(&e->node->geom, 1, in[0], s->zero_point, s->packed, y, scratch);
    for (long at = 0, n = graph_tensor_elements(node_y(e->g, e->node)); at < n; at += outputs)
        for (int o = 0; o < outputs; o++) y[at + o] += e->node->bias[o];
}

/* y = requant(acc + bias) with M[o] = s_x s_w[o] / s_y in the rounding's form; |acc + bias| < 2^31 by graph_check. */
Status node_weights_prepare(Arena *arena, EngineNode *e, const ConvS8 *conv)
{
    const Node *n = e->node;
    const ConvGeom *geom = &n->geom;
    const Rounding rounding = e->g->rounding;
    if (node_gives_sums(n)) {
        e->run = sums_run;
        return pack_weights(arena, e, conv, e->state = arena_zalloc(arena, sizeof(WeightsState)));
    }
    const GraphTensor *x = node_x(e->g, n), *y = node_y(e->g, n);
    Multiplier *M = arena_try_alloc(arena, sizeof *M * (size_t)geom->o);
    void *tables = arena_try_alloc(arena, requant_rows_bytes(geom->o));
    if (M == NULL || tables == NULL) return node_no_room(e);
    for (int o = 0; o < geom->o; o++) M[o] = multiplier_make(rounding, x->scale, n->weight_scale[o], y->scale);
    WeightsState *s = e->state = arena_zalloc(arena, sizeof *s);
    s->requant = requant_rows_make(rounding, geom->o, n->bias, M, y->zero_point, n->lo, n->hi, tables);
    return pack_weights(arena, e, conv, s);
}

void node_weights_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    const WeightsState *s = e->state;
    s->conv->codes(&e->node->geom, 1, in[0], s->zero_point, s->packed, &s->requant, out, scratch);
}

/* ---- engine, int16 codes ----------------------------------------------------------------------------------------- */

bool node_rescales_int32(const Graph *g, const Node *n)
{
    return n->op == NODE_DENSE && rounding_is_float(g->rounding) && node_largest_sum(g, n) <= INT32_MAX;
}

static Status wide_prepare(Arena *arena, EngineNode *e)
{
    const Node *n = e->node;
    const ConvGeom *geom = &n->geom;
    const long count = node_weights(n);
    ConvS16 *k = e->state = arena_zalloc(arena, sizeof *k);
    int16_t *w = arena_try_alloc(arena, sizeof *w * (size_t)count);
    ScaleS16 *scale = arena_try_alloc(arena, sizeof *scale * (size_t)geom->o);
    if (w == NULL || scale == NULL) return node_no_room(e);
    for (long i = 0; i < count; i++) w[i] = n->weights[i];
    const double s_x = (double)node_x(e->g, n)->scale, s_y = (double)node_y(e->g, n)->scale;
    const bool in_int32 = node_rescales_int32(e->g, n);
    for (int o = 0; o < geom->o; o++) {
        const double M = s_x * (double)n->weight_scale[o] / s_y;
        scale[o] = in_int32 ? scale_s16_of_int32(M) : scale_s16(M);
    }
    *k = (ConvS16){w, n->wide_bias, scale, n->lo, n->hi};
    e->scratch_bytes = conv_s16_scratch_bytes(geom);
    return STATUS_OK;
}

static void wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    const Node *n = e->node;
    const bool depthwise = n->op == NODE_DWCONV2D;
    (depthwise ? kernels()->dwconv_s16_forward : kernels()->conv_s16_forward)(&n->geom, 1, node_wide(in[0]), e->state,
                                                                              node_wide_out(out), scratch);
}

const NodeWide node_weights_in_wide = {.binary = wide_binary, .prepare = wide_prepare, .run = wide_run};
