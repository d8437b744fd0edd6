/* graph_check: a good graph passes, and each broken rule is named. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"
#include "graph/graph_check.h"
#include "graph/node.h"

static Arena *arena;

static void refused(Status status, const char *words)
{
    ck_assert_msg(status != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
}

static int8_t *weights_of(Graph *g, int t) { return (int8_t *)(uintptr_t)g->node[t - 1].weights; }
static int32_t *bias_of(Graph *g, int t) { return (int32_t *)(uintptr_t)g->node[t - 1].bias; }
static float *scale_of(Graph *g, int t) { return (float *)(uintptr_t)g->node[t - 1].weight_scale; }

/* Each breaks one rule of g, the one where *i counts to k, and returns what must be said about it; NULL: it has none of
 * that number. */
#define T(t) g->tensor[t]
#define N(t) g->node[t - 1]
#define CASE(change, words)                                                                                            \
    if ((*i)++ == k) {                                                                                                 \
        change;                                                                                                        \
        return words;                                                                                                  \
    }
static const char *break_tensors(Graph *g, int k, int *i)
{
    CASE(g->rounding = (Rounding)4, "graph: rounding 4; must be 0 to 3")
    CASE(g->nodes = 0, "graph: 0 nodes and 15 tensors; must be 1 to 4096 nodes")
    CASE(g->tensors--, "graph: 14 nodes and 14 tensors")
    CASE(T(DW).name = "", "tensor 2: its name; must be 1 to 255 bytes")
    CASE(T(DW).name = "a\nb", "tensor 2: its name; must be 1 to 255 bytes, none a control character")
    CASE(T(DW).name = "conv", "tensor \"conv\": the name of tensors 1 and 2; must be unique")
    CASE(T(INPUT).name = "image", "tensor 0: named \"image\"; must be \"input\"")
    CASE(T(DW).w = 0, "tensor \"dw\": shape [2,0,4]; each size must be 1 to 65536")
    CASE(T(DW).c = 65537, "tensor \"dw\": shape [2,2,65537]; each size must be 1 to 65536")
    CASE((T(DW).h = 65536, T(DW).w = 65536), "tensor \"dw\": shape [65536,65536,4]; at most 67108864 elements")
    CASE(T(ADD).scale = 0.0f, "tensor \"add\": scale 0; must be finite and above 0")
    CASE(T(ADD).scale = NAN, "tensor \"add\": scale nan; must be finite and above 0")
    CASE(T(ADD).scale = INFINITY, "tensor \"add\": scale inf; must be finite and above 0")
    CASE(T(ADD).bits = 9, "tensor \"add\": bits 9; must be 1 to 8")
    CASE(T(DW).qmin = 100, "tensor \"dw\": codes 100 to 127; must be at most 2^4")
    CASE(T(ADD).qmax = 128, "tensor \"add\": codes -128 to 128; must be at most 2^8, within -128 to 127")
    CASE(T(ADD).qmax = -128, "tensor \"add\": codes -128 to -128")
    CASE(T(DW).zero_point = 111, "tensor \"dw\": zero point 111; must be one of the codes 112 to 127")
    CASE(g->output = 0, "graph: output tensor 0; must be 1 to 14")
    CASE(g->classes = 4, "graph: 4 classes; must be the 3 elements of output \"sum\"")
    CASE(g->class_names[1] = NULL, "graph: class 1; must have a name")
    CASE(g->model_name = NULL, "graph: no model name")
    CASE(g->channels = 3, "graph: 3 image channels; must be the 2 of \"input\"")
    CASE(((float *)(uintptr_t)g->mean)[1] = NAN, "graph: channel 1: mean nan, std 0.3; must be finite")
    CASE(((float *)(uintptr_t)g->std)[0] = 0.0f, "graph: channel 0: mean 0.5, std 0; must be finite, std above 0")
    return NULL;
}

static const char *break_nodes(Graph *g, int k, int *i)
{
    CASE(N(DW).op = (NodeKind)99, "node \"dw\": op 99; must be 0 to ")
    CASE(N(DW).name = NULL, "node 1: no name; must be its output")
    CASE(N(DW).name = "dv", "node \"dv\": its output is named \"dw\"; must have the node's name")
    CASE(N(DW).output = TENSORS, "node \"dw\": output tensor 15; must be 1 to 14")
    CASE(N(DW).output = CONV, "node \"dw\": output tensor 1 is written twice")
    CASE(N(DW).inputs = 0, "node \"dw\": 0 inputs of a depthwise_conv2d; must be 1 to 1")
    CASE(N(ADD).inputs = 1, "node \"add\": 1 inputs of a add; must be 2 to 2")
    CASE(N(CAT).inputs = 129, "node \"cat\": 129 inputs of a concat; must be 1 to 128")
    CASE(N(DW).input[0] = MAX, "node \"dw\": input 0 is tensor 3; must be the image or the output of an earlier node")
    CASE(N(ADD).input[1] = ADD, "node \"add\": input 1 is tensor 7; must be the image or")
    CASE(N(ADD).input[1] = -1, "node \"add\": input 1 is tensor -1; must be")
    CASE(N(DW).lo = 111, "node \"dw\": clamp 111 to 127; must lie in the codes 112 to 127")
    CASE((N(DW).lo = 120, N(DW).hi = 119), "node \"dw\": clamp 120 to 119")
    return NULL;
}

