#include "tests/support/random_graph.h"

#include <math.h>

#include "autograd/ops.h"
#include "graph/node.h"

enum { MAX_NODES = 80, MAX_ELEMENTS = 4000 };

typedef struct {
    Arena *arena;
    Rng rng;
    Graph *g;
} Build;

static int pick(Build *b, int lo, int hi) { return lo + (int)rng_below(&b->rng, (uint32_t)(hi - lo + 1)); }

/* A power of two every third time: multipliers become exact and ties happen, where the roundings part. */
static float power_of_two(Build *b, float exponent) { return exp2f(pick(b, 0, 2) == 0 ? rintf(exponent) : exponent); }

static float power_between(Build *b, float lo, float hi)
{
    return power_of_two(b, lo + (hi - lo) * rng_uniform(&b->rng));
}

/* Signed, signed narrow or unsigned at the top of int8, 2 to 8 bits, symmetric or asymmetric. */
static GraphTensor random_grid(Build *b, float scale)
{
    GraphTensor t = {.bits = pick(b, 0, 1) ? 8 : pick(b, 2, 7), .scale = scale};
    const int half = 1 << (t.bits - 1), kind = pick(b, 0, 2);
    t.qmin = kind == 0 ? -half : kind == 1 ? 1 - half : 127 - (2 * half - 1);
    t.qmax = kind == 2 ? 127 : half - 1;
    t.zero_point = pick(b, 0, 1) ? pick(b, t.qmin, t.qmax) : kind == 2 ? t.qmin : 0;
    return t;
}

/* A node and its output of this shape and grid. */
static Node *append(Build *b, NodeKind op, GraphTensor grid, int h, int w, int c)
{
    Graph *g = b->g;
    Node *n = &g->node[g->nodes++];
    *n = (Node){.op = op,
                .name = arena_printf(b->arena, "%s_%d", node_types[op]->name, g->nodes),
                .output = g->tensors,
                .lo = grid.qmin,
                .hi = grid.qmax};
    grid.name = n->name, grid.h = h, grid.w = w, grid.c = c;
    g->tensor[g->tensors++] = grid;
    if (op != NODE_MAXPOOL && op != NODE_CONCAT && op != NODE_LUT && op != NODE_RESHAPE && pick(b, 0, 1) == 0) {
        n->lo = pick(b, grid.qmin, grid.zero_point);
        n->hi = pick(b, grid.zero_point, grid.qmax);
    }
    return n;
}

static void connect(Node *n, int tensor) { n->input[n->inputs++] = tensor; }

/* One channel of some layers is a constant, as converters leave it: no weights, and a bias of about 2^30 on a grid that
 * is fine enough for it. */
static void kill_channel(Build *b, Node *n)
{
    Rng rng = rng_make(b->g->nodes, RNG_TEST, 79);
    const int outputs = n->geom.o, o = (int)rng_below(&rng, (uint32_t)outputs);
    if (outputs < 2 || rng_below(&rng, 3) != 0) return;
    const GraphTensor *x = &b->g->tensor[n->input[0]], *y = &b->g->tensor[n->output];
    const long per_output = node_weights(n) / outputs;
    int8_t *w = (int8_t *)(uintptr_t)n->weights;
    int32_t *bias = (int32_t *)(uintptr_t)n->bias;
    float *scale = (float *)(uintptr_t)n->weight_scale;
    for (long i = 0; i < per_output; i++) w[n->op == NODE_DWCONV2D ? i * outputs + o : o * per_output + i] = 0;
    const int32_t magnitude = (1 << 30) + 128 * (int)rng_below(&rng, 2);
    bias[o] = rng_below(&rng, 2) == 0 ? magnitude : -magnitude;
    const float codes = 0.5f + 100.0f * rng_uniform(&rng);
    scale[o] = codes * y->scale / (x->scale * 0x1p30f);
}

