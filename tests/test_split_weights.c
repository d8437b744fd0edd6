/* Weights with zero points, and with a scale for each group of an output's weights: codes by hand, what is refused, what
 * graphs are checked for, files and C. */
#include "quant/split_weights.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "deploy/c/c_cost.h"
#include "deploy/c/c_plan.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node_groups.h"
#include "kernels/kernels.h"
#include "quant/fake_quant.h"
#include "tests/support/c_program.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/experiment.h"

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static Quantizer *quantizer(Arena *owner, ParamSet *params, const QuantizerSpec *ask, int outputs, int inputs)
{
    QuantizerSpec spec = *ask;
    spec.per_channel = true, spec.momentum = 1;
    if (spec.observer == NULL) spec.observer = observer_type("max");
    if (spec.type == NULL) spec.type = quantizer_type("observed");
    Quantizer *q = quantizer_create(owner, params, "w", &spec,
                                    (QuantizedTensor){.is_weight = true, .channels = outputs, .inputs = inputs});
    ck_assert_msg(q != NULL, "%s", status_message());
    ck_assert_int_eq(param_set_place(params, owner), STATUS_OK);
    return q;
}

/* 3 bits, -4 to 3: from -1 to 6 in steps of 1, real 0 is the code -3; deployed as (q + 3) 2^4. */
START_TEST(affine_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {.bits = 3, .affine = true};
    Quantizer *q = quantizer(b.owner, &params, &spec, 2, 4);
    static const float signs[] = {1, -1};
    float w[] = {-1, 0, 2.4f, 6, 1, 0, -2.4f, -6};
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 4), w, NULL), q, signs);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    static const int8_t want[] = {-16, 0, 32, 96, -16, 0, 32, 96};
    ck_assert_mem_eq(y->codes, want, 8);
    for (int o = 0; o < 2; o++) {
        ck_assert(q->qp.scale[o] == 1.0f);
        ck_assert_int_eq(q->qp.zero[o], -3);
        ck_assert(y->qp->scale[o] == 0x1p-4f);
    }
    ck_assert(y->qp->bits == 8 && y->qp->n == 2 && y->qp->zero_point == 0);
    ck_assert(y->x[0] == -1.0f && y->x[2] == 2.0f && y->x[4] == 1.0f && y->x[6] == -2.0f);
    bench_end(&b);
}
END_TEST

/* 4 bits, -7 to 7, at most 18 times a step: the groups' largest weights are 7 and 0.7, the second's scale 0.1 is rounded
 * up to 2 of the steps of 1 / 18.  The last group has one weight, the whole second output none but 0. */
START_TEST(groups_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {.bits = 4, .narrow = true, .symmetric = true, .group = 2};
    Quantizer *q = quantizer(b.owner, &params, &spec, 2, 5);
    float w[] = {7, -3, 0.7f, 0.35f, -7, 0, 0, 0, 0, 0};
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 5), w, NULL), q, NULL);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    static const int8_t want[] = {126, -54, 12, 6, -126, 0, 0, 0, 0, 0};
    static const uint8_t multiple[] = {18, 2, 18, 18, 18, 18};
    ck_assert_mem_eq(y->codes, want, 10);
    ck_assert_mem_eq(q->qp.multiple, multiple, 6);
    ck_assert(y->qp->scale[0] == 7.0f / 7.0f / 18.0f);
    ck_assert(y->qp->scale[1] > 0.0f && isfinite(y->qp->scale[1]));
    bench_end(&b);
}
END_TEST

/* In floats scales stand for themselves; LSQ starts each group at 2 mean|w| / sqrt(7), one of zeros at its output's. */
START_TEST(groups_in_floats)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {.bits = 4,
                                .symmetric = true,
                                .group = 2,
                                .type = quantizer_type("lsq"),
                                .per_channel = true,
                                .observer = observer_type("max"),
                                .momentum = 1};
    Quantizer *q =
        quantizer_create(b.owner, &params, "w", &spec,
                         (QuantizedTensor){.is_weight = true, .channels = 1, .inputs = 6, .in_floats = true});
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    float w[] = {1, -3, 0, 0, 0.25f, 0.25f};
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, NULL), q, NULL);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    const double first = 4 / sqrt(7), third = 0.5 / sqrt(7);
    ck_assert_double_eq_tol((double)q->qp.scale[0], first, 1e-6);
    ck_assert_double_eq_tol((double)q->qp.scale[1], first, 1e-6);
    ck_assert_double_eq_tol((double)q->qp.scale[2], third, 1e-6);
    static const int8_t want[] = {1, -2, 0, 0, 1, 1};
    ck_assert_mem_eq(y->codes, want, 6);
    ck_assert(y->qp->multiple == NULL && y->qp->n == 3);
    bench_end(&b);
}
END_TEST

