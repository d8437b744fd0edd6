/* Steps that are powers of two throughout: exported C shifts where it would multiply, to the same codes. */
#include <string.h>

#include "deploy/c/c_plan.h"
#include "deploy/lower.h"
#include "graph/node.h"
#include "tests/support/c_program.h"
#include "tests/support/fixture.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static const char model[] =
    "{\"input\":[8,8,2],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,\"padding\":\"same\",\"batch_norm\":true},"
    "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":6,\"kernel\":1,\"activation\":\"relu\"},"
    "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"c\"],\"activation\":\"relu\"},"
    "{\"type\":\"maxpool\",\"name\":\"p\",\"kernel\":2},"
    "{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

static Model *model_of(int bits)
{
    return small_model(arena, model,
                       arena_printf(arena,
                                    "{\"weights\":{\"bits\":%d,\"quantizer\":\"tqt\",\"granularity\":\"per_tensor\"},"
                                    "\"activations\":{\"bits\":%d,\"quantizer\":\"tqt\"},\"first_last_bits\":0}",
                                    bits, bits),
                       5);
}

static const float SIXTH = 0x1p-6f; /* the image's step of a std of 64/255 */

static Graph *lowered(Model *m, Rounding rounding, float image_step)
{
    Graph *g;
    must(model_lower(arena, m, rounding, &g));
    g->tensor[0].scale = image_step;
    return g;
}

static const char *text_in_c(const Graph *g)
{
    must(c_export(arena, folder, g, "m.c", NULL));
    return text_of("m.c");
}

START_TEST(shifts)
{
    static const int bits[] = {8, 4, 3};
    const Graph *all[3];
    begin();
    for (int k = 0; k < 3; k++) {
        all[k] = lowered(model_of(bits[k]), ROUNDING_TFLITE_SINGLE, SIXTH);
        ck_assert(c_shifts(all[k]));
        const char *text = text_in_c(all[k]);
        ck_assert(strstr(text, "where every m is 2^30") != NULL && strstr(text, "_multiplier[") == NULL);
    }
    c_must_answer(arena, folder, all, 3, NULL);
    end();
}
END_TEST

/* One multiplier that is no power of two, or rounding twice, and all multiply. */
START_TEST(multiplies)
{
    begin();
    const Graph *other[] = {lowered(model_of(4), ROUNDING_TFLITE_SINGLE, 0.0157f),
                            lowered(model_of(4), ROUNDING_TFLITE_DOUBLE, SIXTH)};
    for (int k = 0; k < 2; k++) {
        ck_assert(!c_shifts(other[k]));
        ck_assert_ptr_nonnull(strstr(text_in_c(other[k]), "_multiplier["));
    }
    end();
}
END_TEST

/* The step of a channel that moves nothing is a power of two, too, where all about it are. */
START_TEST(dead_channels)
{
    begin();
    Model *m = model_of(4);
    Layer *c = &m->layer[small_layer(m, "c")];
    for (int i = 0; i < 6; i++) c->weight->x[i] = 0.0f; /* of its first filter */
    c->bias->x[0] = 0.3f;
    const Graph *g = lowered(m, ROUNDING_TFLITE_SINGLE, SIXTH);
    ck_assert_int_eq(node_channel_weights(&g->node[graph_node_named(g, "c")], 0).magnitude, 0);
    ck_assert(c_shifts(g));
    end();
}
END_TEST

TEST_MAIN("shifts", shifts, multiplies, dead_channels)
