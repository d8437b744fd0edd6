/* What the runtimes of our exports take, and what inspect warns of. */
#include <math.h>
#include <string.h>

#include "deploy/runtime_limits.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"
#include "graph/node.h"

static Arena *arena;

static const Node *node_of(const Graph *g, NodeKind op)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].op == op) return &g->node[i];
    ck_abort_msg("no %s", node_types[op]->name);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

/* The largest sum is reached: by the input that drives the worst output's weights to the same side. */
START_TEST(largest_sums_are_reached)
{
    arena = arena_create();
    for (uint64_t seed = 0; seed < 20; seed++) {
        const Graph *g = random_graph(arena, seed, 8, ROUNDING_XNNPACK);
        for (int i = 0; i < g->nodes; i++) {
            const Node *n = &g->node[i];
            if (!node_has_weights(n)) {
                ck_assert_int_eq(node_largest_sum(g, n), 0);
                continue;
            }
            const GraphTensor *x = &g->tensor[n->input[0]];
            const long taps = node_weights(n) / n->geom.o;
            int64_t most = 0;
            for (int o = 0; o < n->geom.o; o++) {
                /* Every x at the end of its range that is farther from zero, with the sign that adds up. */
                int64_t up = 0;
                for (long k = 0; k < taps; k++) {
                    const int w = n->weights[n->op == NODE_DWCONV2D ? k * n->geom.o + o : o * taps + k];
                    const int a = w * (x->qmax - x->zero_point), b = w * (x->qmin - x->zero_point);
                    up += abs(a) > abs(b) ? abs(a) : abs(b);
                }
                ck_assert_int_eq(node_output_sum(g, n, o), up + llabs((long long)n->bias[o]));
                most = most > up + llabs((long long)n->bias[o]) ? most : up + llabs((long long)n->bias[o]);
            }
            ck_assert_int_eq(node_largest_sum(g, n), most);
        }
    }
    arena_destroy(arena);
}
END_TEST

/* Two products as x86's VPMADDUBSW adds them. */
static bool pair_saturates(int x0, int w0, int x1, int w1)
{
    const int sum = x0 * w0 + x1 * w1;
    return sum < INT16_MIN || sum > INT16_MAX;
}

/* Every two weights of an output, with inputs at the ends of their range. */
static bool some_pair_saturates(const Graph *g, const Node *n)
{
    const int top = g->tensor[n->input[0]].qmax + 128, outputs = n->geom.o;
    const long taps = node_weights(n) / outputs;
    for (int o = 0; o < outputs; o++)
        for (long i = 0; i < taps; i++)
            for (long k = i + 1; k < taps; k++)
                if (pair_saturates(top, n->weights[o * taps + i], top, n->weights[o * taps + k])) return true;
    return false;
}

START_TEST(saturating_products_are_known)
{
    int yes = 0, no = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        arena = arena_create();
        Graph *g = random_graph(arena, seed, 6, ROUNDING_ONNXRUNTIME);
        for (int i = 0; i < g->nodes; i++) {
            Node *n = &g->node[i];
            if (!node_has_weights(n) || n->op == NODE_DWCONV2D) {
                ck_assert(n->op == NODE_DWCONV2D || !node_products_saturate(g, n));
                continue;
            }
            /* The weights as they are, halved, and with two at the edge: 255 * 128 still fits, 255 * 129 does not. */
            int8_t *w = ARENA_ARRAY(arena, int8_t, node_weights(n));
            for (int turn = 0; turn < 4; turn++) {
                for (long k = 0; k < node_weights(n); k++) w[k] = turn == 0 ? n->weights[k] : n->weights[k] / 4;
                const Node changed = {.op = n->op, .geom = n->geom, .inputs = 1, .input = {n->input[0]}, .weights = w};
                if (turn >= 2 && node_weights(n) / n->geom.o >= 2) w[0] = -64, w[1] = turn == 2 ? -64 : -65;
                const bool does = some_pair_saturates(g, &changed);
                ck_assert_int_eq(node_products_saturate(g, &changed), does);
                yes += does, no += !does;
            }
        }
        arena_destroy(arena);
    }
    ck_assert_int_ge(yes, 50);
    ck_assert_int_ge(no, 50);
}
END_TEST

/* Of a depthwise layer only with several outputs for an input, which ONNX Runtime computes as products of matrices. */
START_TEST(depthwise_products_saturate_with_a_multiplier)
{
    arena = arena_create();
    static const int8_t weights[8] = {127, 0, 0, 0, 127, 0, 0, 0};
    Graph *g = zoo_graph(arena);
    Node n = {.op = NODE_DWCONV2D, .inputs = 1, .input = {0}, .weights = weights};
    g->tensor[0].qmax = 127;
    n.geom = (ConvGeom){.n = 1, .h = 2, .w = 1, .c = 4, .o = 4, .kh = 2, .kw = 1, .groups = 4};
    ck_assert_int_eq(node_weights(&n), 8);
    ck_assert(!node_products_saturate(g, &n));
    n.geom.c = n.geom.groups = 2;
    ck_assert(node_products_saturate(g, &n));
    g->tensor[0].qmax = 0; /* 128 * 254 fits */
    ck_assert(!node_products_saturate(g, &n));
    arena_destroy(arena);
}
END_TEST

