#include "graph/node_window.h"

#include "graph/node_check.h"

ConvGeom node_window_geometry(const NodeText *text, const GraphTensor *x, const GraphTensor *y)
{
    const int *k = text->kernel.at, *s = text->stride.at, *p = text->padding.at;
    const bool dilated = text->dilation.n == 2;
    return (ConvGeom){.n = 1,
                      .h = x->h,
                      .w = x->w,
                      .c = x->c,
                      .o = y->c,
                      .oh = y->h,
                      .ow = y->w,
                      .kh = k[0],
                      .kw = k[1],
                      .sh = s[0],
                      .sw = s[1],
                      .dh = dilated ? text->dilation.at[0] : 1,
                      .dw = dilated ? text->dilation.at[1] : 1,
                      .pt = p[0],
                      .pb = p[1],
                      .pl = p[2],
                      .pr = p[3],
                      .groups = text->groups > 0 ? text->groups : 1};
}

/* out = floor((in + before + after - ((kernel - 1) dilation + 1)) / stride) + 1 */
static Status check_axis(const Node *n, bool pool, const char *axis, const int size[2], const int window[3],
                         const int pad[2])
{
    const int in = size[0], out = size[1], kernel = window[0], stride = window[1], dilation = window[2];
    NODE_RULE(n,
              kernel >= 1 && kernel <= NODE_MAX_EXTENT && stride >= 1 && stride <= NODE_MAX_EXTENT && dilation >= 1 &&
                  dilation <= NODE_MAX_EXTENT,
              "%s: kernel %d, stride %d, dilation %d; each must be 1 to %d", axis, kernel, stride, dilation,
              NODE_MAX_EXTENT);
    NODE_RULE(n, pad[0] >= 0 && pad[0] <= NODE_MAX_EXTENT && pad[1] >= 0 && pad[1] <= NODE_MAX_EXTENT,
              "%s: padding %d and %d; must be 0 to %d", axis, pad[0], pad[1], NODE_MAX_EXTENT);
    const int extent = (kernel - 1) * dilation + 1, room = in + pad[0] + pad[1] - extent;
    NODE_RULE(n, room >= 0, "%s: window of %d on %d with padding %d and %d; must fit", axis, extent, in, pad[0],
              pad[1]);
    NODE_RULE(n, out == room / stride + 1, "%s: output size %d; must be %d", axis, out, room / stride + 1);
    /* A pool's window outside the image would divide by zero. */
    if (pool)
        NODE_RULE(n, dilation == 1 && pad[0] < kernel && pad[1] < kernel,
                  "%s: pool of %d with dilation %d, padding %d and %d; must be dilation 1 and padding below the kernel",
                  axis, kernel, dilation, pad[0], pad[1]);
    return STATUS_OK;
}

Status node_check_window(const Graph *graph, const Node *n, NodeWindow window)
{
    const ConvGeom *g = &n->geom;
    const GraphTensor *x = node_x(graph, n), *y = node_y(graph, n);
    const bool pool = window == WINDOW_OF_POOL, flat = window == WINDOW_OF_FLAT;
    NODE_RULE(n,
              g->n == 1 && (flat ? g->h == 1 && g->w == 1 && g->c == graph_tensor_elements(x)
                                 : g->h == x->h && g->w == x->w && g->c == x->c),
              "geometry [%d,%d,%d,%d] of input \"%s\" [%d,%d,%d]; must agree", g->n, g->h, g->w, g->c, x->name, x->h,
              x->w, x->c);
    NODE_RULE(n, g->oh == y->h && g->ow == y->w && g->o == y->c,
              "geometry [%d,%d,%d] of its output [%d,%d,%d]; must agree", g->oh, g->ow, g->o, y->h, y->w, y->c);
    TRY(check_axis(n, pool, "rows", (int[2]){g->h, g->oh}, (int[3]){g->kh, g->sh, g->dh}, (int[2]){g->pt, g->pb}));
    TRY(check_axis(n, pool, "columns", (int[2]){g->w, g->ow}, (int[3]){g->kw, g->sw, g->dw}, (int[2]){g->pl, g->pr}));
    NODE_RULE(n, g->kh * g->kw <= WINDOW_MAX_CELLS, "kernel %d x %d; at most %d cells", g->kh, g->kw, WINDOW_MAX_CELLS);
    if (flat)
        NODE_RULE(n, g->kh == 1 && g->kw == 1 && g->pt + g->pb + g->pl + g->pr == 0 && g->groups == 1,
                  "a dense node with kernel %d x %d in %d groups; must be 1 x 1, without padding, in 1 group", g->kh,
                  g->kw, g->groups);
    NODE_RULE(n, g->groups >= 1 && g->groups <= g->c && g->c % g->groups == 0 && g->o % g->groups == 0,
              "%d groups of %d input and %d output channels; must divide both", g->groups, g->c, g->o);
    if (pool) NODE_RULE(n, g->o == g->c, "%d output channels; a pool keeps the %d of its input", g->o, g->c);
    return STATUS_OK;
}

bool window_leaves_input(const ConvGeom *g)
{
    const int bottom = (g->oh - 1) * g->sh - g->pt + (g->kh - 1) * g->dh;
    const int right = (g->ow - 1) * g->sw - g->pl + (g->kw - 1) * g->dw;
    return g->pt > 0 || g->pl > 0 || bottom >= g->h || right >= g->w;
}

bool window_is_cell(const ConvGeom *g)
{
    return g->kh * g->kw == 1 && g->sh == 1 && g->sw == 1 && !window_leaves_input(g);
}

NodeOverwrites node_window_overwrites(const Graph *graph, const Node *n, int input)
{
    (void)graph, (void)input;
    const ConvGeom *g = &n->geom;
    if (g->pt > 0 || g->pl > 0) return OVERWRITES_NOT;
    for (int y = 0; y < g->oh; y++) /* the difference is least at one end of a row */
        if (y * g->sh * g->w < y * g->ow || y * g->sh * g->w + (g->ow - 1) * g->sw < y * g->ow + g->ow - 1)
            return OVERWRITES_NOT;
    return OVERWRITES;
}
