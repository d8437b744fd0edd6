/* multiply: of two inputs of one shape, or of the second's [1,1,C] with every cell of the first; each on a grid of its
 * own. */
#include <stdio.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"
#include "kernels/requant_multiply.h"
#include "kernels/requant_s16.h"

static const Field multiply_fields[] = {NODE_FIELDS, {NODE_CLAMP}, FIELD_END};

static bool multiply_params(const Graph *g, const Node *n, MultiplyParams *p)
{
    const GraphTensor *a = node_x(g, n), *b = &g->tensor[n->input[1]], *y = node_y(g, n);
    return multiply_params_make(g->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                                n->lo, n->hi, p);
}

static float product_ratio(const Graph *g, const Node *n)
{
    return node_x(g, n)->scale * g->tensor[n->input[1]].scale / node_y(g, n)->scale;
}

/* Of int16 codes: in float32 under xnnpack and onnxruntime, as LiteRT has it, else in double.  No product leaves 2^30 when it is rescaled to codes of the output. */
static double wide_ratio(const Graph *g, const Node *n)
{
    if (rounding_is_float(g->rounding)) return (double)product_ratio(g, n);
    return (double)node_x(g, n)->scale * (double)g->tensor[n->input[1]].scale / (double)node_y(g, n)->scale;
}

static bool has_shape(const GraphTensor *t, int h, int w, int c) { return t->h == h && t->w == w && t->c == c; }

static Status multiply_check(const Graph *g, const Node *n)
{
    const GraphTensor *a = node_x(g, n), *b = &g->tensor[n->input[1]], *y = node_y(g, n);
    NODE_RULE(n, has_shape(y, a->h, a->w, a->c) && (has_shape(b, a->h, a->w, a->c) || has_shape(b, 1, 1, a->c)),
              "multiplies [%d,%d,%d] by [%d,%d,%d] to [%d,%d,%d]; must be one shape, or the second [1,1,%d]", a->h,
              a->w, a->c, b->h, b->w, b->c, y->h, y->w, y->c, a->c);
    if (node_is_float(g, n)) return STATUS_OK;
    MultiplyParams unused;
    if (node_is_wide(g, n)) {
        NODE_RULE(n, wide_ratio(g, n) < 1.0, "multiplies scales %.9g and %.9g to %.9g; int16 needs a ratio below 1",
                  (double)a->scale, (double)b->scale, (double)y->scale);
        return STATUS_OK;
    }
    NODE_RULE(n, multiply_params(g, n, &unused), "multiplies scales %.9g and %.9g to %.9g; %s needs %s",
              (double)a->scale, (double)b->scale, (double)y->scale, rounding_names[g->rounding],
              rounding_multiply_needs(g->rounding));
    return STATUS_OK;
}

static bool multiply_exceeds(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES])
{
    if (ratio_fits(&xnnpack_multiply, product_ratio(g, n))) return false;
    snprintf(given, NODE_GIVEN_BYTES, "the inputs' scales have a product of %g times the output's",
             (double)product_ratio(g, n));
    return true;
}

/* A product that is too fine for its output moves no code of it: the finer of the inputs need not be so fine. */
static int multiply_floors(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS])
{
    const double s_a = (double)node_x(g, n)->scale, s_b = (double)g->tensor[n->input[1]].scale;
    const double s_y = (double)node_y(g, n)->scale, least = (double)xnnpack_multiply.least;
    const bool a_is_finer = s_a < s_b;
    char given[NODE_GIVEN_BYTES];
    MultiplyParams unused;
    if (node_is_wide(g, n)) {
        floor[0] = (ScaleFloor){.tensor = n->output, .least = s_a * s_b};
        return wide_ratio(g, n) >= 1.0;
    }
    if (!(runtime && multiply_exceeds(g, n, given)) && multiply_params(g, n, &unused)) return 0;
    floor[0] = (ScaleFloor){n->output, s_a * s_b / (double)xnnpack_multiply.end, s_a * s_b * 0x1p8};
    floor[1] = (ScaleFloor){.tensor = n->input[a_is_finer ? 0 : 1], .least = s_y * least / (a_is_finer ? s_b : s_a)};
    return 2;
}

static Status multiply_prepare(Arena *arena, EngineNode *e)
{
    e->state = arena_alloc(arena, sizeof(MultiplyParams));
    const bool representable = multiply_params(e->g, e->node, e->state);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

static void multiply_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const long count = graph_tensor_elements(node_y(e->g, e->node));
    const long factors = graph_tensor_elements(&e->g->tensor[e->node->input[1]]);
    for (long at = 0; at < count; at += factors)
        requant_multiply_rows(e->state, (size_t)factors, in[0] + at, in[1], out + at);
}

static Status multiply_wide_prepare(Arena *arena, EngineNode *e)
{
    Multiplier *M = e->state = arena_alloc(arena, sizeof *M);
    *M = multiplier_s16(wide_ratio(e->g, e->node));
    return STATUS_OK;
}

static void multiply_wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const Node *n = e->node;
    const Multiplier *M = e->state;
    const long count = graph_tensor_elements(node_y(e->g, n));
    const long factors = graph_tensor_elements(&e->g->tensor[n->input[1]]);
    const int16_t *a = node_wide(in[0]), *b = node_wide(in[1]);
    int16_t *y = node_wide_out(out);
    for (long i = 0; i < count; i++)
        y[i] = (int16_t)clamp_int(rescale_s16(e->g->rounding, a[i] * b[i % factors], *M), n->lo, n->hi);
}

static const NodeWide multiply_wide = {.prepare = multiply_wide_prepare, .run = multiply_wide_run};

static void multiply_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const long count = graph_tensor_elements(node_y(e->g, e->node));
    const long factors = graph_tensor_elements(&e->g->tensor[e->node->input[1]]);
    const float *a = node_floats(in[0]), *b = node_floats(in[1]);
    float *y = node_floats_out(out);
    for (long at = 0; at < count; at += factors)
        for (long i = 0; i < factors; i++) y[at + i] = a[at + i] * b[i];
    node_float_end(e, y);
}

static const NodeFloat multiply_float = {.fields = node_float_fields, .run = multiply_float_run};

/* An input that is read again at every cell must stay. */
static NodeOverwrites multiply_overwrites(const Graph *g, const Node *n, int input)
{
    const GraphTensor *x = &g->tensor[n->input[input]], *y = node_y(g, n);
    return has_shape(x, y->h, y->w, y->c) ? OVERWRITES : OVERWRITES_NOT;
}

const NodeType node_multiply = {
    .name = "multiply",
    .doc =
        "the product of two tensors, each on a grid of its own, the second [1,1,C] or of the first's shape, with clamp",
    .min_inputs = 2,
    .max_inputs = 2,
    .fields = multiply_fields,
    .clamp = CLAMP_CODES,
    .check = multiply_check,
    .ratio_limits = &xnnpack_multiply,
    .exceeds = multiply_exceeds,
    .floors = multiply_floors,
    .prepare = multiply_prepare,
    .run = multiply_run,
    .in_float = &multiply_float,
    .in_wide = &multiply_wide,
    .overwrites = multiply_overwrites};
