/* int16 codes: kernels against plain sums, the engine against the naive interpreter, the model file, and what a sound
 * graph is. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "deploy/exporter.h"
#include "deploy/safetensors/export_safetensors.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "kernels/requant_s16.h"
#include "quant/wide_ops.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/oracle.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"
#include "tests/support/wide_graph.h"

enum { GRAPHS = 40, IMAGES = 5 };

/* ---- rounding ---------------------------------------------------------------------------------------------------- */

/* TFLite's MultiplyByQuantizedMultiplier of an int64 and its formulas for int32, worked by hand. */
START_TEST(rounding_rules)
{
    ScaleS16 s = scale_s16(0.5);
    ck_assert_int_eq(s.m, 1 << 14);
    ck_assert_int_eq(s.shift, 15);
    static const int half[][2] = {{1, 1}, {-1, 0}, {3, 2}, {-3, -1}, {5, 3}, {-5, -2}, {12345, 6173}};
    for (size_t i = 0; i < sizeof half / sizeof half[0]; i++)
        ck_assert_int_eq(requant_s16(half[i][0], s, S16_MIN, S16_MAX), half[i][1]);
    s = scale_s16(0.7); /* m = 1503238554 of 31 bits */
    ck_assert_int_eq(s.m, 22938);
    ck_assert_int_eq(requant_s16(12345, s, S16_MIN, S16_MAX), 8642);
    ck_assert_int_eq(scale_s16(1.0 - 0x1p-30).m, 0x7fff); /* not 2^15 */
    ck_assert_int_eq(requant_s16(INT64_C(1) << 46, scale_s16(0.9), S16_MIN, S16_MAX), S16_MAX);
    ck_assert_int_eq(requant_s16(-(INT64_C(1) << 46), scale_s16(0.9), -5, S16_MAX), -5);
    s = scale_s16_of_int32(0.7);
    ck_assert_int_eq(s.m, 1503238554);
    ck_assert_int_eq(requant_s16(12345, s, S16_MIN, S16_MAX), 8642);
    AddS16 add;
    ck_assert(add_s16_make(ROUNDING_TFLITE_SINGLE, 0.5f, 0.25f, 0.5f, S16_MIN, S16_MAX, &add));
    ck_assert_int_eq(requant_add_s16(&add, 1000, 3), 1002); /* 1001.5: half up */
    ck_assert_int_eq(requant_add_s16(&add, 30000, 30000), S16_MAX);
    ck_assert(!add_s16_make(ROUNDING_XNNPACK, 0.5f, 0.25f, 0.5f * 0x1p-15f, S16_MIN, S16_MAX, &add));
    const float x[] = {0.5f, -0.5f, 1.49f, 1e9f, -1e9f, (float)NAN};
    static const int16_t want[] = {1, -1, 1, S16_MAX, S16_MIN, S16_MIN};
    int16_t codes[6];
    quantize_reals_s16(6, x, 1.0f, S16_MIN, S16_MAX, codes);
    ck_assert_mem_eq(codes, want, sizeof want);
}
END_TEST

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static int16_t random_code(Rng *r)
{
    const int extreme = (int)rng_below(r, 8);
    return (int16_t)(extreme == 0 ? S16_MIN : extreme == 1 ? S16_MAX : (int)rng_below(r, 65536) - 32768);
}

static int64_t plain_sum(const ConvGeom *g, bool depthwise, const int16_t *x, const int16_t *w, int oy, int ox, int o)
{
    const int cg = g->c / g->groups, og = g->o / g->groups;
    int64_t sum = 0;
    for (int i = 0; i < g->kh; i++)
        for (int j = 0; j < g->kw; j++) {
            const int row = oy * g->sh - g->pt + i * g->dh, column = ox * g->sw - g->pl + j * g->dw;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            for (int c = 0; c < cg; c++) {
                const long at =
                    depthwise ? (long)(i * g->kw + j) * g->o + o : ((long)(o * g->kh + i) * g->kw + j) * cg + c;
                sum += (int64_t)x[((long)row * g->w + column) * g->c + o / og * cg + c] * w[at];
            }
        }
    return sum;
}