static const char *break_geometry(Graph *g, int k, int *i)
{
    CASE(N(CONV).geom.h = 5, "node \"conv\": geometry [1,5,4,2] of input \"input\" [4,4,2]; must agree")
    CASE(N(CONV).geom.n = 2, "node \"conv\": geometry [2,4,4,2] of input")
    CASE(N(FCB).geom.c = 15, "node \"fcb\": geometry [1,1,1,15] of input \"flat\" [1,1,16]; must agree")
    CASE(N(CONV).geom.o = 3, "node \"conv\": geometry [4,4,3] of its output [4,4,4]; must agree")
    CASE(N(CONV).geom.kh = 0, "node \"conv\": rows: kernel 0, stride 1, dilation 1; each must be 1 to 4096")
    CASE(N(CONV).geom.sw = 4097, "node \"conv\": columns: kernel 3, stride 4097, dilation 1; each must be 1 to 4096")
    CASE(N(CONV).geom.dh = 0, "node \"conv\": rows: kernel 3, stride 1, dilation 0; each")
    CASE(N(CONV).geom.pl = -1, "node \"conv\": columns: padding -1 and 1; must be 0 to 4096")
    CASE(N(CONV).geom.dh = 3, "node \"conv\": rows: window of 7 on 4 with padding 1 and 1; must fit")
    CASE(N(CONV).geom.pb = 2, "node \"conv\": rows: output size 4; must be 5")
    CASE((N(MAX).geom.pt = 2, N(MAX).geom.sh = 3),
         "node \"max\": rows: pool of 2 with dilation 1, padding 2 and 0; must be")
    CASE((N(MAX).geom.dw = 2, N(MAX).geom.sw = 1), "node \"max\": columns: pool of 2 with dilation 2, padding 0 and 0")
    CASE((N(FCA).geom.kh = 2, N(FCA).geom.pt = 1),
         "node \"fca\": a dense node with kernel 2 x 1 in 1 groups; must be 1 x 1")
    CASE(N(CONV).geom.groups = 3, "node \"conv\": 3 groups of 2 input and 4 output channels; must divide both")
    CASE(N(CONV).geom.groups = 0, "node \"conv\": 0 groups of 2 input and 4 output channels")
    CASE(N(DW).geom.groups = 2, "node \"dw\": 2 groups of 4 channels; a depthwise node has one per channel")
    CASE((T(MAX).c = 5, N(MAX).geom.o = 5), "node \"max\": 5 output channels; a pool keeps the 4 of its input")
    CASE((T(DW).c = 4096, T(MAX).c = 4096), "node \"dw\": geometry [2,2,4] of its output [2,2,4096]")
    return NULL;
}

static const char *break_weights(Graph *g, int k, int *i)
{
    CASE(N(CONV).weights = NULL, "node \"conv\": no weights, bias or weight scales")
    CASE(N(CONV).weight_bits = 1, "node \"conv\": 1-bit weights shifted by 2; must be 2 to 8 bits")
    CASE(N(CONV).weight_shift = 5,
         "node \"conv\": 4-bit weights shifted by 5; must be 2 to 8 bits, shifted by 0 to 8 - bits")
    CASE(weights_of(g, CONV)[3] = 5, "node \"conv\": channel 0: weight 5; must be a 4-bit code shifted by 2")
    CASE(weights_of(g, CONV)[71] = 32, "node \"conv\": channel 3: weight 32; must be a 4-bit code shifted by 2")
    CASE(weights_of(g, DW)[7] = -36, "node \"dw\": channel 3: weight -36; must be a 4-bit code shifted by 2")
    CASE(bias_of(g, FCB)[1] = INT32_MAX,
         "node \"fcb\": channel 1: sums up to 2147487615 with bias 2147483647; must stay")
    CASE(bias_of(g, CONV)[2] = INT32_MIN, "node \"conv\": channel 2: sums up to 2147500544 with bias -2147483648")
    CASE(scale_of(g, CONV)[1] = -0.5f, "node \"conv\": channel 1: weight scale -0.5; must be finite and above 0")
    CASE(scale_of(g, CONV)[1] = INFINITY, "node \"conv\": channel 1: weight scale inf")
    CASE(scale_of(g, CONV)[1] = 1e9f, "node \"conv\": channel 1: sums up to ")
    CASE((T(CONV).scale = T(MAX).scale = 1e-38f, g->rounding = ROUNDING_XNNPACK),
         "node \"conv\": channel 0: sums up to ")
    CASE((T(INPUT).scale = scale_of(g, CONV)[0] = 1e20f, T(CONV).scale = 1e37f, g->rounding = ROUNDING_XNNPACK),
         "node \"conv\": channel 0: multiplier inf; must be finite in float32")
    return NULL;
}

