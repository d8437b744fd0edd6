/* Every curve on all 256 codes of its input, on grids as training finds them and on awkward ones: a network of that curve
 * alone gives the codes of its definition in the engine and in every file that it is exported to.  With CURVE_EXPORTS=DIR
 * the files stay there, for tests/interop/curves.sh:
 *     NAME.tflite, NAME.int8.onnx, NAME.uint8.onnx, NAME.c, NAME.h
 *     NAME.i8      the engine's codes for the inputs -128 to 127 in this order
 *     NAME.json    the grid of these codes: {"scale", "zero_point"} */
#include <math.h>
#include <string.h>

#include "autograd/curve.h"
#include "base/file.h"
#include "deploy/exporter.h"
#include "deploy/tflite/tflite_model.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "quant/quantizer.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_interpreter.h"

enum { CODES = 256 };

/* ---- networks ---------------------------------------------------------------------------------------------------- */

static const struct {
    float scale;
    int zero_point;
} inputs[] = {
    {0.0273482f, -21}, {0.0628319f, 3}, {0.0117923f, -128},     /* as observed */
    {1.0f / 16, 0},    {1.0f / 32, 17}, {3.0f / 255, -77},      /* multiples of what the curves bend at: ties */
    {0.0004f, 100},    {0.9f, 127},     {1.0f / 128, INT8_MIN}, /* nearly a line, nearly two codes, one side alone */
};
enum { INPUTS = sizeof inputs / sizeof inputs[0] };

/* The grids a curve is put on: its own or that of its values, at 8 and at 4 bits; another one, with ties; a coarse one. */
typedef enum { OWN, OWN_4_BITS, WITH_TIES, COARSE, OUTPUTS } Output;

static QuantParams grid(int bits, bool is_signed, int zero_point, float *scale)
{
    QuantParams qp = {
        .bits = bits, .is_signed = is_signed, .zero_point = zero_point, .axis = -1, .n = 1, .scale = scale};
    grid_range(bits, is_signed, false, &qp.qmin, &qp.qmax);
    return qp;
}

static QuantParams output_grid(const CurveType *c, const QuantParams *x, Output kind, float *scale)
{
    *scale = kind == WITH_TIES ? 1.0f / 64 : 0.37f;
    QuantParams y =
        grid(kind == OWN_4_BITS ? 4 : 8, c->range == CURVE_FREE || c->lo < 0, kind == WITH_TIES ? -30 : 11, scale);
    if (kind == WITH_TIES || kind == COARSE) return y;
    if (c->range != CURVE_FREE) {
        curve_grid(c, &y);
        return y;
    }
    float lo = 0, hi = 0;
    for (int q = -128; q < 128; q++) {
        const float v = (float)c->value((double)(x->scale[0] * (float)(q - x->zero_point)));
        lo = fminf(lo, v), hi = fmaxf(hi, v);
    }
    grid_asymmetric(lo, hi, &y);
    return y;
}

static GraphTensor tensor_of(const char *name, const QuantParams *qp)
{
    return (GraphTensor){.name = name,
                         .h = 1,
                         .w = 1,
                         .c = CODES,
                         .scale = qp->scale[0],
                         .zero_point = qp->zero_point,
                         .bits = qp->bits,
                         .qmin = qp->qmin,
                         .qmax = qp->qmax,
                         .format = FORMAT_INT8};
}

/* The curve on all codes of its input, as channels of one cell. */
static Graph *curve_graph(const CurveType *c, int input, Output output, const char *name)
{
    float *s = ARENA_ARRAY(arena, float, 2);
    const QuantParams x = grid(8, true, inputs[input].zero_point, &s[0]);
    s[0] = inputs[input].scale;
    const QuantParams y = output_grid(c, &x, output, &s[1]);
    Graph *g = arena_zalloc(arena, sizeof *g);
    *g = (Graph){.tensors = 2, .nodes = 1, .output = 1, .classes = CODES, .channels = CODES, .model_name = name};
    g->tensor = ARENA_ARRAY(arena, GraphTensor, 2);
    g->tensor[0] = tensor_of("input", &x), g->tensor[1] = tensor_of("curve", &y);
    g->node = ARENA_ARRAY(arena, Node, 1);
    int8_t *table = ARENA_ARRAY(arena, int8_t, CODES);
    curve_table(c, &x, &y, table);
    g->node[0] =
        (Node){.op = NODE_LUT, .name = "curve", .inputs = 1, .output = 1, .lo = y.qmin, .hi = y.qmax, .table = table};
    float *mean = ARENA_ARRAY(arena, float, CODES), *std = ARENA_ARRAY(arena, float, CODES);
    for (int i = 0; i < CODES; i++) mean[i] = 0.5f, std[i] = 0.25f;
    g->mean = mean, g->std = std;
    must(graph_check(g));
    return g;
}

/* ---- every way out ----------------------------------------------------------------------------------------------- */

static int8_t every_code[CODES];
static long compared, operators; /* TFLite files with an operator of their own for the curve */

static void same(const char *name, const char *where, const int8_t *want, const int8_t *got)
{
    for (int i = 0; i < CODES; i++)
        ck_assert_msg(want[i] == got[i], "%s, %s: code %d gives %d; must be %d", name, where, every_code[i], got[i],
                      want[i]);
    compared += CODES;
}

