/* int16 codes in exported C: compiled strictly, every answer is the engine's, for every kind of node, all widths of
 * weights and both roundings; what is said of its cost is so. */
#include <string.h>

#include "autograd/ops.h"
#include "deploy/c/c_cost.h"
#include "deploy/lower.h"
#include "graph/graph_check.h"
#include "graph/node.h"
#include "tests/support/c_program.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/random_graph.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "tests/support/wide_graph.h"

enum { RANDOM = 12, LOWERED = 4, GRAPHS = RANDOM + LOWERED };

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static const char net[] =
    "{\"input\":[9,8,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d3\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d2\",\"kernel\":[2,3],\"multiplier\":2},"
    "{\"type\":\"conv2d\",\"name\":\"p\",\"filters\":6,\"kernel\":1,\"groups\":2},"
    "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"p\",\"d3\"],\"activation\":\"relu\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"q\"},{\"type\":\"multiply\",\"name\":\"m\",\"inputs\":[\"s\",\"q\"]},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

static Graph *lowered(int number, Rounding rounding)
{
    static const char *const quants[LOWERED] = {
        "{\"activations\":{\"bits\":16}}", "{\"output_bits\":16}",
        "{\"weights\":{\"bits\":2},\"activations\":{\"bits\":16},\"first_last_bits\":0}",
        ("{\"overrides\":[{\"layers\":\"d*\",\"format\":\"int16\"},{\"layers\":\"p\",\"format\":\"float32\"},"
         "{\"layers\":\"s\",\"format\":\"int16\"}]}")};
    Graph *g;
    must(model_lower(arena, small_model(arena, net, quants[number], 51), rounding, &g));
    return g;
}

static const Graph *graph(int i)
{
    static const int bits[] = {8, 4, 2};
    const Rounding rounding = i % 2 == 0 ? ROUNDING_TFLITE_SINGLE : ROUNDING_TFLITE_DOUBLE;
    if (i >= RANDOM) return lowered(i - RANDOM, rounding);
    return wide_graph(arena, random_graph(arena, 900 + (uint64_t)i, bits[i % 3], rounding), (uint64_t)i,
                      i % 4 == 3 ? WIDE_ALL : WIDE_SOME);
}

/* Every kind of node that can compute on int16 codes, all that bring codes and floats to others, weights of three
 * widths. */
static void all_are_seen(const Graph *const *g)
{
    int seen[NODE_KINDS] = {0}, width[9] = {0}, requant[2][2] = {{0}}, outputs[2] = {0};
    for (int i = 0; i < GRAPHS; i++) {
        outputs[graph_tensor_is_wide(&g[i]->tensor[g[i]->output])]++;
        for (int k = 0; k < g[i]->nodes; k++) {
            const Node *n = &g[i]->node[k];
            const bool from = graph_tensor_is_wide(node_x(g[i], n)), to = graph_tensor_is_wide(node_y(g[i], n));
            if (!from && !to) continue;
            seen[n->op]++;
            if (n->op == NODE_REQUANT) requant[from][to]++;
            if (node_has_weights(n)) width[c_weight_width(n)]++;
        }
    }
    for (int k = 0; k < NODE_KINDS; k++)
        if (node_types[k]->in_wide != NULL || node_types[k]->converts)
            ck_assert_msg(seen[k] > 0, "%s", node_types[k]->name);
    ck_assert(requant[0][1] > 0 && requant[1][0] > 0 && requant[1][1] > 0);
    ck_assert(width[8] > 0 && width[4] > 0 && width[2] > 0 && outputs[0] > 0 && outputs[1] > 0);
}

START_TEST(answers_are_the_engines)
{
    begin();
    const Graph *g[GRAPHS];
    for (int i = 0; i < GRAPHS; i++) g[i] = graph(i);
    all_are_seen(g);
    c_must_answer(arena, folder, g, GRAPHS, "{\"floats\": \"yes\"}");
    end();
}
END_TEST

/* ---- codes at the ends -------------------------------------------------------------------------------------------- */

static GraphTensor wide_tensor(const char *name, int size, float scale)
{
    return (GraphTensor){.name = name,
                         .h = size,
                         .w = size,
                         .c = 1,
                         .scale = scale,
                         .bits = 16,
                         .qmin = INT16_MIN,
                         .qmax = INT16_MAX,
                         .format = FORMAT_INT16};
}

static Node wide_node(NodeKind op, int inputs, int a, int b, int output, const Graph *g)
{
    return (Node){.op = op,
                  .name = g->tensor[output].name,
                  .inputs = inputs,
                  .input = {a, b},
                  .output = output,
                  .lo = INT16_MIN,
                  .hi = INT16_MAX};
}

/* An image of codes up to 0, nearly all of which are -32768 in 16 bits; `last` is its output, of `answer` x `answer` cells. */
static Graph *of_least_codes(Rounding rounding, int size, int answer, float last_scale)
{
    static const float zero[] = {0.0f}, one[] = {1.0f};
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = (Graph){.rounding = rounding,
                 .tensors = 4,
                 .nodes = 3,
                 .tensor = ARENA_ARRAY(arena, GraphTensor, 4),
                 .node = ARENA_ARRAY(arena, Node, 3),
                 .output = 3,
                 .classes = answer * answer,
                 .channels = 1,
                 .mean = zero,
                 .std = one,
                 .model_name = "least"};
    g->tensor[0] = (GraphTensor){.name = "input", .h = size, .w = size, .c = 1, .scale = 64.0f, .bits = 8};
    g->tensor[0].qmin = -128, g->tensor[0].qmax = 0;
    g->tensor[1] = wide_tensor("a", size, (1.0f + 0x1p-20f) * 0x1p-7f);
    g->tensor[2] = wide_tensor("b", size, (1.0f - 0x1p-20f) * 0x1p-7f);
    g->tensor[3] = wide_tensor("last", answer, last_scale);
    for (int k = 0; k < 2; k++) g->node[k] = wide_node(NODE_REQUANT, 1, 0, 0, k + 1, g);
    return g;
}

