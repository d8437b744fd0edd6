#include "graph/engine_ops.h"

#include <string.h>

static size_t output_elements(const EngineNode *e) { return (size_t)graph_tensor_elements(e->y); }

static Status no_room(const EngineNode *e) { return status_prefix(STATUS_NOMEM, "node \"%s\"", e->node->name); }

/* y = requant(acc + bias) with M[o] = s_x s_w[o] / s_y in the rounding's form; |acc + bias| < 2^31 by graph_check. */
static Status prepare_requant_rows(Arena *arena, EngineNode *e)
{
    const Node *n = e->node;
    Multiplier *M = arena_try_alloc(arena, sizeof *M * (size_t)n->geom.o);
    void *tables = arena_try_alloc(arena, requant_rows_bytes(n->geom.o));
    if (M == NULL || tables == NULL) return no_room(e);
    for (int o = 0; o < n->geom.o; o++)
        M[o] = multiplier_make(e->rounding, e->x->scale, n->weight_scale[o], e->y->scale);
    e->requant = requant_rows_make(e->rounding, n->geom.o, n->bias, M, e->y->zero_point, n->lo, n->hi, tables);
    return STATUS_OK;
}

static Status prepare_conv(Arena *arena, EngineNode *e)
{
    TRY(prepare_requant_rows(arena, e));
    const ConvGeom *const g = &e->node->geom;
    e->conv = conv_s8_of(e->node->op == NODE_DWCONV2D);
    e->packed = arena_try_alloc(arena, e->conv->packed_bytes(g));
    if (e->packed == NULL) return no_room(e);
    e->conv->pack(g, e->node->weights, e->packed);
    e->scratch_bytes = e->conv->scratch_bytes(g);
    return STATUS_OK;
}

static Status prepare_requant(Arena *arena, EngineNode *e)
{
    e->table = arena_alloc(arena, 256);
    const bool representable = rescale_table(e->rounding, e->x->scale, e->x->zero_point, e->y->scale, e->y->zero_point,
                                             e->node->lo, e->node->hi, e->table);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

static Status prepare_add(Arena *arena, EngineNode *e)
{
    (void)arena;
    const GraphTensor *a = e->x, *b = e->x2, *y = e->y;
    const bool representable = add_params_make(e->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale,
                                               y->zero_point, e->node->lo, e->node->hi, &e->add);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

static Status prepare_avgpool(Arena *arena, EngineNode *e)
{
    (void)arena;
    const Node *n = e->node;
    e->average = average_rule(e->rounding, &n->geom, e->x->scale, e->x->zero_point, n->lo, n->hi);
    return STATUS_OK;
}

static Status prepare_lut(Arena *arena, EngineNode *e)
{
    e->table = arena_alloc(arena, 256);
    memcpy(e->table, e->node->table, 256);
    return STATUS_OK;
}

static void run_conv(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    e->conv->codes(&e->node->geom, 1, in[0], e->x->zero_point, e->packed, &e->requant, out, scratch);
}

static void run_add(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->requant_add_rows(&e->add, output_elements(e), in[0], in[1], out);
}

static void run_concat(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const size_t cells = (size_t)e->y->h * (size_t)e->y->w;
    size_t first = 0;
    for (int k = 0; k < e->node->inputs; k++) {
        const size_t part = (size_t)e->part[k];
        for (size_t i = 0; i < cells; i++) memcpy(out + i * (size_t)e->y->c + first, in[k] + i * part, part);
        first += part;
    }
}

static void run_maxpool(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->maxpool_s8_forward(&e->node->geom, 1, in[0], out);
}

static void run_avgpool(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->avgpool_s8_forward(&e->node->geom, 1, in[0], &e->average, out);
}

static void run_table(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const size_t count = output_elements(e);
    const int8_t *restrict table = e->table + 128;
    for (size_t i = 0; i < count; i++) out[i] = table[in[0][i]];
}

static void run_reshape(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    if (out != in[0]) memcpy(out, in[0], output_elements(e));
}

static const EngineOp conv2d_row = {prepare_conv, run_conv}, depthwise_conv2d_row = {prepare_conv, run_conv},
                      dense_row = {prepare_conv, run_conv}, add_row = {prepare_add, run_add},
                      concat_row = {NULL, run_concat}, max_pool_row = {NULL, run_maxpool},
                      average_pool_row = {prepare_avgpool, run_avgpool}, requant_row = {prepare_requant, run_table},
                      lut_row = {prepare_lut, run_table}, reshape_row = {NULL, run_reshape};

#define NODE(ID, name) [NODE_##ID] = &name##_row,
const EngineOp *const engine_ops[] = {
#include "graph/nodes.def"
};
#undef NODE
