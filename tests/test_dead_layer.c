/* A nearly dead layer, whose outputs span 5e-7, goes the whole way: quantized, trained, proven, exported, in every
 * rounding; and healthy models are left alone, to the bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/exporter.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "deploy/runtime_limits.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/recipe.h"

static const float SPAN = 5e-7f;

static float *values(const Model *m, const char *layer, const char *what, long *count)
{
    float *v = model_values(m, arena_printf(arena, "%s.%s", layer, what), count);
    ck_assert_msg(v != NULL, "%s.%s", layer, what);
    return v;
}

/* Everything the layer gives becomes tiny: by its last factor and shift. */
static void shrink(const Model *m, const char *layer, bool norm)
{
    static const char *const parts[2][2] = {{"weight", "bias"}, {"bn.gamma", "bn.beta"}};
    for (int i = 0; i < 2; i++) {
        long n;
        float *v = values(m, layer, parts[norm][i], &n);
        for (long k = 0; k < n; k++) v[k] *= SPAN / 4.0f;
    }
}

/* Its ReLU lets only the largest value of each channel pass, by SPAN. */
static void drown(Model *m, int layer, bool norm, const DataSplits *data)
{
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    ck_assert_ptr_nonnull(model_forward(m, t, &mode, all_images(arena, &data->train), data->train.n));
    const Tensor *y = m->out[layer];
    const long channels = m->layer[layer].out.c;
    long n;
    float *shift = values(m, m->layer[layer].name, norm ? "bn.beta" : "bias", &n);
    ck_assert_int_eq(n, channels);
    for (long c = 0; c < channels; c++) {
        float most = 0.0f;
        for (long i = c; i < tensor_elements(y); i += channels) most = fmaxf(most, y->x[i]);
        shift[c] -= most - SPAN;
    }
    arena_destroy(step);
}

static const struct {
    const char *layer;
    bool norm, drowned;
} cases[] = {{"pw", true, false},    {"stem", true, true}, {"dw", true, true},   {"side", false, true},
             {"side", false, false}, {"fc", false, true},  {"stem", true, false}};
enum { CASES = sizeof cases / sizeof cases[0] };

static void make_dead(int i)
{
    OpenModel open = {0};
    DataSplits data;
    must(model_open(arena, inside("float/last.safetensors"), NULL, &open));
    must(experiment_data(arena, open.config, &data));
    int at = 0;
    while (strcmp(open.model->layer[at].name, cases[i].layer) != 0) at++;
    if (cases[i].drowned)
        drown(open.model, at, cases[i].norm, &data);
    else
        shrink(open.model, cases[i].layer, cases[i].norm);
    must(file_make_dir(inside("dead")));
    unsigned char *text;
    size_t bytes;
    must(file_read(arena, inside("float/config.json"), 1 << 20, &text, &bytes));
    must(file_write(arena, inside("dead/config.json"), text, bytes));
    must(checkpoint_write(inside("dead/last.safetensors"), open.model, NULL, &open.state));
}

/* Whether it was told that the grid of `layer` was raised. */
static bool goes_the_whole_way(const char *made, const char *model, const char *layer, Rounding d)
{
    const Outcome o = program_run(arena, &(Where){.folder = folder}, made);
    ck_assert_msg(o.code == 0, "%s: %s", made, o.err);
    cJSON *proof = program_json(arena, folder, arena_printf(arena, "verify %s", model));
    ck_assert_msg(number(proof, "different") == 0.0 && number(proof, "values") > 10000.0, "%s", made);
    cJSON_Delete(proof);
    for (int f = 0; exporters[f] != NULL; f++) {
        const bool near = exporters[f] == exporter_find("onnx") && d == ROUNDING_XNNPACK; /* both compute with floats */
        if (exporter_rounding(exporters[f], d) != d && !near) continue; /* another runtime than it was made for */
        program_must(arena, folder, arena_printf(arena, "export %s --quiet -o out%s", model, exporters[f]->extension));
    }
    return strstr(o.err, arena_printf(arena, "note: layer \"%s\": nearly dead, its outputs span ", layer)) != NULL;
}