/* The ratio of the scales is 1 - 2^-40: 1 in fixed point. */
static const Graph *largest_products(Rounding rounding)
{
    Graph *g = of_least_codes(rounding, 4, 4, 0x1p-14f);
    g->node[2] = wide_node(NODE_MULTIPLY, 2, 1, 2, 3, g);
    must(graph_check(g));
    return g;
}

static const Graph *largest_average(Rounding rounding)
{
    enum { SIZE = 300 };
    Graph *g = of_least_codes(rounding, SIZE, 1, (1.0f + 0x1p-20f) * 0x1p-7f);
    g->node[2] = wide_node(NODE_AVGPOOL, 1, 1, 0, 3, g);
    g->node[2].geom = (ConvGeom){.kh = SIZE, .kw = SIZE, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
    must(conv_geom_fill(&g->node[2].geom, shape_4(1, SIZE, SIZE, 1), 1));
    must(graph_check(g));
    return g;
}

/* Products and sums that int32 only just holds, or does not hold. */
START_TEST(nothing_overflows)
{
    begin();
    const Graph *g[] = {largest_products(ROUNDING_TFLITE_SINGLE), largest_products(ROUNDING_TFLITE_DOUBLE),
                        largest_average(ROUNDING_TFLITE_SINGLE)};
    c_must_answer(arena, folder, g, 3, NULL);
    end();
}
END_TEST

/* ---- the text and what is said of it ------------------------------------------------------------------------------ */

/* No floats unless there are some; the header names the type of the answer; small compilers take it. */
START_TEST(header_names_the_type)
{
    begin();
    must(c_export(arena, folder, lowered(0, ROUNDING_TFLITE_SINGLE), "m.c", NULL));
    const char *header = text_of("m.h");
    ck_assert_ptr_nonnull(strstr(header, "int8 in, int16 out, no floating point"));
    ck_assert_ptr_nonnull(strstr(header, "void m_run(const int8_t *in, int16_t *out);"));
    ck_assert_ptr_nonnull(strstr(header, "#define M_OUTPUTS 5\n"));
    ck_assert_ptr_nonnull(strstr(header, "#define M_OUTPUT_BYTES 10\n"));
    ck_assert_ptr_nonnull(strstr(header, "void m_dequantize(const int16_t *out, float *logits);"));
    put_text(folder, "main.c",
             "#include \"m.h\"\n"
             "int main(void)\n{\n    static const int16_t out[M_OUTPUTS] = {1, -300, 30000, 2, 30000};\n"
             "    float reals[M_OUTPUTS];\n    m_dequantize(out, reals);\n"
             "    return m_self_test() + (m_argmax(out) != 2) + (reals[1] != -300 * M_OUTPUT_SCALE);\n}\n");
    ck_assert_int_eq(
        shell(arena_printf(arena,
                           "cd %s && cc " C_STRICT " -DM_SELF_TEST -DM_WITH_FLOATS m.c main.c -o program && ./program",
                           folder)),
        0);
    if (shell("command -v arm-none-eabi-gcc >/dev/null") == 0)
        ck_assert_int_eq(shell(arena_printf(arena,
                                            "cd %s && arm-none-eabi-gcc -mthumb -mcpu=cortex-m3 -O2 " C_STRICT
                                            " -ffreestanding -DM_SELF_TEST -c m.c",
                                            folder)),
                         0);
    end();
}
END_TEST

START_TEST(self_test_notices_a_bias)
{
    begin();
    c_self_test_must_notice(arena, folder, lowered(1, ROUNDING_TFLITE_SINGLE), NULL);
    end();
}
END_TEST

/* Weights in their bits one after the other, 8 and 3 bytes for each output, 2 for each value of an activation. */
START_TEST(costs_are_counted)
{
    begin();
    const Graph *g = lowered(2, ROUNDING_TFLITE_SINGLE); /* weights of 2 bits */
    const Plan plan = c_plan_make(arena, g);
    const CCost cost = c_cost(arena, g, &plan);
    ck_assert_uint_eq(cost.output_bytes, 5 * sizeof(int16_t));
    for (int i = 0; i < cost.layers; i++) {
        const Node *n = cost.layer[i].node;
        if (!node_has_weights(n)) continue;
        ck_assert_uint_eq(cost.layer[i].weight_bytes, (size_t)(2 * node_weights(n) + 7) / 8);
        ck_assert_uint_eq(cost.layer[i].bias_bytes, 8 * (size_t)n->geom.o);
        ck_assert_uint_eq(cost.layer[i].multiplier_bytes, 3 * (size_t)n->geom.o);
    }
    must(c_export(arena, folder, g, "m.c", NULL));
    ck_assert_ptr_nonnull(strstr(text_of("m.c"), arena_printf(arena, "    int16_t wide[%zu];", cost.arena_bytes / 2)));
    ck_assert_uint_ge(cost.arena_bytes, (size_t)9 * 8 * 6 * sizeof(int16_t) * 2); /* the sum's inputs */
    end();
}
END_TEST

TEST_MAIN("export_c_int16", answers_are_the_engines, nothing_overflows, header_names_the_type, self_test_notices_a_bias,
          costs_are_counted)