/* In one node of four only some codes occur: 2, 3 or up to 16, in any order of sizes. */
static void make_levels(Build *b, Node *n)
{
    Rng rng = rng_make(b->g->nodes, RNG_TEST, 80);
    if (rng_below(&rng, 4) != 0) return;
    const int half = 1 << (n->weight_bits - 1), kind = (int)rng_below(&rng, 3), step = 1 << n->weight_shift;
    const int most = kind == 0 ? 2 : kind == 1 ? 3 : 16, wanted = most < 2 * half ? most : 2 * half;
    int8_t *level = ARENA_ARRAY(b->arena, int8_t, wanted + 1), *w = (int8_t *)(uintptr_t)n->weights;
    for (int code = -half, left = 2 * half; code < half; code++, left--)
        if ((int)rng_below(&rng, (uint32_t)left) < wanted - n->levels) level[n->levels++] = (int8_t)code;
    for (long i = 0; i < node_weights(n); i++) w[i] = (int8_t)(level[(int)rng_below(&rng, (uint32_t)n->levels)] * step);
    n->level = level;
}

/* Random codes around the middle of their range, and a scale for the output that spreads the sums over its codes. */
static void fill_weights(Build *b, Node *n)
{
    GraphTensor *y = &b->g->tensor[n->output];
    const GraphTensor *x = &b->g->tensor[n->input[0]];
    const long count = node_weights(n);
    const int outputs = n->geom.o;
    n->weight_bits = pick(b, 0, 1) ? 8 : pick(b, 2, 7);
    n->weight_shift = pick(b, 0, 8 - n->weight_bits);
    const int half = 1 << (n->weight_bits - 1);
    int8_t *w = ARENA_ARRAY(b->arena, int8_t, count);
    int32_t *bias = ARENA_ARRAY(b->arena, int32_t, outputs);
    float *scale = ARENA_ARRAY(b->arena, float, outputs);
    for (long i = 0; i < count; i++) w[i] = (int8_t)(pick(b, -half, half - 1) * (1 << n->weight_shift));
    const float spread =
        sqrtf((float)count / (float)outputs) * (float)(half << n->weight_shift) * (float)(x->qmax - x->qmin) / 4.0f;
    const float s_w = power_between(b, -9.0f, -5.0f);
    for (int o = 0; o < outputs; o++) {
        bias[o] = (int32_t)(spread * rng_normal(&b->rng));
        scale[o] = s_w * power_between(b, -1.0f, 1.0f);
    }
    y->scale =
        x->scale * power_of_two(b, log2f(s_w * spread / (float)(y->qmax - y->qmin)) + 3.0f * rng_uniform(&b->rng));
    n->weights = w, n->bias = bias, n->weight_scale = scale;
    make_levels(b, n);
    if (n->levels == 0) kill_channel(b, n);
}

static int out_size(int in, int before, int after, int kernel, int stride, int dilation)
{
    const int room = in + before + after - ((kernel - 1) * dilation + 1);
    return room < 0 ? 0 : room / stride + 1;
}

static ConvGeom random_window(Build *b, const GraphTensor *x, bool pool)
{
    ConvGeom g = {.n = 1, .h = x->h, .w = x->w, .c = x->c, .groups = 1};
    do {
        g.kh = pick(b, 1, 4), g.kw = pick(b, 1, 4);
        g.sh = pick(b, 1, 3), g.sw = pick(b, 1, 2);
        g.dh = pool ? 1 : pick(b, 1, 2), g.dw = pool ? 1 : pick(b, 1, 3);
        g.pt = pick(b, 0, pool ? g.kh - 1 : 3), g.pb = pick(b, 0, pool ? g.kh - 1 : 3);
        g.pl = pick(b, 0, pool ? g.kw - 1 : 3), g.pr = pick(b, 0, pool ? g.kw - 1 : 3);
        g.oh = out_size(g.h, g.pt, g.pb, g.kh, g.sh, g.dh);
        g.ow = out_size(g.w, g.pl, g.pr, g.kw, g.sw, g.dw);
    } while (g.oh < 1 || g.ow < 1);
    return g;
}

