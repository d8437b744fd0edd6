/* Layers in floats in exported C: compiled strictly, the answers are bit for bit those of the engine with the portable
 * kernels, in every format, whatever the compiler and the CPU; what was not asked for is refused. */
#include <string.h>

#include "base/file.h"
#include "deploy/c/c_cost.h"
#include "deploy/lower.h"
#include "graph/node.h"
#include "kernels/kernels.h"
#include "tests/support/c_program.h"
#include "tests/support/fixture.h"
#include "tests/support/mixed_graph.h"
#include "tests/support/random_graph.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

enum { MIXED = 24, LOWERED = 4, GRAPHS = MIXED + LOWERED, MAX_TEXT = 1 << 24 };
static const char floats_yes[] = "{\"floats\": \"yes\"}";

/* The order of sums that exported C has. */
static void begin_portable(void)
{
    const char *error = NULL;
    begin();
    ck_assert_msg(kernels_select("ref", &error), "%s", error);
}

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

static Status export_c(const Graph *g, const char *name, const char *options)
{
    return c_export(arena, folder, g, name, options);
}

static char *text_of_size(const char *name, size_t *bytes)
{
    unsigned char *data;
    must(file_read(arena, inside(name), MAX_TEXT, &data, bytes));
    return (char *)data;
}

/* A residual network, depthwise layers of both kinds, a product of channels: weights of few bits, activations floats. */
static const char net[] =
    "{\"input\":[9,8,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d3\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d2\",\"kernel\":[2,3],\"multiplier\":2},"
    "{\"type\":\"conv2d\",\"name\":\"p\",\"filters\":6,\"kernel\":1,\"groups\":2},"
    "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"p\",\"d3\"],\"activation\":\"relu\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

static Graph *lowered(int number, Rounding rounding)
{
    static const char *const quants[LOWERED] = {
        "{\"weights\":{\"bits\":8},\"activations\":{\"format\":\"float32\"}}",
        "{\"weights\":{\"bits\":4},\"activations\":{\"format\":\"float32\"},\"first_last_bits\":0}",
        "{\"weights\":{\"bits\":2},\"activations\":{\"format\":\"float16\"},\"first_last_bits\":0}",
        "{\"overrides\":[{\"layers\":\"d*\",\"format\":\"bfloat16\"},{\"layers\":\"stem\",\"format\":\"float32\"}]}"};
    Graph *g;
    must(model_lower(arena, small_model(arena, net, quants[number], 51), rounding, &g));
    return g;
}

static const Graph *graph(int i)
{
    const Rounding rounding = i % 2 == 0 ? ROUNDING_TFLITE_SINGLE : ROUNDING_TFLITE_DOUBLE;
    if (i >= MIXED) return lowered(i - MIXED, rounding);
    return mixed_graph(arena, random_graph(arena, 700 + (uint64_t)i, 4, rounding), (uint64_t)i,
                       i % 6 == 5   ? MIX_ALL
                       : i % 6 == 4 ? MIX_FLOAT32
                                    : MIX_FORMATS);
}

static void count(const Graph *g, int seen[NODE_KINDS], int formats[FORMATS], int weights[FORMATS], int bits[9],
                  int curves[CURVES])
{
    for (int k = 0; k < g->nodes; k++) {
        const Node *n = &g->node[k];
        if (!node_is_float(g, n) && !node_type(n)->converts) continue;
        seen[n->op]++, formats[node_y(g, n)->format]++;
        if (n->curve != NULL) curves[curve_index(n->curve)]++;
        if (node_is_float(g, n) && node_has_weights(n)) weights[n->weight_format]++, bits[n->weight_bits]++;
    }
}

/* Every kind of node and curve, every format of outputs and weights, and codes of 8, 4 and 2 bits are among the graphs. */
static void all_are_seen(const Graph *const *g)
{
    int seen[NODE_KINDS] = {0}, formats[FORMATS] = {0}, weights[FORMATS] = {0}, bits[9] = {0}, curves[CURVES] = {0};
    for (int i = 0; i < GRAPHS; i++) count(g[i], seen, formats, weights, bits, curves);
    for (int k = 0; k < NODE_KINDS; k++)
        if (node_types[k]->in_float != NULL || node_types[k]->converts)
            ck_assert_msg(seen[k] > 0, "%s", node_types[k]->name);
    for (int f = FORMAT_FLOAT32; f < FORMATS; f++)
        ck_assert_msg(formats[f] > 0 && weights[f] > 0, "%s", format_names[f]);
    for (int k = 0; k < CURVES; k++) ck_assert_msg(curves[k] > 0, "%s", curve_names[k]);
    ck_assert(bits[8] > 0 && bits[4] > 0 && bits[2] > 0);
}

