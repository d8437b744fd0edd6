/* lut: any curve, as its table of 256 codes; in floats a curve of autograd/curves.def by its formula. */
#include <stddef.h>
#include <string.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_table.h"
#include "graph/node_text.h"

enum { CODES = 256 };

static const Field lut_fields[] = {NODE_FIELDS, FIELD_END};

static int lut_shape(const Node *n, int64_t dim[4])
{
    (void)n;
    dim[0] = CODES;
    return 1;
}

static const NodeBinary lut_binary[] = {{"table", ST_I8, lut_shape, offsetof(Node, table)}, {.suffix = NULL}};

static Status lut_check(const Graph *g, const Node *n)
{
    const GraphTensor *y = node_y(g, n);
    TRY(node_check_same_shape(g, n));
    NODE_RULE(n, (n->curve != NULL) == node_is_float(g, n), "%s curve; must have one in floats, none in integers",
              n->curve == NULL ? "no" : "a");
    NODE_RULE(n, n->curve == NULL || curve_index(n->curve) >= 0, "curve %s; must be one of curve_types",
              n->curve->name);
    if (n->curve != NULL) return STATUS_OK;
    NODE_RULE(n, n->table != NULL, "no table; must have one");
    for (int i = 0; i < CODES; i++)
        NODE_RULE(n, n->table[i] >= y->qmin && n->table[i] <= y->qmax, "table[%d] is %d; must be %d to %d", i,
                  n->table[i], y->qmin, y->qmax);
    return STATUS_OK;
}

static size_t lut_flash_bytes(const Node *n) { return n->table == NULL ? 0 : CODES; }

static Status lut_prepare(Arena *arena, EngineNode *e)
{
    e->state = memcpy(arena_alloc(arena, CODES), e->node->table, CODES);
    return STATUS_OK;
}

static const Field lut_float_fields[] = {NODE_FIELDS, {NODE_CURVE}, FIELD_END};

static void lut_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    float *y = node_floats_out(out);
    e->node->curve->values((size_t)graph_tensor_elements(node_y(e->g, e->node)), node_floats(in[0]), y);
    node_float_end(e, y);
}

static const NodeFloat lut_in_float = {.fields = lut_float_fields, .run = lut_float_run};

const NodeType node_lut = {.name = "lut",
                           .doc = "a table with a code for each code of the input; in floats a curve",
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .fields = lut_fields,
                           .binary = lut_binary,
                           .clamp = CLAMP_NONE,
                           .check = lut_check,
                           .flash_bytes = lut_flash_bytes,
                           .prepare = lut_prepare,
                           .run = node_table_run,
                           .in_float = &lut_in_float,
                           .overwrites = node_table_overwrites};
