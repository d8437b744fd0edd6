/* The whole road on synthetic data, with the real program: float, post-training quantization, training in the loop, the
 * proof, the exported file in three engines, pictures, tables. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "datasets/dataset.h"
#include "graph/graph.h"
#include "graph/engine.h"
#include "graph/graph_read.h"
#include "train/experiment.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { SIDE = 12, PIXELS = SIDE * SIDE };

static void begin_trained(void)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=8");
}

static void same_bytes(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;
    ck_assert_int_eq(file_read(arena, inside(a), 1 << 26, &x, &n), STATUS_OK);
    ck_assert_int_eq(file_read(arena, inside(b), 1 << 26, &y, &m), STATUS_OK);
    ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s and %s differ", a, b);
}

/* Every tensor of the exported file, by the engine and by an interpreter that shares no code with it. */
static void third_engine_agrees(const char *path)
{
    enum { IMAGES = 9 };
    NaiveModel *naive = naive_open(inside(path));
    ck_assert_ptr_nonnull(naive);
    Graph *graph;
    Engine *engine;
    ck_assert_msg(graph_read(arena, inside(path), &graph) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(engine_create(arena, graph, 1, &engine), STATUS_OK);
    ck_assert_int_eq(naive_tensors(naive), graph->tensors);
    Config *config;
    DataSplits data;
    ck_assert_int_eq(config_read(arena, inside("zoo.json"), NULL, &config), STATUS_OK);
    ck_assert_int_eq(experiment_data(arena, config, &data), STATUS_OK);
    const uint8_t *pixels = all_images(arena, &data.test);
    for (int i = 0; i < IMAGES; i++) {
        int8_t codes[PIXELS], logits[16];
        graph_quantize_pixels(graph, pixels + (size_t)i * PIXELS, 1, codes);
        engine_run(engine, codes, 1, logits);
        naive_run(naive, codes);
        for (int t = 0; t < graph->tensors; t++) {
            const int8_t *got = engine_tensor(engine, t);
            const int64_t *want = naive_codes(naive, t);
            for (long k = 0; k < naive_elements(naive, t); k++)
                ck_assert_msg(got[k] == want[k], "%s, image %d, %s[%ld]: %d, interpreter %lld", path, i,
                              naive_name(naive, t), k, got[k], (long long)want[k]);
        }
    }
    naive_close(naive);
}

/* One quantized model: verified, exported twice and evaluated in each rounding. */
static void check_model(const char *model)
{
    for (int d = 0; d < ROUNDINGS; d++) {
        const char *set = arena_printf(arena, "%s --set quant.dialect=%s", model, rounding_names[d]);
        cJSON *verified = program_json(arena, folder, arena_printf(arena, "verify %s", set));
        ck_assert_msg(number(verified, "different") == 0.0, "%s: %g different", set, number(verified, "different"));
        ck_assert_double_gt(number(verified, "values"), 40.0 * PIXELS);
        ck_assert_str_eq(text(verified, "rounding"), rounding_names[d]);
        cJSON_Delete(verified);
        program_must(arena, folder, arena_printf(arena, "export %s --to safetensors -o a.safetensors --quiet", set));
        program_must(arena, folder, arena_printf(arena, "export %s -o b.safetensors --quiet", set));
        same_bytes("a.safetensors", "b.safetensors");
        third_engine_agrees("a.safetensors");
        cJSON *sim = program_json(arena, folder, arena_printf(arena, "eval %s --engine sim --split test", set));
        cJSON *int8 = program_json(arena, folder, arena_printf(arena, "eval %s --engine int8 --split test", set));
        ck_assert_double_eq(number(sim, "accuracy"), number(int8, "accuracy"));
        ck_assert_double_eq(number(sim, "loss"), number(int8, "loss"));
        ck_assert_double_eq(number(int8, "n"), 40.0);
        cJSON_Delete(sim);
        cJSON_Delete(int8);
    }
    cJSON *real = program_json(arena, folder, arena_printf(arena, "eval %s --engine float", model));
    ck_assert_double_gt(number(real, "accuracy"), 0.3);
    ck_assert_double_gt(number(real, "images_per_s"), 0.0);
    cJSON_Delete(real);
}

START_TEST(every_model_is_proven_in_every_rounding)
{
    begin_trained();
    cJSON *trained = program_json(arena, folder, "eval float/last.safetensors --engine float --split test");
    ck_assert_double_gt(number(trained, "accuracy"), 0.6); /* of 4 classes */
    cJSON_Delete(trained);
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out ptq_channel");
    program_must(arena, folder,
                 "ptq float/last.safetensors --quiet --out ptq_tensor --set "
                 "quant.weights.granularity=per_tensor --set quant.activations.observer=entropy");
    check_model("ptq_channel/model.safetensors");
    check_model("ptq_tensor/model.safetensors");
    for (int bits = 8; bits >= 2; bits /= 2) {
        program_must(arena, folder,
                     arena_printf(arena,
                                  "qat float/last.safetensors --quiet --out qat%d --set qat.epochs=5 --set "
                                  "quant.weights.bits=%d --set quant.activations.bits=%d --set "
                                  "quant.first_last_bits=%d",
                                  bits, bits, bits, bits == 4 ? 0 : 8));
        check_model(arena_printf(arena, "qat%d/best.safetensors", bits));
    }
    program_must(arena, folder, "qat zoo.json --quiet --out scratch --set quant.weights.granularity=per_tensor");
    check_model("scratch/last.safetensors");
    end();
}
END_TEST

/* The codes of an .npy file of |i1, read by its own rules. */
static const int8_t *read_npy(const char *path, long elements)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_msg(file_read(arena, path, 1 << 20, &data, &bytes) == STATUS_OK, "%s", status_message());
    ck_assert_mem_eq(data, "\x93NUMPY\x01\x00", 8);
    const size_t header = (size_t)(data[8] | data[9] << 8);
    ck_assert_uint_eq((10 + header) % 64, 0);
    ck_assert_int_eq(data[10 + header - 1], '\n');
    const char *said = arena_printf(arena, "%.*s", (int)header, (const char *)data + 10);
    ck_assert_ptr_nonnull(strstr(said, "'descr': '|i1'"));
    ck_assert_ptr_nonnull(strstr(said, "'fortran_order': False"));
    long h, w, c;
    ck_assert_int_eq(sscanf(strstr(said, "'shape': (") + 10, "%ld, %ld, %ld)", &h, &w, &c), 3);
    ck_assert_int_eq(h * w * c, elements);
    ck_assert_uint_eq(bytes, 10 + header + (size_t)elements);
    return (const int8_t *)data + 10 + header;
}