static void check_conv(const KernelCase *kc)
{
    const ConvGeom g = oracle_geom(kc->g);
    Rng r = rng_make(7, RNG_TEST, 1);
    const size_t nx = oracle_input_count(&g, kc->images), ny = oracle_output_count(&g, kc->images);
    const size_t nw = (size_t)(g.kh * g.kw * g.o) * (size_t)(g.c / g.groups);
    int16_t *x = ARENA_ARRAY(arena, int16_t, nx), *w = ARENA_ARRAY(arena, int16_t, nw);
    int16_t *y = ARENA_ARRAY(arena, int16_t, ny);
    int64_t *bias = ARENA_ARRAY(arena, int64_t, g.o);
    ScaleS16 *scale = ARENA_ARRAY(arena, ScaleS16, g.o);
    for (size_t i = 0; i < nx; i++) x[i] = random_code(&r);
    for (size_t i = 0; i < nw; i++) w[i] = (int16_t)(rng_below(&r, 4) == 0 ? -127 : (int)rng_below(&r, 255) - 127);
    for (int o = 0; o < g.o; o++) {
        bias[o] = (int64_t)rng_below(&r, 1u << 31) - (1 << 30);
        scale[o] = scale_s16(1e-3 / (1 + (double)rng_below(&r, 1000)));
    }
    const ConvS16 k = {w, bias, scale, -30000, 31000};
    void *scratch = arena_alloc(arena, conv_s16_scratch_bytes(&g));
    (kc->depthwise ? kernels()->dwconv_s16_forward : kernels()->conv_s16_forward)(&g, kc->images, x, &k, y, scratch);
    for (int n = 0, at = 0; n < kc->images; n++)
        for (int oy = 0; oy < g.oh; oy++)
            for (int ox = 0; ox < g.ow; ox++)
                for (int o = 0; o < g.o; o++, at++) {
                    const int64_t sum =
                        bias[o] + plain_sum(&g, kc->depthwise, x + (size_t)n * nx / (size_t)kc->images, w, oy, ox, o);
                    ck_assert_msg(y[at] == requant_s16(sum, scale[o], k.lo, k.hi), "%s, %s: [%d] is %d", kc->name,
                                  kernels()->isa, at, y[at]);
                }
}

START_TEST(convolutions)
{
    begin_model();
    FOR_EACH_ISA(isa)
    for (int i = 0; i < kernel_case_count; i++) check_conv(&kernel_cases[i]);
    end_model();
}
END_TEST

/* More products than an int32 can hold, all at one end. */
START_TEST(sums_beyond_int32)
{
    begin_model();
    enum { INPUTS = 4096 };
    int16_t *x = ARENA_ARRAY(arena, int16_t, INPUTS), *w = ARENA_ARRAY(arena, int16_t, INPUTS), y;
    for (int i = 0; i < INPUTS; i++) x[i] = S16_MIN, w[i] = -128;
    const ConvGeom g = {.n = 1,
                        .h = 1,
                        .w = 1,
                        .c = INPUTS,
                        .o = 1,
                        .oh = 1,
                        .ow = 1,
                        .kh = 1,
                        .kw = 1,
                        .sh = 1,
                        .sw = 1,
                        .dh = 1,
                        .dw = 1,
                        .groups = 1};
    const int64_t bias = 1 << 20;
    const ScaleS16 scale = scale_s16(0x1p-20);
    void *scratch = arena_alloc(arena, conv_s16_scratch_bytes(&g));
    FOR_EACH_ISA(isa)
    {
        kernels()->conv_s16_forward(&g, 1, x, &(ConvS16){w, &bias, &scale, S16_MIN, S16_MAX}, &y, scratch);
        ck_assert_int_eq(y, 4 * INPUTS + 1);
    }
    end_model();
}
END_TEST

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static int code_at(const GraphTensor *t, const void *codes, long i)
{
    return graph_tensor_is_wide(t) ? ((const int16_t *)codes)[i] : ((const int8_t *)codes)[i];
}