static const char *break_grids(Graph *g, int k, int *i)
{
    CASE(T(MAX).scale = 0.11f,
         "node \"max\": input \"conv\" on the grid (0.100000001, -128), output on (0.109999999, -128)")
    CASE(T(MAX).zero_point = 0,
         "node \"max\": input \"conv\" on the grid (0.100000001, -128), output on (0.100000001, 0)")
    CASE((T(MAX).qmax = 100, T(MAX).bits = 8),
         "node \"max\": codes -128 to 127 of input \"conv\"; must lie in the output's -128")
    CASE(T(AVG).scale = 0.16f, "node \"avg\": input \"cat\" on the grid")
    CASE(T(CAT).zero_point = 3,
         "node \"cat\": input \"rqa\" on the grid (0.150000006, -20), output on (0.150000006, 3)")
    CASE(T(CAT).h = 1, "node \"cat\": input \"rqa\" of 2 x 2 cells; must be the output's 1 x 2")
    CASE(T(CAT).c = 7, "node \"cat\": 7 output channels; must be the 8 of its inputs together")
    CASE(T(RQA).c = 5, "node \"rqa\": [2,2,4] to [2,2,5]; must be one shape")
    CASE(T(RQB).scale = 1e-9f, "node \"rqb\": codes up to ")
    CASE((T(RQB).scale = 5e-4f, g->rounding = ROUNDING_XNNPACK), "node \"rqb\": rescales ")
    CASE((T(RQB).scale = 100.0f, g->rounding = ROUNDING_XNNPACK), "; xnnpack needs a ratio in [2^-8, 2^7]")
    CASE((T(RQA).scale = T(RQB).scale = T(CAT).scale = T(ADD).scale = T(AVG).scale = 1e32f),
         "node \"avg\": scale 1e+32; its averages must be finite in float32")
    CASE(T(ADD).w = 3, "node \"add\": adds [2,2,4] and [2,2,4] to [2,3,4]; must be one shape")
    CASE(T(ADD).scale = 1e-7f, "node \"add\": adds scales 0.150000006 and 0.200000003 to 1.00000001e-07; tflite-single "
                               "needs ratios below 2^19")
    CASE((T(ADD).scale = 5e-4f, g->rounding = ROUNDING_XNNPACK), "; xnnpack needs ratios in [2^-10, 2^8)")
    CASE((T(ADD).scale = 5e-4f, g->rounding = ROUNDING_ONNXRUNTIME), "; onnxruntime needs ratios in [2^-10, 2^8)")
    CASE(T(MUL).w = 3,
         "node \"mul\": multiplies [2,2,8] by [1,1,8] to [2,3,8]; must be one shape, or the second [1,1,8]")
    CASE((N(MUL).input[0] = AVG, N(MUL).input[1] = CAT),
         "node \"mul\": multiplies [1,1,8] by [2,2,8] to [2,2,8]; must be")
    CASE(T(MUL).scale = 1e-7f, "node \"mul\": multiplies scales 0.150000006 and 0.150000006 to 1.00000001e-07; "
                               "tflite-single needs a product's ratio below 2^14")
    CASE((T(MUL).scale = 4000.0f, g->rounding = ROUNDING_XNNPACK), "; xnnpack needs a product's ratio in [2^-16, 2^8)")
    CASE((T(MUL).scale = 5e-5f, g->rounding = ROUNDING_ONNXRUNTIME), "; onnxruntime needs a product's ratio in")
    CASE(T(LUT).h = 1, "node \"lut\": [2,2,4] to [1,2,4]; must be one shape")
    CASE(N(LUT).table = NULL, "node \"lut\": no table; must have one")
    CASE(((int8_t *)(uintptr_t)N(LUT).table)[9] = 32, "node \"lut\": table[9] is 32; must be -31 to 31")
    CASE(T(FLAT).c = 15, "node \"flat\": 16 elements in, 15 out; must be the same number")
    CASE(T(FLAT).scale = 0.02f, "node \"flat\": input \"lut\" on the grid")
    return NULL;
}
#undef CASE
#undef N
#undef T

