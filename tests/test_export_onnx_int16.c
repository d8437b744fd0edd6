/* A network of int8 codes whose output is int16 codes, in ONNX: a plain reading of the file gives the engine's codes but
 * for ties and the engine's multipliers of 15 bits, by at most 1; int16 elsewhere is refused by the layer's name. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/onnx/onnx_build.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/node.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"
#include "tests/support/wide_graph.h"

enum { IMAGES = 3, GRAPHS = 150 };

static Graph *graph_of(int i, WideNodes which)
{
    static const int bits[] = {8, 4, 6};
    Graph *g =
        wide_graph(arena, random_graph(arena, 40 + (uint64_t)i, bits[i % 3], ROUNDING_ONNXRUNTIME), (uint64_t)i, which);
    must(graph_check(g));
    return g;
}

typedef struct {
    long values, different; /* of dense layers, whose multipliers have 31 bits */
    long others;
} Tally;

static bool multiplies_exactly(const Graph *g)
{
    const Node *n = &g->node[g->tensors - 2];
    return n->op == NODE_DENSE && node_rescales_int32(g, n);
}

static void compare(const Graph *g, Tally *tally)
{
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"input\":\"codes\"}");
    const GraphTensor *out = &g->tensor[g->output];
    const bool exact = multiplies_exactly(g);
    Engine *engine;
    must(engine_create(arena, g, IMAGES, &engine));
    const int8_t *codes = random_images(arena, g, 5, IMAGES);
    int16_t *want = ARENA_ARRAY(arena, int16_t, IMAGES * g->classes);
    engine_run(engine, codes, IMAGES, want);
    const OnnxArray y = onnx_run(arena, m, IMAGES, onnx_exported_input(g, codes, IMAGES), "logits");
    ck_assert_int_eq(y.count, IMAGES * g->classes);
    for (int64_t i = 0; i < y.count; i++) {
        const double code = y.x[i] / (double)out->scale;
        ck_assert_msg(fabs(code - rint(code)) < 1e-3, "%s: %g is no code", out->name, code);
        ck_assert_msg(fabs(rint(code) - want[i]) <= 1, "%s[%d]: code %g, not %d", out->name, (int)i, code, want[i]);
        if (!exact) tally->others++;
        if (exact) tally->values++, tally->different += rint(code) != want[i];
    }
    ck_assert_int_eq(m->ir_version, ONNX_INT16_IR);
    ck_assert_int_eq(onnx_opset(m), ONNX_INT16_OPSET);
}

/* The output is int16, and no node before it is one that int8 codes go through otherwise than in doubles. */
static bool ends_in_int16(const Graph *g)
{
    for (int i = 0; i < g->nodes; i++) {
        const NodeKind op = g->node[i].op;
        const bool rounded_twice = op == NODE_ADD || op == NODE_AVGPOOL;
        if (op == NODE_LUT || (rounded_twice && !graph_tensor_is_wide(node_y(g, &g->node[i])))) return false;
    }
    return graph_tensor_is_wide(&g->tensor[g->output]);
}

START_TEST(outputs)
{
    Tally tally = {0};
    for (int i = 0; i < GRAPHS; i++) {
        onnx_exported_begin();
        const Graph *g = graph_of(i, WIDE_OUTPUT);
        if (ends_in_int16(g)) compare(g, &tally);
        onnx_exported_end();
    }
    ck_assert_int_gt(tally.values, 100);
    ck_assert_int_gt(tally.others, 50);
    ck_assert_msg(tally.different * 100 <= tally.values, "%ld of %ld", tally.different, tally.values);
}
END_TEST

/* Files without int16 have the operator set of before. */
START_TEST(operator_set)
{
    onnx_exported_begin();
    const Graph *g = random_graph(arena, 3, 6, ROUNDING_ONNXRUNTIME);
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{}");
    ck_assert_int_eq(m->ir_version, ONNX_BUILD_IR);
    ck_assert_int_eq(onnx_opset(m), ONNX_BUILD_OPSET);
    onnx_exported_end();
}
END_TEST

START_TEST(elsewhere)
{
    onnx_exported_begin();
    Graph *g = graph_of(3, WIDE_ALL);
    ck_assert_int_eq(onnx_exported_export(g, "{}"), STATUS_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(status_message(), "codes of 16 bits; --to onnx writes int8 codes, and int16 at the "
                                                   "network's output only"));
    ck_assert_ptr_nonnull(strstr(status_message(), g->node[1].name));
    ck_assert(!file_exists(onnx_path));
    onnx_exported_end();
}
END_TEST

TEST_MAIN("export onnx int16", outputs, operator_set, elsewhere)
