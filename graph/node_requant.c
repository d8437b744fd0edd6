/* requant: the input on another grid (rescale_table), with clamp, also from int8 to int16 codes and back; in floats, with an activation and in another format. */
#include <stdio.h>
#include <string.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_table.h"
#include "graph/node_text.h"
#include "kernels/requant_s16.h"

static const Field requant_fields[] = {NODE_FIELDS, {NODE_CLAMP}, FIELD_END};

static bool requant_table(const Graph *g, const Node *n, int8_t table[256])
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    return rescale_table(g->rounding, x->scale, x->zero_point, y->scale, y->zero_point, n->lo, n->hi, table);
}

/* No rounding rule leaves int32, as of sums (channel_sums_check). */
static bool requant_is_small(const Graph *g, const Node *n)
{
    const double M = (double)node_x(g, n)->scale / (double)node_y(g, n)->scale;
    return M * graph_tensor_max_magnitude(node_x(g, n)) < 0x1p30;
}

static Status requant_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    int8_t unused[256];
    TRY(node_check_same_shape(g, n));
    if (node_is_float(g, n)) return STATUS_OK;
    if (!node_is_wide(g, n))
        NODE_RULE(n, requant_table(g, n, unused), "rescales %.9g to %.9g; %s needs %s", (double)x->scale,
                  (double)y->scale, rounding_names[g->rounding], rounding_requant_needs(g->rounding));
    NODE_RULE(n, requant_is_small(g, n), "codes up to %d from zero times the multiplier %g; must stay below 2^30",
              graph_tensor_max_magnitude(x), (double)x->scale / (double)y->scale);
    return STATUS_OK;
}

static bool requant_exceeds(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES])
{
    const float ratio = node_scale_ratio(g, n, 0);
    if (ratio_fits(&xnnpack_requant, ratio)) return false;
    snprintf(given, NODE_GIVEN_BYTES, "input has %g times the output's scale", (double)ratio);
    return true;
}

static int requant_floors(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS])
{
    const double s_x = (double)node_x(g, n)->scale, s_y = (double)node_y(g, n)->scale;
    char given[NODE_GIVEN_BYTES];
    int8_t unused[256];
    if (node_is_wide(g, n)) {
        floor[0] = (ScaleFloor){.tensor = n->output, .least = s_x * 0x1p-14};
        return !requant_is_small(g, n);
    }
    if (!(runtime && requant_exceeds(g, n, given)) && requant_table(g, n, unused) && requant_is_small(g, n)) return 0;
    floor[0] = (ScaleFloor){.tensor = n->output, .least = s_x / (double)xnnpack_requant.end};
    floor[1] = (ScaleFloor){n->input[0], s_y * (double)xnnpack_requant.least, s_y};
    return 2;
}

static Status requant_prepare(Arena *arena, EngineNode *e)
{
    e->state = arena_alloc(arena, 256);
    const bool representable = requant_table(e->g, e->node, e->state);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

static Status requant_wide_prepare(Arena *arena, EngineNode *e)
{
    Multiplier *M = e->state = arena_alloc(arena, sizeof *M);
    *M = multiplier_s16((double)node_x(e->g, e->node)->scale / (double)node_y(e->g, e->node)->scale);
    return STATUS_OK;
}

/* y = clamp(z_y + R(q - z_x)). */
static void requant_wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const Node *n = e->node;
    const GraphTensor *x = node_x(e->g, n), *y = node_y(e->g, n);
    const Multiplier M = *(const Multiplier *)e->state;
    const bool from_wide = graph_tensor_is_wide(x), to_wide = graph_tensor_is_wide(y);
    const long count = graph_tensor_elements(y);
    for (long i = 0; i < count; i++) {
        const int q = (from_wide ? node_wide(in[0])[i] : in[0][i]) - x->zero_point;
        const int v = clamp_int(y->zero_point + rescale_s16(e->g->rounding, q, M), n->lo, n->hi);
        if (to_wide)
            node_wide_out(out)[i] = (int16_t)v;
        else
            out[i] = (int8_t)v;
    }
}

static const NodeWide requant_wide = {.prepare = requant_wide_prepare, .run = requant_wide_run};

/* Codes to wider ones need more room than there was. */
static NodeOverwrites requant_overwrites(const Graph *g, const Node *n, int input)
{
    (void)input;
    return graph_tensor_bytes(node_y(g, n)) <= graph_tensor_bytes(node_x(g, n)) ? OVERWRITES : OVERWRITES_NOT;
}

static void requant_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    memcpy(out, in[0], graph_tensor_bytes(node_y(e->g, e->node)));
    node_float_end(e, node_floats_out(out));
}

static const NodeFloat requant_in_float = {.fields = node_float_fields, .run = requant_float_run};

const NodeType node_requant = {.name = "requant",
                               .doc = "the input on another grid, with clamp",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .fields = requant_fields,
                               .clamp = CLAMP_CODES,
                               .check = requant_check,
                               .ratio_limits = &xnnpack_requant,
                               .exceeds = requant_exceeds,
                               .floors = requant_floors,
                               .prepare = requant_prepare,
                               .run = node_table_run,
                               .in_float = &requant_in_float,
                               .in_wide = &requant_wide,
                               .changes_width = true,
                               .overwrites = requant_overwrites};