/* The numbers between the braces of a C array. */
static void same_as_c(const char *path, const int8_t *codes, long elements)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, path, 1 << 20, &data, &bytes), STATUS_OK);
    char *at = strchr((char *)data, '{');
    ck_assert_ptr_nonnull(at);
    for (long i = 0; i < elements; i++) {
        char *end;
        const long v = strtol(at + 1, &end, 10);
        ck_assert_msg(end != at + 1 && v == codes[i], "%s: item %ld is %ld, not %d", path, i, v, codes[i]);
        at = end;
        ck_assert_int_eq(*at, ',');
    }
    ck_assert_str_eq(at, ",\n};\n");
}

START_TEST(predict_names_classes_and_dumps_every_layer)
{
    begin_trained();
    program_must(arena, folder, "qat float/last.safetensors --quiet --out qat --set quant.weights.bits=4");
    program_must(arena, folder, "export qat/last.safetensors --quiet -o m.safetensors");
    uint8_t pixels[PIXELS];
    for (int i = 0; i < PIXELS; i++) pixels[i] = (uint8_t)(37 * i + i / 7);
    put_png(folder, "x.png", &(Picture){.w = SIDE, .h = SIDE, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
    static uint8_t colour[20 * 30 * 3];
    for (size_t i = 0; i < sizeof colour; i++) colour[i] = (uint8_t)(i * i / 11);
    put_png(folder, "rgb.png", &(Picture){.w = 30, .h = 20, .bits = 8, .type = PNG_COLOR_TYPE_RGB, .rows = colour});

    cJSON *json = program_json(arena, folder, "predict qat/last.safetensors x.png rgb.png --dump codes");
    const cJSON *list = json_get(json, "predictions");
    ck_assert_int_eq(cJSON_GetArraySize(list), 2);
    const cJSON *first = cJSON_GetArrayItem(list, 0);
    ck_assert_str_eq(text(first, "image"), "x.png");
    ck_assert_str_eq(text(cJSON_GetArrayItem(list, 1), "image"), "rgb.png");

    NaiveModel *naive = naive_open(inside("m.safetensors"));
    ck_assert_ptr_nonnull(naive);
    int8_t codes[PIXELS];
    for (int i = 0; i < PIXELS; i++) codes[i] = (int8_t)(pixels[i] - 128); /* the codes are the pixels */
    naive_run(naive, codes);
    int best = 0;
    for (int t = 0; t < naive_tensors(naive); t++) {
        const char *name = naive_name(naive, t), *base = file_join(arena, inside("codes"), name);
        const long n = naive_elements(naive, t);
        const int64_t *want = naive_codes(naive, t);
        const int8_t *got = read_npy(arena_printf(arena, "%s.npy", base), n);
        for (long i = 0; i < n; i++)
            ck_assert_msg(got[i] == want[i], "%s[%ld]: %d, not %d", name, i, got[i], (int)want[i]);
        same_as_c(arena_printf(arena, "%s.c", base), got, n);
        if (strcmp(name, "logits") != 0) continue;
        for (int k = 1; k < n; k++)
            if (want[k] > want[best]) best = k;
    }
    ck_assert_double_eq(number(first, "index"), (double)best);
    ck_assert_str_eq(text(first, "class"), arena_printf(arena, "%d", best));
    ck_assert(number(first, "probability") > 0.25 && number(first, "probability") <= 1.0);
    naive_close(naive);
    cJSON_Delete(json);

    const char *shown = program_must(arena, folder, "predict float/last.safetensors x.png rgb.png");
    ck_assert_int_eq(line_count(shown), 2);
    ck_assert_ptr_eq(strstr(shown, "x.png: "), shown);
    end();
}
END_TEST

/* Class names go from the folders into the model and out of predict. */
START_TEST(folders_of_pictures_teach_their_names)
{
    begin_trained();
    for (int i = 0; i < 24; i++) {
        uint8_t rows[PIXELS];
        for (int p = 0; p < PIXELS; p++) rows[p] = (uint8_t)((i % 2 == 0 ? 20 : 180) + (i * 5 + p * 7) % 40);
        put_png(folder, arena_printf(arena, "pictures/%s/%d.png", i % 2 == 0 ? "night" : "day", i),
                &(Picture){.w = SIDE, .h = SIDE, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = rows});
    }
    program_must(arena, folder,
                 "qat zoo.json --quiet --out pictures_run --set data.dataset=folder --set data.dir=pictures --set "
                 "data.classes=0 --set model.layers.logits.units=2 --set train.batch=4 --set train.epochs=6");
    const char *said =
        program_must(arena, folder, "predict pictures_run/last.safetensors pictures/night/0.png pictures/day/1.png");
    ck_assert_msg(strstr(said, "0.png: night") != NULL && strstr(said, "1.png: day") != NULL, "says: %s", said);
    ck_assert_ptr_nonnull(strstr(program_must(arena, folder, "eval pictures_run/last.safetensors"), "night"));
    program_must(arena, inside("pictures_run"), "eval last.safetensors"); /* its data is found from there, too */
    end();
}
END_TEST

START_TEST(inspect_tells_what_scripts_ask)
{
    begin_trained();
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out ptq");
    const char *shown = program_must(arena, folder, "inspect ptq/model.safetensors");
    static const char *const words[] = {"stem",        "depthwise_conv2d",   "MACs",         "flash", "RAM", "weights",
                                        "largest sum", "ranges of channels", "codes unused", NULL};
    for (int i = 0; words[i] != NULL; i++)
        ck_assert_msg(strstr(shown, words[i]) != NULL, "inspect lacks \"%s\"", words[i]);
    cJSON *of_config = program_json(arena, folder, "inspect zoo.json");
    cJSON *of_model = program_json(arena, folder, "inspect ptq/model.safetensors");
    /* stem 6x9, dw 9x6, pw 6x6, side 4x9x6, fc 16x90+16, logits 4x16+4, norms 2x(6+6+6), side's bias 4 */
    ck_assert_double_eq(number(of_config, "parameters"), 54 + 54 + 36 + 216 + 1456 + 68 + 36 + 4);
    static const char *const same[] = {"parameters", "flash_bytes", "arena_bytes", NULL};
    for (int i = 0; same[i] != NULL; i++) ck_assert_double_eq(number(of_config, same[i]), number(of_model, same[i]));
    ck_assert_int_eq(cJSON_GetArraySize(json_get(of_model, "layers")), 11);
    const cJSON *stem = cJSON_GetArrayItem(json_get(of_model, "layers"), 0);
    ck_assert_double_eq(number(stem, "macs"), 54 * 144);
    ck_assert_double_eq(number(stem, "weight_bits"), 8);
    ck_assert_double_gt(number(stem, "scale"), 0.0);
    ck_assert_double_ge(number(stem, "channel_range_ratio"), 1);
    ck_assert_double_eq(number(stem, "codes"), 255);
    ck_assert_double_ge(number(stem, "unused_codes"), 255 - 54); /* it has 54 weights */
    /* The bits of a signed integer that holds the sum, and no more. */
    const double sum = number(stem, "largest_sum"), half = exp2(number(stem, "sum_bits") - 1);
    ck_assert(sum < half && sum >= half / 2);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(of_model, "warnings")), 0);
    ck_assert_ptr_nonnull(strstr(shown, arena_printf(arena, "%.0f (%.0f bits)", sum, number(stem, "sum_bits"))));
    cJSON *exported = program_json(arena, folder, "export ptq/model.safetensors -o m.safetensors");
    ck_assert_double_eq(number(exported, "flash_bytes"), number(of_model, "flash_bytes"));
    cJSON_Delete(of_config);
    cJSON_Delete(of_model);
    cJSON_Delete(exported);
    end();
}
END_TEST

