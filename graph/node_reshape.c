/* reshape: the same bytes in another shape. */
#include <string.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"

static const Field reshape_fields[] = {NODE_FIELDS, FIELD_END};

static Status reshape_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    NODE_RULE(n, graph_tensor_elements(x) == graph_tensor_elements(y),
              "%ld elements in, %ld out; must be the same number", graph_tensor_elements(x), graph_tensor_elements(y));
    NODE_RULE(n, x->format == y->format, "%s to %s; must be one format", format_names[x->format],
              format_names[y->format]);
    return node_check_keeps_codes(g, n, x);
}

static void reshape_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    if (out != in[0]) memcpy(out, in[0], graph_tensor_bytes(node_y(e->g, e->node)));
}

static const NodeWide reshape_wide = {.run = reshape_run};
static const NodeFloat reshape_float = {.fields = reshape_fields, .run = reshape_run};

const NodeType node_reshape = {.name = "reshape",
                               .doc = "the same codes in another shape",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .fields = reshape_fields,
                               .clamp = CLAMP_NONE,
                               .keeps_grid = true,
                               .check = reshape_check,
                               .run = reshape_run,
                               .in_float = &reshape_float,
                               .in_wide = &reshape_wide,
                               .shows_input = true};