START_TEST(scales_beyond_the_runtimes_are_refused_by_name)
{
    arena = arena_create();
    const struct {
        NodeKind op;
        int input; /* -1: the output */
        float factor;
        const char *message;
    } cases[] = {
        {NODE_CONV2D, -1, 1e-6f, "multiplier "},
        {NODE_CONV2D, -1, 1e12f, "XNNPACK needs 2^-32 or more and less than 2^8"},
        {NODE_ADD, -1, 1e4f, "times the output's scale; XNNPACK needs 2^-10 or more and less than 2^8"},
        {NODE_ADD, -1, 1e-4f, "times the output's scale; XNNPACK needs 2^-10 or more and less than 2^8"},
        {NODE_REQUANT, 0, 1e4f, "times the output's scale; XNNPACK needs 2^-8 to 2^7"},
        {NODE_REQUANT, 0, 1e-4f, "times the output's scale; XNNPACK needs 2^-8 to 2^7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Graph *g = zoo_graph(arena);
        must(graph_check_runtime(g));
        const Node *n = node_of(g, cases[i].op);
        ck_assert_ptr_null(node_runtime_warning(arena, g, n));
        ck_assert_ptr_null(graph_runtime_refusal(arena, g));
        GraphTensor *t = &g->tensor[cases[i].input < 0 ? n->output : n->input[cases[i].input]];
        t->scale *= cases[i].factor;
        ck_assert_int_eq(graph_check_runtime(g), STATUS_UNSUPPORTED);
        ck_assert_msg(strstr(status_message(), cases[i].message) != NULL, "%s", status_message());
        const char *warning = node_runtime_warning(arena, g, n);
        ck_assert_ptr_nonnull(warning);
        ck_assert_ptr_nonnull(strstr(warning, cases[i].message));
        g->rounding = ROUNDING_XNNPACK;
        const char *refusal = graph_runtime_refusal(arena, g);
        ck_assert_ptr_nonnull(refusal);
        ck_assert_ptr_nonnull(strstr(refusal,
                                     ": export to .onnx, and to .tflite with the rounding xnnpack, will refuse the "
                                     "model; verify and .safetensors will not"));
        g->rounding = ROUNDING_TFLITE_DOUBLE;
        ck_assert_ptr_null(graph_runtime_refusal(arena, g));
    }
    Graph *g = zoo_graph(arena);
    const Node *n = node_of(g, NODE_CONV2D);
    g->tensor[n->output].scale *= 1e-6f;
    ck_assert_int_eq(graph_check_runtime(g), STATUS_UNSUPPORTED);
    ck_assert_msg(strncmp(status_message(), "layer \"", 7) == 0 && strstr(status_message(), n->name) != NULL, "%s",
                  status_message());
    arena_destroy(arena);
}
END_TEST

/* Float32 holds every sum up to 2^24; fixed point is exact beyond it. */
START_TEST(sums_beyond_float32_are_warned_of)
{
    arena = arena_create();
    Graph *g = zoo_graph(arena);
    const Node *n = node_of(g, NODE_DENSE);
    const int64_t rest = node_output_sum(g, n, 0) - llabs((long long)n->bias[0]);
    int32_t *bias = (int32_t *)n->bias;
    for (int d = 0; d < ROUNDINGS; d++) {
        g->rounding = (Rounding)d;
        bias[0] = (int32_t)((1 << 24) - rest);
        ck_assert_ptr_null(node_runtime_warning(arena, g, n));
        bias[0]++;
        const char *warning = node_runtime_warning(arena, g, n);
        ck_assert_int_eq(warning != NULL, rounding_is_float((Rounding)d));
        if (warning != NULL) ck_assert_ptr_nonnull(strstr(warning, "sums up to 16777217; beyond 2^24"));
    }
    /* A constant is one number, however it is added. */
    int8_t *w = (int8_t *)n->weights;
    for (int i = 0; i < n->geom.c; i++) w[i] = 0;
    bias[0] = (1 << 24) + 1;
    ck_assert_ptr_null(node_runtime_warning(arena, g, n));
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("runtime_limits", largest_sums_are_reached, saturating_products_are_known,
          depthwise_products_saturate_with_a_multiplier, scales_beyond_the_runtimes_are_refused_by_name,
          sums_beyond_float32_are_warned_of)