/* Rule number k of all; NULL: there is none. */
static const char *break_rule(Graph *g, int k)
{
    int i = 0;
    const char *words = break_tensors(g, k, &i);
    if (words == NULL) words = break_nodes(g, k, &i);
    if (words == NULL) words = break_geometry(g, k, &i);
    if (words == NULL) words = break_weights(g, k, &i);
    return words == NULL ? break_grids(g, k, &i) : words;
}

/* Sums of products, added one by one in any order, with the offset of the input apart: none passes the bound, one
 * reaches it. */
START_TEST(products_are_bounded_in_any_order)
{
    static const int grids[][3] = {
        {-128, -128, 127}, {127, -128, 127}, {0, -128, 127}, {-20, -128, 127}, {112, 112, 127}};
    static const int weights[][3] = {{5, -7, 2}, {127, 127, 127}, {-128, -128, -128}, {0, 0, 0}, {127, -127, 1}};
    for (int k = 0; k < 25; k++) {
        const int *grid = grids[k / 5], *w = weights[k % 5], z = grid[0];
        const ChannelWeights sums = {abs(w[0]) + abs(w[1]) + abs(w[2]), w[0] + w[1] + w[2]};
        const int64_t bound = channel_products(sums, z, grid[1], grid[2]);
        int64_t most = 0;
        for (int choice = 0; choice < 27; choice++) { /* each code missing, at the one end or at the other */
            int64_t apart = 0, plain = 0;
            for (int i = 0, rest = choice; i < 3; i++, rest /= 3) {
                if (rest % 3 == 0) continue;
                const int x = grid[rest % 3];
                plain += (x - z) * w[i];
                apart += x * w[i];
            }
            const int64_t seen[] = {llabs(plain), llabs(apart), llabs(apart - (int64_t)z * sums.total)};
            for (int i = 0; i < 3; i++) most = seen[i] > most ? seen[i] : most;
        }
        ck_assert_int_le(most, bound);
        ck_assert_int_ge(2 * most, bound);
    }
}
END_TEST

/* What no rule on the bias alone can say: 2^30 steps are fine where nothing is added to them, and to the last unit. */
START_TEST(a_bias_may_take_what_the_products_leave)
{
    arena = arena_create();
    Graph *g = zoo_graph(arena);
    Node *n = &g->node[FCB - 1];
    int8_t *w = weights_of(g, FCB);
    const long count = node_weights(n) / n->geom.o;
    for (long i = 0; i < count; i++) w[count + i] = 0;
    scale_of(g, FCB)[1] = 1e-9f;
    static const int32_t fine[] = {1 << 30, (1 << 30) + 128, -(1 << 30) - 128, INT32_MAX, -INT32_MAX};
    for (int i = 0; i < 5; i++) {
        bias_of(g, FCB)[1] = fine[i];
        ck_assert_msg(graph_check(g) == STATUS_OK, "%d: %s", fine[i], status_message());
    }
    bias_of(g, FCB)[1] = INT32_MIN;
    refused(graph_check(g),
            "node \"fcb\": channel 1: sums up to 2147483648 with bias -2147483648; must stay below 2^31");
    const GraphTensor *x = &g->tensor[n->input[0]];
    w[count] = 1 << n->weight_shift;
    const int64_t products = channel_products(node_channel_weights(n, 1), x->zero_point, x->qmin, x->qmax);
    bias_of(g, FCB)[1] = (int32_t)(INT32_MAX - products);
    ck_assert_msg(graph_check(g) == STATUS_OK, "%s", status_message());
    bias_of(g, FCB)[1]++;
    refused(graph_check(g), "node \"fcb\": channel 1: sums up to 2147483648");
    arena_destroy(arena);
}
END_TEST

START_TEST(every_rule_is_checked)
{
    arena = arena_create();
    ck_assert_msg(graph_check(zoo_graph(arena)) == STATUS_OK, "%s", status_message());
    int k = 0;
    for (;; k++) {
        Graph *g = zoo_graph(arena);
        const char *words = break_rule(g, k);
        if (words == NULL) break;
        refused(graph_check(g), words);
    }
    ck_assert_int_gt(k, 80);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("graph_check", products_are_bounded_in_any_order, a_bias_may_take_what_the_products_leave,
          every_rule_is_checked)