static void compare_tensor(const Graph *g, const Engine *engine, const NaiveModel *naive, int t, int image)
{
    const GraphTensor *y = &g->tensor[t];
    const long n = graph_tensor_elements(y);
    for (long i = 0; i < n; i++) {
        const int got = code_at(y, engine_tensor(engine, t), image * n + i), want = (int)naive_codes(naive, t)[i];
        ck_assert_msg(got == want, "%s, \"%s\"[%ld]: engine %d, interpreter %d", rounding_names[g->rounding], y->name,
                      i, got, want);
    }
}

static void compare_engines(const Graph *g, const int8_t *images, NaiveModel *naive)
{
    const size_t bytes = IMAGES * graph_tensor_bytes(&g->tensor[g->output]);
    void *first = arena_alloc(arena, bytes), *logits = arena_alloc(arena, bytes);
    Engine *kept, *planned;
    must(engine_create(arena, g, IMAGES, &kept));
    must(engine_create_planned(arena, g, &planned));
    engine_run(kept, images, IMAGES, first);
    engine_run(planned, images, IMAGES, logits);
    ck_assert_mem_eq(logits, first, bytes);
    for (int i = 0; i < IMAGES; i++) {
        naive_image(naive, images + i * graph_tensor_elements(&g->tensor[0]));
        for (int k = 0; k < naive_nodes(naive); k++) compare_tensor(g, kept, naive, naive_step(naive, k), i);
    }
}

static Graph *written_and_read(const Graph *built)
{
    uint8_t *first, *second;
    size_t bytes, again;
    Graph *g;
    must(export_safetensors(arena, built, model_path));
    must(graph_read(arena, model_path, &g));
    must(file_read(arena, model_path, SIZE_MAX, &first, &bytes));
    must(export_safetensors(arena, g, model_path));
    must(file_read(arena, model_path, SIZE_MAX, &second, &again));
    ck_assert_uint_eq(bytes, again);
    ck_assert_mem_eq(first, second, bytes);
    return g;
}

START_TEST(graphs)
{
    begin_model();
    int seen[NODE_KINDS] = {0}, down = 0, up = 0;
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *integers = random_graph(arena, (uint64_t)i, 10, (Rounding)(i % ROUNDINGS));
        const Graph *built = wide_graph(arena, integers, (uint64_t)i, i % 5 == 4 ? WIDE_ALL : WIDE_SOME);
        ck_assert_msg(graph_check(built) == STATUS_OK, "graph %d: %s", i, status_message());
        ck_assert_int_eq(graph_version(built), 2);
        const Graph *g = written_and_read(built);
        NaiveModel *naive = naive_open(model_path);
        ck_assert_ptr_nonnull(naive);
        compare_engines(g, random_images(arena, g, (uint64_t)i, IMAGES), naive);
        naive_close(naive);
        for (int k = 0; k < g->nodes; k++) {
            const Node *n = &g->node[k];
            const bool from = graph_tensor_is_wide(node_x(g, n)), to = graph_tensor_is_wide(node_y(g, n));
            seen[n->op] += from && to, down += from && !to, up += to && !from;
        }
    }
    for (int k = 0; k < NODE_KINDS; k++)
        if (node_types[k]->in_wide != NULL) ck_assert_msg(seen[k] >= 3, "%s: %d", node_types[k]->name, seen[k]);
    ck_assert_int_ge(down, 3);
    ck_assert_int_ge(up, 3);
    end_model();
}
END_TEST

static Graph *sound(void) { return wide_graph(arena, random_graph(arena, 3, 6, ROUNDING_XNNPACK), 3, WIDE_ALL); }

