/* embedding: out[h,w,:] = table[in[h,w,0] + 128, :], codes of the output's grid. */
#include <stddef.h>
#include <string.h>

#include "graph/node_check.h"
#include "graph/node_text.h"

enum { CODES = 256 };

static const Field embedding_fields[] = {NODE_FIELDS, FIELD_END};

static ConvGeom embedding_geometry(const NodeText *text, const GraphTensor *x, const GraphTensor *y)
{
    (void)text, (void)x;
    return (ConvGeom){.n = 1,
                      .h = 1,
                      .w = 1,
                      .c = 1,
                      .o = y->c,
                      .oh = 1,
                      .ow = 1,
                      .kh = 1,
                      .kw = 1,
                      .sh = 1,
                      .sw = 1,
                      .dh = 1,
                      .dw = 1,
                      .groups = 1};
}

static int embedding_shape(const Node *n, int64_t dim[4])
{
    dim[0] = CODES, dim[1] = n->geom.o;
    return 2;
}

static const NodeBinary embedding_binary[] = {{"table", ST_I8, embedding_shape, offsetof(Node, table)},
                                              {.suffix = NULL}};

static Status embedding_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    NODE_RULE(n, x->format == FORMAT_INT8 && y->format == FORMAT_INT8, "formats \"%s\" and \"%s\"; both must be int8",
              format_names[x->format], format_names[y->format]);
    NODE_RULE(n, x->c == 1 && x->h == y->h && x->w == y->w,
              "[%d,%d,%d] of [%d,%d,%d]; must be rows and columns of an "
              "input with 1 channel",
              y->h, y->w, y->c, x->h, x->w, x->c);
    NODE_RULE(n, n->geom.o == y->c, "vectors of %d; must be the %d channels of its output", n->geom.o, y->c);
    NODE_RULE(n, n->table != NULL, "no table; must have one");
    for (long i = 0; i < (long)CODES * y->c; i++)
        NODE_RULE(n, n->table[i] >= y->qmin && n->table[i] <= y->qmax, "table[%ld] is %d; must be %d to %d", i,
                  n->table[i], y->qmin, y->qmax);
    return STATUS_OK;
}

static size_t embedding_flash_bytes(const Node *n) { return (size_t)CODES * (size_t)n->geom.o; }

static void embedding_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const size_t count = (size_t)graph_tensor_elements(node_x(e->g, e->node)), dim = (size_t)node_y(e->g, e->node)->c;
    for (size_t i = 0; i < count; i++) memcpy(out + i * dim, e->node->table + (size_t)(in[0][i] + 128) * dim, dim);
}

const NodeType node_embedding = {.name = "embedding",
                                 .doc = "a vector of codes for each code of an input with one channel",
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .fields = embedding_fields,
                                 .binary = embedding_binary,
                                 .geometry = embedding_geometry,
                                 .clamp = CLAMP_NONE,
                                 .check = embedding_check,
                                 .flash_bytes = embedding_flash_bytes,
                                 .run = embedding_run};