static const char *export(Graph *g, const char *extension, Rounding rounding, const char *options)
{
    const char *path = inside(arena_printf(arena, "%s%s", g->model_name, extension));
    g->rounding = rounding;
    cJSON *json = cJSON_Parse(options);
    must(exporter_write(exporter_of(path), arena, g, path, json));
    cJSON_Delete(json);
    return path;
}

static void through_tflite(Graph *g, const int8_t *want)
{
    for (Rounding r = ROUNDING_XNNPACK; r <= ROUNDING_TFLITE_DOUBLE; r++) {
        if (r != ROUNDING_XNNPACK && r != ROUNDING_TFLITE_DOUBLE) continue;
        const char *path = export(g, r == ROUNDING_XNNPACK ? ".tflite" : ".micro.tflite", r, "{}");
        TfliteModel *m;
        uint8_t *file;
        size_t bytes;
        must(file_read(arena, path, SIZE_MAX, &file, &bytes));
        must(tflite_check(arena, file, bytes, path, &m));
        same(g->model_name, rounding_names[r], want, tflite_run(arena, m, r, every_code)[m->output[0]]);
        operators += m->operators == 1;
        ck_assert(r == ROUNDING_XNNPACK || m->operators > 1);
    }
}

static void through_onnx(Graph *g, const int8_t *want)
{
    static const char *const forms[] = {"int8", "uint8"};
    for (int f = 0; f < 2; f++) {
        const char *options = arena_printf(arena, "{\"input\":\"codes\",\"activations\":\"%s\"}", forms[f]);
        const char *path = export(g, arena_printf(arena, ".%s.onnx", forms[f]), ROUNDING_ONNXRUNTIME, options);
        Onnx__ModelProto *m;
        must(onnx_read(arena, path, &m));
        double in[CODES];
        for (int i = 0; i < CODES; i++) in[i] = every_code[i] + (f == 1 ? 128 : 0);
        const GraphTensor *y = &g->tensor[1];
        const OnnxArray out = onnx_run(arena, m, 1, in, m->graph->output[0]->name);
        int8_t got[CODES];
        for (int i = 0; i < CODES; i++) got[i] = (int8_t)((int)rint(out.x[i] / (double)y->scale) + y->zero_point);
        same(g->model_name, forms[f], want, got);
    }
}

static void through_the_page(Graph *g, const int8_t *want)
{
    NaiveModel *m = naive_open(export(g, ".safetensors", ROUNDING_TFLITE_SINGLE, "{}"));
    ck_assert_ptr_nonnull(m);
    naive_run(m, every_code);
    int8_t got[CODES];
    for (int i = 0; i < CODES; i++) got[i] = (int8_t)naive_codes(m, 1)[i];
    same(g->model_name, "interpreter", want, got);
    naive_close(m);
}

static void keep_answers(const Graph *g, const int8_t *codes)
{
    const GraphTensor *y = &g->tensor[1];
    const char *grid_text =
        arena_printf(arena, "{\"scale\": %.9g, \"zero_point\": %d}\n", (double)y->scale, y->zero_point);
    must(file_write(arena, inside(arena_printf(arena, "%s.i8", g->model_name)), codes, CODES));
    must(file_write(arena, inside(arena_printf(arena, "%s.json", g->model_name)), grid_text, strlen(grid_text)));
}

static void every_way_out(const CurveType *c, int input, Output output)
{
    Graph *g = curve_graph(c, input, output, arena_printf(arena, "%s_%d_%d", c->name, input, (int)output));
    int8_t codes[CODES];
    for (int r = 0; r < ROUNDINGS; r++) {
        g->rounding = (Rounding)r;
        Engine *engine;
        must(engine_create(arena, g, 1, &engine));
        engine_run(engine, every_code, 1, codes);
        same(g->model_name, "engine", g->node[0].table, codes);
    }
    through_tflite(g, codes);
    through_onnx(g, codes);
    through_the_page(g, codes);
    export(g, ".c", ROUNDING_TFLITE_SINGLE, arena_printf(arena, "{\"prefix\":\"%s\",\"golden\":1}", g->model_name));
    keep_answers(g, codes);
}

START_TEST(all_codes_of_every_curve)
{
    const char *kept = getenv("CURVE_EXPORTS");
    begin();
    const char *own = folder;
    if (kept != NULL) folder = kept;
    for (int i = 0; i < CODES; i++) every_code[i] = (int8_t)(i - 128);
    for (int k = 0; k < CURVES; k++)
        for (int i = 0; i < INPUTS; i++)
            for (Output o = 0; o < OUTPUTS; o++) every_way_out(&curve_types[k], i, o);
    ck_assert_int_eq(compared, (long)CURVES * INPUTS * OUTPUTS * CODES * (ROUNDINGS + 5));
    ck_assert_int_ge(operators, INPUTS); /* LOGISTIC and TANH on their own grids, but for ties */
    folder = own;
    end();
}
END_TEST

TEST_MAIN("curve_exports", all_codes_of_every_curve)
