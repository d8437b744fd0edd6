/* concat: along channels; every input has the output's grid already. */
#include <string.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"

static const Field concat_fields[] = {NODE_FIELDS, FIELD_END};

static Status concat_check(const Graph *g, const Node *n)
{
    const GraphTensor *y = node_y(g, n);
    int channels = 0;
    for (int i = 0; i < n->inputs; i++) {
        const GraphTensor *x = &g->tensor[n->input[i]];
        NODE_RULE(n, x->h == y->h && x->w == y->w, "input \"%s\" of %d x %d cells; must be the output's %d x %d",
                  x->name, x->h, x->w, y->h, y->w);
        TRY(node_check_keeps_codes(g, n, x));
        channels += x->c;
    }
    NODE_RULE(n, channels == y->c, "%d output channels; must be the %d of its inputs together", y->c, channels);
    return STATUS_OK;
}

static void concat_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const GraphTensor *y = node_y(e->g, e->node);
    const size_t cells = (size_t)y->h * (size_t)y->w, all = graph_tensor_bytes(y) / cells;
    size_t first = 0;
    for (int k = 0; k < e->node->inputs; k++) {
        const size_t part = graph_tensor_bytes(&e->g->tensor[e->node->input[k]]) / cells;
        for (size_t i = 0; i < cells; i++) memcpy(out + i * all + first, in[k] + i * part, part);
        first += part;
    }
}

static const NodeWide concat_wide = {.run = concat_run};

static void concat_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    concat_run(e, in, out, scratch);
    node_float_end(e, node_floats_out(out));
}

static const NodeFloat concat_float = {.fields = concat_fields, .run = concat_float_run};

const NodeType node_concat = {.name = "concat",
                              .doc = "tensors of one grid, channel behind channel",
                              .min_inputs = 1,
                              .max_inputs = NODE_MAX_INPUTS,
                              .fields = concat_fields,
                              .clamp = CLAMP_NONE,
                              .keeps_grid = true,
                              .check = concat_check,
                              .run = concat_run,
                              .in_float = &concat_float,
                              .in_wide = &concat_wide};