START_TEST(every_rounding)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    int told = 0;
    for (int i = 0; i < CASES; i++) {
        make_dead(i);
        for (int d = 0; d < ROUNDINGS; d++) {
            if (d != 0 && d != 1 + i % (ROUNDINGS - 1) && i > 1) continue; /* all of them on two, two on the others */
            const char *set = arena_printf(arena, "--overwrite --set quant.dialect=%s", rounding_names[d]);
            told += goes_the_whole_way(arena_printf(arena, "ptq dead/last.safetensors --out ptq %s", set),
                                       "ptq/model.safetensors", cases[i].layer, (Rounding)d);
            /* so slow that nothing comes alive again */
            const char *qat = arena_printf(arena,
                                           "qat dead/last.safetensors --out qat %s --set qat.lr=1e-9 --set "
                                           "quant.activations.quantizer=%s --set data.validation=0.2",
                                           set, i % 2 == 0 ? "observed" : "lsq");
            told += goes_the_whole_way(qat, "qat/last.safetensors", cases[i].layer, (Rounding)d);
        }
    }
    ck_assert_int_ge(told, 2 * CASES);
    end();
}
END_TEST

/* What a runtime cannot carry is no error of the command line. */
START_TEST(a_refused_graph_exits_with_1)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    make_dead(0);
    program_must(arena, folder, "ptq dead/last.safetensors --quiet --out ptq --set quant.dialect=tflite-single");
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "export ptq/model.safetensors -o x.onnx");
    ck_assert_msg(o.code == 1 && strstr(o.err, "\"sum\": ") != NULL && strstr(o.err, " needs ") != NULL, "exit %d: %s",
                  o.code, o.err);
    ck_assert(!file_exists(inside("x.onnx")));
    end();
}
END_TEST

/* A channel whose weights are all but zero: its multiplier would be below what any runtime holds. */
START_TEST(a_channel_all_but_zero)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    OpenModel open = {0};
    must(model_open(arena, inside("float/last.safetensors"), NULL, &open));
    static const char *const layers[] = {"side", "fc"};
    for (int i = 0; i < 2; i++) {
        long n, channels;
        float *w = values(open.model, layers[i], "weight", &n);
        values(open.model, layers[i], "bias", &channels);
        for (long k = 0; k < n / channels; k++) w[k] *= 1e-30f; /* [O, ...] */
    }
    must(file_make_dir(inside("dead")));
    unsigned char *text;
    size_t bytes;
    must(file_read(arena, inside("float/config.json"), 1 << 20, &text, &bytes));
    must(file_write(arena, inside("dead/config.json"), text, bytes));
    must(checkpoint_write(inside("dead/last.safetensors"), open.model, NULL, &open.state));
    for (int d = 0; d < ROUNDINGS; d++) {
        const char *set = arena_printf(arena, "--overwrite --set quant.dialect=%s", rounding_names[d]);
        ck_assert(!goes_the_whole_way(arena_printf(arena, "ptq dead/last.safetensors --out ptq %s", set),
                                      "ptq/model.safetensors", "side", (Rounding)d));
        ck_assert(!goes_the_whole_way(
            arena_printf(arena, "qat dead/last.safetensors --out qat %s --set qat.lr=1e-9 --set qat.epochs=1", set),
            "qat/last.safetensors", "side", (Rounding)d));
    }
    end();
}
END_TEST

/* In a table every row says it, those that are only calibrated too. */
START_TEST(rows_of_a_table_tell_it)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    make_dead(0);
    const Outcome o = program_run(arena, &(Where){.folder = folder},
                                  "compare dead/last.safetensors --out t --set compare.calibrators=minmax --set "
                                  "compare.granularities=per_tensor --set compare.ptq_bits=8 --set compare.qat_bits=8 "
                                  "--set qat.epochs=1 --set qat.lr=1e-9");
    ck_assert_msg(o.code == 0, "%s", o.err);
    static const char *const rows[] = {"ptq W8A8 per_tensor minmax", "qat-W8A8-seed3"};
    for (int i = 0; i < 2; i++) {
        const char *note = arena_printf(arena, "note: %s: layer \"pw\": nearly dead, its outputs span ", rows[i]);
        ck_assert_msg(strstr(o.err, note) != NULL, "\"%s\" is not in: %s", note, o.err);
    }
    end();
}
END_TEST