static void add_conv(Build *b, int in, NodeKind op)
{
    const GraphTensor x = b->g->tensor[in];
    ConvGeom g = random_window(b, &x, false);
    if (op == NODE_DWCONV2D) {
        g.groups = g.c;
        g.o = g.c * pick(b, 1, 3);
    } else {
        do g.groups = pick(b, 1, g.c);
        while (g.c % g.groups != 0);
        g.o = g.groups * pick(b, 1, g.groups > 3 ? 2 : 5);
    }
    if ((long)g.oh * g.ow * g.o > MAX_ELEMENTS) return;
    Node *n = append(b, op, random_grid(b, 1.0f), g.oh, g.ow, g.o);
    connect(n, in);
    n->geom = g;
    fill_weights(b, n);
}

static void add_dense(Build *b, int in, int units)
{
    const int inputs = (int)graph_tensor_elements(&b->g->tensor[in]);
    Node *n = append(b, NODE_DENSE, random_grid(b, 1.0f), 1, 1, units);
    connect(n, in);
    n->geom = dense_geom(1, inputs, units);
    fill_weights(b, n);
}

static void add_pool(Build *b, int in, NodeKind op)
{
    const GraphTensor x = b->g->tensor[in];
    ConvGeom g = random_window(b, &x, true);
    g.o = g.c;
    if ((long)g.oh * g.ow * g.o > MAX_ELEMENTS) return;
    Node *n = append(b, op, x, g.oh, g.ow, g.o);
    connect(n, in);
    n->geom = g;
}

static int add_requant(Build *b, int in, GraphTensor grid)
{
    const GraphTensor x = b->g->tensor[in];
    Node *n = append(b, NODE_REQUANT, grid, x.h, x.w, x.c);
    connect(n, in);
    return n->output;
}

static void add_residual(Build *b, int in)
{
    const GraphTensor x = b->g->tensor[in];
    const int other = add_requant(b, in, random_grid(b, x.scale * power_between(b, -3.0f, 3.0f)));
    const float larger = fmaxf(x.scale, b->g->tensor[other].scale);
    Node *n = append(b, NODE_ADD, random_grid(b, larger * power_between(b, -1.0f, 2.0f)), x.h, x.w, x.c);
    connect(n, pick(b, 0, 1) ? in : other);
    connect(n, n->input[0] == in ? other : in);
}