/* ---- models ------------------------------------------------------------------------------------------------------ */

static const char net[] =
    "{\"input\":[8,8,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":5,\"kernel\":2,\"padding\":\"same\",\"stride\":2,\"activation\":"
    "\"relu\"},"
    "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}";

#define WEIGHTS(keys) "{\"weights\":{" keys "},\"first_last_bits\":0"
#define FLOATS ",\"activations\":{\"format\":\"float32\"}}"
static const struct {
    const char *quant;
    bool affine, floats;
    int group;
} kinds[] = {
    {WEIGHTS("\"bits\":2,\"scheme\":\"affine\"") "}", true, false, 0},
    {WEIGHTS("\"bits\":4,\"scheme\":\"affine\"") "}", true, false, 0},
    {WEIGHTS("\"bits\":5,\"scheme\":\"affine\",\"granularity\":\"per_tensor\"") "}", true, false, 0},
    {WEIGHTS("\"bits\":4,\"granularity\":\"per_group\",\"group_size\":4") "}", false, false, 4},
    {WEIGHTS("\"bits\":2,\"granularity\":\"per_group\",\"group_size\":8,\"quantizer\":\"observed\"") "}", false, false,
     8},
    {WEIGHTS("\"bits\":4,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":6") "}", true, false, 6},
    {WEIGHTS("\"bits\":8,\"scheme\":\"affine\"") FLOATS, true, true, 0},
    {WEIGHTS("\"bits\":4,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":6") FLOATS, true, true, 6},
    {WEIGHTS("\"bits\":3,\"scheme\":\"affine\",\"granularity\":\"per_tensor\"") FLOATS, true, true, 0},
    {WEIGHTS("\"bits\":2,\"granularity\":\"per_group\",\"group_size\":3") FLOATS, false, true, 3},
    {WEIGHTS("\"bits\":3,\"granularity\":\"per_group\",\"group_size\":5") "}", false, false, 5}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static Graph *lowered(int kind, Rounding rounding)
{
    Graph *g;
    must(model_lower(arena, small_model(arena, net, kinds[kind].quant, 11 + (uint64_t)kind), rounding, &g));
    return g;
}

/* The model file gives back what was written, and the answers of exported C are the engine's. */
START_TEST(deployed)
{
    const char *error = NULL;
    begin();
    ck_assert_msg(kernels_select("ref", &error), "%s", error);
    const char *path = inside("m.safetensors");
    const Graph *all[KINDS];
    for (int k = 0; k < KINDS; k++) {
        Graph *g = lowered(k, k % 2 == 0 ? ROUNDING_TFLITE_SINGLE : ROUNDING_TFLITE_DOUBLE), *read;
        ck_assert_int_eq(graph_version(g), 3);
        must(exporter_write(exporter_find("safetensors"), arena, g, path, NULL));
        must(graph_read(arena, path, &read));
        for (int i = 0; i < g->nodes; i++) {
            const Node *n = &g->node[i], *r = &read->node[i];
            if (!node_has_weights(n)) continue;
            const size_t scales = (size_t)n->geom.o * (size_t)node_weight_groups(n);
            const bool grouped = kinds[k].group > 0 && n->op != NODE_DWCONV2D;
            ck_assert_int_eq(n->weight_group, grouped ? kinds[k].group : 0);
            ck_assert(n->weight_affine == kinds[k].affine &&
                      (n->weight_multiple != NULL) == (grouped && !kinds[k].floats));
            ck_assert(r->weight_group == n->weight_group && r->weight_affine == n->weight_affine);
            ck_assert_mem_eq(n->weights, r->weights, (size_t)node_weights(n));
            if (n->weight_affine) ck_assert_mem_eq(n->weight_zero_point, r->weight_zero_point, scales);
            if (n->weight_multiple != NULL) ck_assert_mem_eq(n->weight_multiple, r->weight_multiple, scales);
            const int width = n->weight_bits > 4 ? 8 : n->weight_bits > 2 ? 4 : 2;
            const bool packed = kinds[k].floats || !grouped || kinds[k].group * width % 8 == 0; /* whole bytes */
            if (kinds[k].floats || node_is_split(n)) ck_assert_int_eq(c_weight_width(n), packed ? width : 8);
            if (kinds[k].floats) ck_assert_mem_eq(n->weight_scale, r->weight_scale, sizeof(float) * scales);
        }
        all[k] = read;
    }
    c_must_answer(arena, folder, all, KINDS, "{\"floats\": \"yes\"}");
    end();
}
END_TEST

/* What a node takes in flash by hand: codes, zero points, multiples or scales. */
START_TEST(flash_counts_all)
{
    begin_model();
    static const size_t want[] = {/* a: 6 outputs of 27 weights */
                                  (6 * 27 * 2 + 7) / 8 + 6 + 8 * 6,
                                  (6 * 27 * 4 + 7) / 8 + 6 + 8 * 6,
                                  (6 * 27 * 5 + 7) / 8 + 6 + 8 * 6,
                                  (6 * 27 * 4 + 7) / 8 + 6 * 7 + 8 * 6,
                                  (6 * 27 * 2 + 7) / 8 + 6 * 4 + 8 * 6,
                                  (6 * 27 * 4 + 7) / 8 + 2 * 6 * 5 + 8 * 6,
                                  6 * 27 + 6 + 8 * 6,
                                  (6 * 27 * 4 + 7) / 8 + 6 * 5 + 4 * 6 * 4 + 8 * 6};
    for (int k = 0; k < 8; k++) {
        const Graph *g = lowered(k, ROUNDING_TFLITE_SINGLE);
        const Node *n = &g->node[graph_node_named(g, "a")];
        ck_assert_msg(node_type(n)->flash_bytes(n) == want[k], "%d: %zu bytes; must be %zu", k,
                      node_type(n)->flash_bytes(n), want[k]);
    }
    end_model();
}
END_TEST

/* ONNX: the values of each constant are those that the engine multiplies by; TFLite refuses what it has not. */
START_TEST(exported)
{
    onnx_exported_begin();
    enum { IMAGES = 3 };
    for (int k = 0; k < KINDS; k++) {
        const Graph *g = lowered(k, ROUNDING_ONNXRUNTIME);
        const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"input\":\"codes\",\"activations\":\"uint8\"}");
        Engine *engine;
        must(engine_create(arena, g, IMAGES, &engine));
        const size_t each = (size_t)graph_tensor_elements(&g->tensor[0]);
        int8_t *codes = ARENA_ARRAY(arena, int8_t, IMAGES * each);
        for (size_t i = 0; i < IMAGES * each; i++) codes[i] = (int8_t)(i * i * 7 % 251 - 125);
        const OnnxArray y = onnx_run(arena, m, IMAGES, onnx_exported_input(g, codes, IMAGES), "logits");
        float *want = ARENA_ARRAY(arena, float, y.count);
        void *out = arena_alloc(arena, sizeof(float) * (size_t)y.count);
        engine_run(engine, codes, IMAGES, out);
        graph_tensor_reals(&g->tensor[g->output], out, (size_t)y.count, want);
        const double step = kinds[k].floats ? 1e-4 : 1.01 * (double)g->tensor[g->output].scale;
        for (int64_t i = 0; i < y.count; i++)
            ck_assert_msg(fabs(y.x[i] - (double)want[i]) <= step, "%s: %g; must be %g", kinds[k].quant, y.x[i],
                          (double)want[i]);
        const char *tflite = inside("m.tflite");
        const Status status =
            exporter_write(exporter_find("tflite"), arena, lowered(k, ROUNDING_XNNPACK), tflite, NULL);
        if (kinds[k].floats)
            refused(status, "layer \"a\": weights with ");
        else
            must(status);
        unlink(tflite);
    }
    onnx_exported_end();
}
END_TEST

static void must_fail(const Graph *g, const char *words)
{
    ck_assert_int_eq(graph_check(g), STATUS_UNSUPPORTED);
    ck_assert_msg(strstr(status_message(), words) != NULL, "%s", status_message());
}

START_TEST(graphs_are_checked)
{
    begin_model();
    Graph *g = lowered(5, ROUNDING_XNNPACK);
    Node *n = &g->node[graph_node_named(g, "a")];
    int8_t *weight = (int8_t *)(uintptr_t)n->weights, *zero = (int8_t *)(uintptr_t)n->weight_zero_point;
    uint8_t *multiple = (uint8_t *)(uintptr_t)n->weight_multiple;
    const int8_t weight_was = weight[3], zero_was = zero[0];
    const uint8_t multiple_was = multiple[0];
    must(graph_check(g));
    zero[0] = 8;
    must_fail(g, "node \"a\": zero point 8 of weights of 4 bits; must be one of their codes");
    zero[0] = zero_was, weight[3] = 127;
    must_fail(g, "node \"a\": weight 127 of a group of zero point");
    weight[3] = weight_was, multiple[0] = 0;
    must_fail(g, "node \"a\": a multiple of 0; must be 1 to 255");
    multiple[0] = multiple_was, n->weight_multiple = NULL;
    must_fail(g, "node \"a\": multiples of its scales missing");
    n->weight_multiple = multiple, n->weight_group = 27;
    must_fail(g, "node \"a\": groups of 27 weights; must be less than the 27 of an output");
    n->weight_group = 6, n->weight_affine = false;
    must_fail(g, "node \"a\": zero points of its weights; must be said to be affine");
    n->weight_affine = true, n->weight_group = 0;
    must_fail(g, "node \"a\": multiples of its scales");
    n->weight_group = 6;
    must(graph_check(g));
    end_model();
}
END_TEST

START_TEST(refused_elsewhere)
{
    static const char *const cases[][2] = {
        {"{\"weights\":{\"bits\":8,\"scheme\":\"affine\"}}",
         "layer \"a\": 8-bit weights with zero points; in a layer that computes in integers they need 2 to 7 bits"},
        {"{\"weights\":{\"bits\":8,\"granularity\":\"per_group\",\"group_size\":4}}",
         "layer \"a\": 8-bit weights with a scale for each group; in a layer that"},
        {"{\"weights\":{\"bits\":7,\"granularity\":\"per_group\",\"group_size\":4,\"scheme\":\"affine\"},\"first_last_"
         "bits\":0}",
         "layer \"a\": 7-bit weights with a scale for each group and with zero points; in a layer that computes in "
         "integers "
         "they need 2 to 6 bits"},
        {"{\"weights\":{\"bits\":4,\"scheme\":\"affine\",\"quantizer\":\"lsq\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"lsq\" for weights with zero points (\"affine\"); \"observed\" is for them"},
        {"{\"weights\":{\"bits\":2,\"granularity\":\"per_group\",\"quantizer\":\"twn\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"twn\" for weights with a scale for each group; \"observed\" and \"lsq\" are for "
         "them"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena *own = arena_create();
        Model *m;
        ck_assert_int_eq(small_model_build(own, net, cases[i][0], &m), STATUS_CONFIG);
        ck_assert_msg(strstr(status_message(), cases[i][1]) != NULL, "%s", status_message());
        arena_destroy(own);
    }
    /* The ends have 8 bits for a reason of their own: theirs are symmetric, one scale for each output. */
    Arena *own = arena_create();
    const Model *m = small_model(
        own, net, "{\"weights\":{\"bits\":4,\"granularity\":\"per_group\",\"group_size\":4,\"scheme\":\"affine\"}}", 3);
    const QuantParams *first = &m->layer[0].weight_q->qp, *third = &m->layer[2].weight_q->qp;
    ck_assert(first->zero == NULL && first->group == 0 && first->n == 6);
    ck_assert(third->zero != NULL && third->group == 4 && third->n == 5 * 6);
    arena_destroy(own);
}
END_TEST

/* ---- the step ---------------------------------------------------------------------------------------------------- */

/* Weights become affine, what was chosen is in the checkpoint, and layers of 8 bits are named. */
START_TEST(zero_point_step)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.epochs=1");
    const Where where = {.folder = folder};
    const Outcome o =
        program_run(arena, &where,
                    "ptq f --overwrite --out p --set ptq.steps=[\"zero_point\",\"calibrate\",\"adaround\"] "
                    "--set quant.weights.bits=3 --set ptq.adaround.iterations=5");
    ck_assert_msg(o.code == 0, "%s", o.err);
    has(o.err, "zero_point: loss ");
    has(o.err, "\"stem\" stays symmetric: 8-bit weights with zero points");
    has(program_must(arena, folder, "verify p"), " 0 different");
    OpenModel open;
    must(model_open(arena, inside("p/model.safetensors"), NULL, &open));
    int affine = 0, off = 0;
    for (int i = 0; i < open.model->layers; i++) {
        const Layer *l = &open.model->layer[i];
        if (l->weight_q == NULL || l->weight_q->qp.zero == NULL) continue;
        affine++;
        ck_assert(l->weight_q->fixed && l->weight_q->qp.bits == 3 && l->weight_q->qp.qmin == -4);
        for (int s = 0; s < l->weight_q->qp.n; s++) off += l->weight_q->qp.zero[s] != 0;
    }
    ck_assert(affine > 0 && off > 0);
    end();
}
END_TEST

TEST_MAIN("split weights", affine_by_hand, groups_by_hand, groups_in_floats, deployed, flash_counts_all, exported,
          graphs_are_checked, refused_elsewhere, zero_point_step)