/* And so do files: what looks for dead layers leaves no trace in quantizers that have not begun. */
START_TEST(looking_leaves_no_trace)
{
    begin_zoo();
    Config *config;
    DataSplits data;
    Model *m, *from;
    static const char *const sets[] = {"quant.weights.bits=4", "quant.activations.bits=4", NULL};
    must(config_read(arena, inside("zoo.json"), sets, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &from));
    model_init(from, 7);
    must(quantize_from(arena, config, &config->quant, from, &data, &m));
    for (int i = 0; i < m->quantizers; i++) ck_assert_int_eq(m->quantizer[i]->ready, !m->quantizer[i]->is_weight);
    end();
}
END_TEST

START_TEST(the_healthy_stay_as_they_are)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    for (int d = 0; d < ROUNDINGS; d++) {
        const char *const sets[] = {arena_printf(arena, "quant.dialect=%s", rounding_names[d]), NULL};
        program_must(arena, folder,
                     arena_printf(arena, "ptq float/last.safetensors --quiet --overwrite --out p --set %s", sets[0]));
        OpenModel open;
        must(model_open(arena, inside("p/model.safetensors"), sets, &open));
        Model *m = open.model;
        float before[64] = {0};
        for (int i = 0; i < m->quantizers; i++) before[i] = m->quantizer[i]->qp.scale[0];
        must(model_floor_grids(m, (Rounding)d));
        ck_assert_ptr_null(model_floor_notes(arena, m)[0]);
        for (int i = 0; i < m->quantizers; i++) ck_assert(before[i] == m->quantizer[i]->qp.scale[0]);
    }
    end();
}
END_TEST

/* Ratios of scales that XNNPACK does not hold, at each kind of node that has some; all but the first for a layer whose
 * outputs are all zero. */
START_TEST(ratios_of_scales)
{
    static const struct {
        const char *layers, *wide, *silent;
    } nets[] = {
        {"{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"b\"]},"
         "{\"type\":\"activation\",\"name\":\"y\",\"function\":\"relu6\"}",
         "s", NULL},
        {"{\"type\":\"concat\",\"name\":\"y\",\"inputs\":[\"a\",\"b\"]}", "a", NULL},
        {"{\"type\":\"concat\",\"name\":\"y\",\"inputs\":[\"a\",\"b\"]}", NULL, "a"},
        {"{\"type\":\"add\",\"name\":\"y\",\"inputs\":[\"a\",\"b\"]}", NULL, "b"},
    };
    for (int i = 0; i < 4; i++)
        for (int d = 0; d < ROUNDINGS; d++) {
            if (!rounding_is_float((Rounding)d)) continue;
            arena = arena_create();
            Model *m = small_model(
                arena,
                arena_printf(arena,
                             "{\"input\":[8,8,4],\"layers\":["
                             "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":4,\"kernel\":1,\"inputs\":\"input\"},"
                             "{\"type\":\"conv2d\",\"name\":\"b\",\"filters\":4,\"kernel\":1,\"inputs\":\"input\"},"
                             "%s,{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
                             nets[i].layers),
                "{}", 60);
            Quantizer *y = m->layer[small_layer(m, "y")].out_q;
            if (nets[i].wide != NULL)
                m->layer[small_layer(m, nets[i].wide)].out_q->qp.scale[0] = 1044.0f * y->qp.scale[0];
            if (nets[i].silent != NULL) {
                Quantizer *q = m->layer[small_layer(m, nets[i].silent)].out_q;
                q->observer.min = q->observer.max = 0.0f;
                q->qp.scale[0] = 1.0f, q->qp.zero_point = 0;
                y->qp.scale[0] = 1e-3f;
            }
            const float before = y->qp.scale[0];
            Graph *g;
            must(model_lower_unchecked(arena, m, (Rounding)d, &g));
            ck_assert_int_ne(graph_check_runtime(g), STATUS_OK);
            must(model_floor_grids(m, (Rounding)d));
            must(model_lower(arena, m, (Rounding)d, &g));
            must(graph_check_runtime(g));
            ck_assert_msg((y->qp.scale[0] > before) == (nets[i].silent == NULL), "net %d: %g", i,
                          (double)y->qp.scale[0]);
            ck_assert_int_eq(model_floor_notes(arena, m)[0] != NULL, nets[i].silent == NULL);
            arena_destroy(arena);
        }
}
END_TEST

TEST_MAIN("dead_layer", ratios_of_scales, every_rounding, a_refused_graph_exits_with_1, a_channel_all_but_zero,
          rows_of_a_table_tell_it, looking_leaves_no_trace, the_healthy_stay_as_they_are)