START_TEST(answers_are_the_portable_engines)
{
    begin_portable();
    const Graph *g[GRAPHS];
    for (int i = 0; i < GRAPHS; i++) g[i] = graph(i);
    all_are_seen(g);
    c_must_answer(arena, folder, g, GRAPHS, floats_yes);
    end();
}
END_TEST

/* The text does not depend on the CPU that wrote it; freestanding compilers take it. */
START_TEST(equal_on_every_level)
{
    begin_portable();
    const Graph *g = graph(2);
    size_t bytes, again;
    const char *error = NULL;
    must(export_c(g, "m.c", floats_yes));
    const char *first = text_of_size("m.c", &bytes);
    ck_assert(kernels_select(NULL, &error));
    must(export_c(g, "m.c", floats_yes));
    ck_assert_str_eq(text_of_size("m.c", &again), first);
    ck_assert_uint_eq(bytes, again);
    if (shell("command -v arm-none-eabi-gcc >/dev/null") == 0)
        ck_assert_int_eq(shell(arena_printf(arena,
                                            "cd %s && arm-none-eabi-gcc -mthumb -mcpu=cortex-m4 -O2 " C_STRICT
                                            " -ffreestanding -DM_SELF_TEST -c m.c",
                                            folder)),
                         0);
    end();
}
END_TEST

START_TEST(self_test_notices_a_bias)
{
    begin_portable();
    c_self_test_must_notice(arena, folder, lowered(1, ROUNDING_TFLITE_SINGLE), floats_yes);
    end();
}
END_TEST

/* Weights as they are stored, and 4 bytes for each value of an activation. */
START_TEST(costs_are_counted)
{
    begin_portable();
    const Graph *g = lowered(2, ROUNDING_TFLITE_SINGLE); /* 2 bits, float16 */
    const Plan plan = c_plan_make(arena, g);
    const CCost cost = c_cost(arena, g, &plan);
    ck_assert_uint_eq(cost.output_bytes, 5 * sizeof(float));
    for (int i = 0; i < cost.layers; i++) {
        const Node *n = cost.layer[i].node;
        if (!node_has_weights(n)) continue;
        ck_assert_uint_eq(cost.layer[i].weight_bytes, (size_t)(2 * node_weights(n) + 7) / 8);
        ck_assert_uint_eq(cost.layer[i].bias_bytes, 4 * (size_t)n->geom.o);
        ck_assert_uint_eq(cost.layer[i].multiplier_bytes, 4 * (size_t)n->geom.o);
    }
    ck_assert_uint_ge(cost.arena_bytes, (size_t)9 * 8 * 6 * sizeof(float) * 2); /* the sum's inputs */
    end();
}
END_TEST

START_TEST(refused_unless_asked_for)
{
    begin_portable();
    const Graph *g = lowered(3, ROUNDING_TFLITE_SINGLE);
    for (int i = 0; i < 2; i++) {
        ck_assert(export_c(g, "m.c", i == 0 ? NULL : "{\"floats\": \"no\"}") == STATUS_UNSUPPORTED);
        ck_assert_str_eq(status_message(),
                         "layer \"stem\": computes in float32, and C is written in integers only; give --option "
                         "floats=yes to have it in C99 with floats, or quantize it in int8");
        ck_assert(!file_exists(inside("m.c")) && !file_exists(inside("m.h")));
    }
    /* A model in integers is the same text with either. */
    const Graph *integers = random_graph(arena, 7, 8, ROUNDING_TFLITE_SINGLE);
    must(export_c(integers, "m.c", NULL));
    const char *source = text_of("m.c"), *header = text_of("m.h");
    must(export_c(integers, "m.c", floats_yes));
    ck_assert_str_eq(text_of("m.c"), source);
    ck_assert_str_eq(text_of("m.h"), header);
    ck_assert_ptr_nonnull(strstr(header, "no floating point"));
    end();
}
END_TEST

TEST_MAIN("export_c_floats", answers_are_the_portable_engines, equal_on_every_level, self_test_notices_a_bias,
          costs_are_counted, refused_unless_asked_for)