START_TEST(compare_fills_the_table)
{
    begin_trained();
    cJSON *json = program_json(arena, folder,
                               "compare zoo.json --quiet --out table --set compare.ptq_bits=[8,4] --set "
                               "compare.seeds=[1,2] --set compare.observers=[\"minmax\",\"mse\"] --set "
                               "compare.granularities=[\"per_tensor\",\"per_channel\"]");
    const cJSON *rows = json_get(json, "rows"), *row;
    ck_assert_int_eq(cJSON_GetArraySize(rows), 1 + 2 * 2 * 2 + 1);
    int i = 0;
    cJSON_ArrayForEach(row, rows)
    {
        const char *kind = text(row, "kind");
        ck_assert_str_eq(kind, i == 0 ? "float" : i <= 8 ? "ptq" : "qat");
        ck_assert_str_ne(text(row, "name"), "");
        ck_assert_double_eq(number(row, "weight_bits"), i == 0 ? 32 : i <= 4 ? 8 : 4);
        ck_assert_double_eq(number(row, "act_bits"), number(row, "weight_bits"));
        ck_assert_ptr_nonnull(text(row, "granularity"));
        ck_assert_ptr_nonnull(text(row, "observer"));
        ck_assert(number(row, "accuracy") >= 0.0 && number(row, "accuracy") <= 1.0);
        ck_assert(number(row, "accuracy_std") >= 0.0);
        ck_assert_double_eq(number(row, "seeds"), 2);
        ck_assert_double_gt(number(row, "latency_us"), 0.0);
        ck_assert_double_ge(number(row, "latency_median_us"), number(row, "latency_us"));
        ck_assert_double_gt(number(row, "macs"), 0.0);
        ck_assert(i == 0 || number(row, "ram_bytes") > 0.0);
        const cJSON *range = json_get(row, "accuracy_range");
        ck_assert_double_le(cJSON_GetArrayItem(range, 0)->valuedouble, number(row, "accuracy"));
        ck_assert_double_ge(cJSON_GetArrayItem(range, 1)->valuedouble, number(row, "accuracy"));
        ck_assert(i == 0 || (number(row, "p_value") >= 0.0 && number(row, "p_value") <= 1.0));
        const cJSON *int8 = json_get(row, "accuracy_int8");
        if (i == 0)
            ck_assert(cJSON_IsNull(int8));
        else
            ck_assert_double_eq(number(row, "accuracy_int8"), number(row, "accuracy"));
        /* 1864 weights and 42 outputs with a bias each; scales: one per output, or per tensor of 6 */
        const bool per_tensor = strcmp(text(row, "granularity"), "per_tensor") == 0;
        if (i == 0)
            ck_assert_double_eq(number(row, "size_bytes"), 4 * 1924);
        else if (number(row, "weight_bits") == 8.0)
            ck_assert_double_eq(number(row, "size_bytes"), 1864 + 4 * 42 + 4 * (per_tensor ? 6 : 42));
        i++;
    }
    cJSON_Delete(json);
    unsigned char *csv, *page;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, inside("table/compare.csv"), 1 << 20, &csv, &bytes), STATUS_OK);
    ck_assert_int_eq(line_count((char *)csv), 11);
    ck_assert_int_eq(file_read(arena, inside("table/report.html"), 1 << 24, &page, &bytes), STATUS_OK);
    static const char *const foreign[] = {"<link", "<script src", "<img src=\"http", "url(http", NULL};
    for (int k = 0; foreign[k] != NULL; k++) ck_assert_ptr_null(strstr((char *)page, foreign[k]));
    ck_assert_ptr_nonnull(strstr((char *)page, "</html>"));
    static const char *const sections[] = {"Results", "Layers", "Confusion", "Noise by layer", "Training"};
    for (int k = 0; k < 5; k++)
        ck_assert_ptr_nonnull(strstr((char *)page, arena_printf(arena, "<h2>%s</h2>", sections[k])));
    ck_assert_ptr_nonnull(strstr((char *)page, "<dt>Seeds</dt><dd>1, 2</dd>"));
    program_must(arena, folder, "verify table/qat-W4A4-ends-8-seed2/last.safetensors");
    /* Another folder, other threads: the same table, byte for byte; what the machine did is in the page alone. */
    program_must(arena, folder,
                 "compare zoo.json --quiet --out table2 --threads 1 --set compare.ptq_bits=[8,4] --set "
                 "compare.seeds=[1,2] --set compare.observers=[\"minmax\",\"mse\"] --set "
                 "compare.granularities=[\"per_tensor\",\"per_channel\"]");
    same_bytes("table/compare.csv", "table2/compare.csv");
    ck_assert_ptr_null(strstr((char *)csv, "latency"));
    unsigned char *note;
    ck_assert_int_eq(file_read(arena, inside("table/run.json"), 1 << 20, &note, &bytes), STATUS_OK);
    must(json_parse((char *)note, bytes, "run.json", &json));
    const cJSON *latency = json_get(json_get(json, "latency"), "qat W4A4 ends 8");
    ck_assert(number(latency, "least_us") > 0.0 && number(latency, "repeats") >= 101.0);
    cJSON_Delete(json);
    const char *again = program_must(arena, folder, "compare zoo.json --out table --overwrite --quiet --json");
    ck_assert_ptr_nonnull(strstr(again, "\"rows\""));
    end();
}
END_TEST

TEST_MAIN("end_to_end", every_model_is_proven_in_every_rounding, predict_names_classes_and_dumps_every_layer,
          folders_of_pictures_teach_their_names, inspect_tells_what_scripts_ask, compare_fills_the_table)
