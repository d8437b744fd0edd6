#include "tests/support/c_graphs.h"

#include <check.h>

#include "deploy/lower.h"
#include "tests/support/random_graph.h"
#include "tests/support/small_model.h"
#include "tests/support/zoo_graph.h"

static Graph *lowered(Arena *arena, const char *model, const char *quant, Rounding rounding)
{
    Graph *g;
    const Status status = model_lower(arena, small_model(arena, model, quant, 51), rounding, &g);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    return g;
}

/* Residual blocks whose add comes behind a convolution, in both orders; sums that are read again; a sum of one tensor. */
static const char residual[] =
    "{\"input\":[9,7,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"a1\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"a2\",\"filters\":6,\"kernel\":3,\"batch_norm\":true},"
    "{\"type\":\"add\",\"name\":\"as\",\"inputs\":[\"a2\",\"stem\"],\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"b1\",\"filters\":8,\"kernel\":3,\"stride\":2,\"batch_norm\":true},"
    "{\"type\":\"conv2d\",\"name\":\"b2\",\"inputs\":\"as\",\"filters\":8,\"kernel\":1,\"stride\":2},"
    "{\"type\":\"add\",\"name\":\"bs\",\"inputs\":[\"b1\",\"b2\"],\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"c1\",\"filters\":8,\"kernel\":1},"
    "{\"type\":\"add\",\"name\":\"cs\",\"inputs\":[\"bs\",\"c1\"]},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d1\",\"kernel\":3,\"batch_norm\":true},"
    "{\"type\":\"add\",\"name\":\"ds\",\"inputs\":[\"bs\",\"d1\"]},"
    "{\"type\":\"add\",\"name\":\"es\",\"inputs\":[\"ds\",\"ds\"]},"
    "{\"type\":\"conv2d\",\"name\":\"f1\",\"filters\":7,\"kernel\":1},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

/* Depthwise convolutions and those of single cells behind each other: each can overwrite its input. */
static const char separable[] =
    "{\"input\":[9,7,2],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d1\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"p1\",\"filters\":6,\"kernel\":1,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d2\",\"kernel\":3,\"stride\":2,\"batch_norm\":true},"
    "{\"type\":\"conv2d\",\"name\":\"p2\",\"filters\":5,\"kernel\":1},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

/* No window is ever copied. */
static const char pointwise[] =
    "{\"input\":[5,4,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"p1\",\"filters\":4,\"kernel\":1,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d1\",\"kernel\":3,\"padding\":\"valid\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":2}]}";

/* The answer is the image, reshaped, and a node that nothing needs. */
static Graph *bare_reshape(Arena *arena, Rounding rounding)
{
    Graph *g = zoo_graph(arena);
    g->rounding = rounding;
    g->node[1] = g->node[FLAT - 1];
    g->node[1].input[0] = 0, g->node[1].output = 2, g->node[1].name = "flat\" */ \\ ?\?/";
    g->tensor[2] = g->tensor[0];
    g->tensor[2].name = g->node[1].name, g->tensor[2].h = 1, g->tensor[2].w = 1, g->tensor[2].c = 32;
    g->nodes = 2, g->tensors = 3, g->output = 2, g->classes = 32;
    g->class_names = NULL;
    return g;
}

Graph *c_graph(Arena *arena, int i)
{
    static const char *const quants[] = {
        "{}", "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4},\"first_last_bits\":0}",
        "{\"weights\":{\"bits\":2},\"activations\":{\"bits\":3},\"first_last_bits\":0}"};
    const Rounding rounding = i % 2 == 0 ? ROUNDING_TFLITE_SINGLE : ROUNDING_TFLITE_DOUBLE;
    if (i < C_SEPARABLE) return lowered(arena, residual, quants[i / 2], rounding);
    if (i < C_BARE) return lowered(arena, separable, quants[(i - C_SEPARABLE) / 2], rounding);
    if (i < C_ZOO) return bare_reshape(arena, rounding);
    if (i >= C_POINTWISE && i < C_RANDOM) return lowered(arena, pointwise, quants[0], rounding);
    if (i >= C_RANDOM) return random_graph(arena, 300 + (uint64_t)i, 12, rounding);
    Graph *zoo = zoo_graph(arena);
    zoo->rounding = rounding;
    return zoo;
}