/* By a change of its grid, or by one cell: its mean over the image. */
static void add_multiply(Build *b, int in)
{
    const GraphTensor x = b->g->tensor[in];
    int other;
    if (pick(b, 0, 1) == 0) {
        other = add_requant(b, in, random_grid(b, x.scale * power_between(b, -3.0f, 3.0f)));
    } else {
        Node *mean = append(b, NODE_AVGPOOL, x, 1, 1, x.c);
        connect(mean, in);
        mean->geom = (ConvGeom){.kh = x.h, .kw = x.w, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
        const Status status = conv_geom_fill(&mean->geom, shape_4(1, x.h, x.w, x.c), x.c);
        ASSERT(status == STATUS_OK);
        other = mean->output;
    }
    const float product = x.scale * b->g->tensor[other].scale;
    Node *n = append(b, NODE_MULTIPLY, random_grid(b, product * power_between(b, 2.0f, 9.0f)), x.h, x.w, x.c);
    connect(n, in);
    connect(n, other);
}

static void add_concat(Build *b, int in)
{
    const GraphTensor x = b->g->tensor[in];
    const GraphTensor grid = random_grid(b, x.scale * power_between(b, -1.0f, 1.0f));
    int part[4], parts = 0, channels = 0;
    for (int t = in; t >= 0 && parts < 4; t--) {
        const GraphTensor *other = &b->g->tensor[t];
        /* What every rounding can rescale. */
        if (other->h != x.h || other->w != x.w || other->scale > 128.0f * grid.scale ||
            256.0f * other->scale < grid.scale)
            continue;
        part[parts++] = t;
        channels += other->c;
    }
    if ((long)channels * x.h * x.w > MAX_ELEMENTS) return;
    for (int i = 0; i < parts; i++) part[i] = add_requant(b, part[i], grid);
    Node *n = append(b, NODE_CONCAT, grid, x.h, x.w, channels);
    for (int i = 0; i < parts; i++) connect(n, part[i]);
}

static void add_lut(Build *b, int in)
{
    const GraphTensor x = b->g->tensor[in];
    Node *n = append(b, NODE_LUT, random_grid(b, x.scale * power_between(b, -1.0f, 1.0f)), x.h, x.w, x.c);
    connect(n, in);
    int8_t *table = ARENA_ARRAY(b->arena, int8_t, 256);
    for (int i = 0; i < 256; i++) table[i] = (int8_t)pick(b, n->lo, n->hi);
    n->table = table;
}

static void add_reshape(Build *b, int in)
{
    const GraphTensor x = b->g->tensor[in];
    const bool turned = pick(b, 0, 1) == 0;
    Node *n = append(b, NODE_RESHAPE, x, turned ? x.c : x.h * x.w, turned ? x.h : x.c, turned ? x.w : 1);
    connect(n, in);
}

static void add_block(Build *b)
{
    const int last = b->g->tensors - 1, in = pick(b, last > 3 ? last - 3 : 0, last);
    switch (pick(b, 0, 9)) {
    case 0:
    case 1:
        add_conv(b, in, NODE_CONV2D);
        break;
    case 2:
        add_conv(b, in, NODE_DWCONV2D);
        break;
    case 3:
        add_pool(b, in, NODE_MAXPOOL);
        break;
    case 4:
        add_pool(b, in, NODE_AVGPOOL);
        break;
    case 5:
        add_residual(b, in);
        break;
    case 6:
        add_concat(b, in);
        break;
    case 7:
        add_lut(b, in);
        break;
    case 8:
        add_reshape(b, in);
        break;
    case 9:
        add_multiply(b, in);
        break;
    }
}

Graph *random_graph(Arena *arena, uint64_t seed, int blocks, Rounding rounding)
{
    Build b = {.arena = arena, .rng = rng_make(seed, RNG_TEST, 77), .g = arena_zalloc(arena, sizeof(Graph))};
    Graph *g = b.g;
    *g = (Graph){.rounding = rounding, .tensors = 1, .model_name = "random"};
    g->tensor = ARENA_ARRAY(arena, GraphTensor, MAX_NODES + 1);
    g->node = ARENA_ARRAY(arena, Node, MAX_NODES);
    g->tensor[0] = random_grid(&b, power_between(&b, -8.0f, 0.0f));
    g->tensor[0].name = "input", g->tensor[0].bits = 8, g->tensor[0].qmin = -128, g->tensor[0].qmax = 127;
    g->tensor[0].h = pick(&b, 1, 13), g->tensor[0].w = pick(&b, 1, 13), g->tensor[0].c = pick(&b, 1, 5);
    g->channels = g->tensor[0].c;
    float *mean = ARENA_ARRAY(arena, float, g->channels), *std = ARENA_ARRAY(arena, float, g->channels);
    for (int c = 0; c < g->channels; c++) mean[c] = rng_uniform(&b.rng), std[c] = 0.1f + rng_uniform(&b.rng);
    g->mean = mean, g->std = std;
    for (int i = 0; i < blocks && g->nodes < MAX_NODES - 7; i++) add_block(&b);
    add_dense(&b, g->tensors - 1, pick(&b, 2, 12));
    g->output = g->tensors - 1;
    g->classes = g->tensor[g->output].c;
    g->class_names = ARENA_ARRAY(arena, const char *, g->classes);
    for (int i = 0; i < g->classes; i++) g->class_names[i] = arena_printf(arena, "class \"%d\"", i);
    return g;
}

int8_t *random_images(Arena *arena, const Graph *g, uint64_t seed, int n)
{
    const GraphTensor *x = &g->tensor[0];
    Rng rng = rng_make(seed, RNG_TEST, 78);
    const long count = n * graph_tensor_elements(x);
    int8_t *codes = ARENA_ARRAY(arena, int8_t, count);
    for (long i = 0; i < count; i++)
        codes[i] = (int8_t)(x->qmin + (int)rng_below(&rng, (uint32_t)(x->qmax - x->qmin + 1)));
    return codes;
}