static Node *node_of(Graph *g, NodeKind kind)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].op == kind && graph_tensor_is_wide(node_x(g, &g->node[i])) &&
            graph_tensor_is_wide(node_y(g, &g->node[i])))
            return &g->node[i];
    ck_abort_msg("no such node");
}

START_TEST(unsound_graphs)
{
    begin_model();
    Graph *g = sound();
    must(graph_check(g));
    g->tensor[1].zero_point = 3;
    refused(graph_check(g), "int16 of 16 bits, codes -32768 to 32767, zero point 3; must be 16 bits");
    g = sound(), g->tensor[1].bits = 12;
    refused(graph_check(g), "int16 of 12 bits");
    g = sound();
    Node *n = node_of(g, NODE_DENSE);
    int32_t *narrow = ARENA_ARRAY(arena, int32_t, n->geom.o);
    n->bias = narrow, n->wide_bias = NULL;
    refused(graph_check(g), "must have all three, the bias in int64");
    g = sound(), n = node_of(g, NODE_DENSE);
    int64_t *bias = ARENA_ARRAY(arena, int64_t, n->geom.o);
    bias[0] = INT64_MIN, n->wide_bias = bias;
    refused(graph_check(g), "channel 0: bias -9223372036854775808; must stay below 2^47");
    bias[0] = (INT64_C(1) << 47) - 1;
    refused(graph_check(g), "must stay below 2^47");
    g = sound(), n = node_of(g, NODE_DENSE);
    g->tensor[n->output].scale *= 1e-7f;
    refused(graph_check(g), "must");
    g = sound(), g->node[0].op = NODE_RESHAPE;
    refused(graph_check(g), "input \"input\" in int8, output in int16; must be one, with a requant node between");
    g = sound(), n = node_of(g, NODE_DENSE);
    n->op = NODE_LUT;
    refused(graph_check(g), "codes in int16; a lut computes on int8 codes only");
    end_model();
}
END_TEST

/* An exporter that has nothing for int16 says so by the layer's name. */
START_TEST(exporters_that_cannot)
{
    begin_model();
    for (int i = 0; exporters[i] != NULL; i++) {
        const ExporterType *type = exporters[i];
        Graph *g = sound();
        g->rounding = exporter_rounding(type, g->rounding);
        if (type->wide) continue;
        char *path = arena_printf(arena, "%s%s", model_path, type->extension);
        refused(exporter_write(type, arena, g, path, NULL), "codes of 16 bits; --to");
        ck_assert(!file_exists(path));
    }
    end_model();
}
END_TEST

/* A value that is not finite is refused, also where nothing is learned: as a code it would hide. */
START_TEST(values_not_finite)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = 16, .type = quantizer_type("observed"), .observer = observer_type("ema_minmax"), .momentum = 0.5};
    Quantizer *q = quantizer_create(b.owner, &params, "q.out", &spec, (QuantizedTensor){.is_signed = true});
    quantizer_start(q, -1, 1);
    for (int i = 0; i < 4; i++) {
        tape_reset(b.tape, true);
        float x[] = {0.5f, 0, -0.25f};
        x[1] = (const float[]){0, NAN, INFINITY, -INFINITY}[i];
        const float before = q->qp.scale[0];
        Tensor *y = op_wide(b.tape, tape_leaf(b.tape, "x", shape_2(1, 3), x, NULL), q, i % 2 == 0);
        ck_assert((y != NULL) == (i == 0));
        if (i == 0) continue;
        ck_assert_int_eq(b.tape->status, STATUS_NUMERIC);
        ck_assert_msg(strstr(b.tape->message, "q.out: value 1 of 3 is ") != NULL, "%s", b.tape->message);
        ck_assert_double_eq((double)q->qp.scale[0], (double)before);
    }
    bench_end(&b);
}
END_TEST

TEST_MAIN("int16", values_not_finite, rounding_rules, convolutions, sums_beyond_int32, graphs, unsound_graphs,
          exporters_that_cannot)
