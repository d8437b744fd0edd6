/* Landmarks through the program: trained, quantized, evaluated, verified, exported, searched, in a table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "include/bitfold.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { POINTS = 12 };

static const char faces[] =
    "{\"task\":{\"type\":\"landmarks\",\"normalizer\":[\"left_eye_outer\",\"right_eye_outer\"]},"
    "\"data\":{\"dataset\":\"faces\",\"synthetic_train\":600,\"synthetic_test\":100,\"synthetic_noise\":0.1,"
    "\"validation\":0.1,\"normalize\":{\"mean\":0.5019607843137255,\"std\":0.25},\"augment\":{\"flip\":true}},"
    "\"model\":{\"input\":[24,24,1],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":8,\"kernel\":3,\"stride\":2,\"batch_norm\":true,"
    "\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"b\",\"filters\":16,\"kernel\":3,\"stride\":2,\"batch_norm\":true,"
    "\"activation\":\"relu\"},"
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"points\",\"units\":24}]},"
    "\"train\":{\"epochs\":8,\"batch\":32,\"optimizer\":{\"type\":\"adamw\",\"lr\":0.005}},\"qat\":{\"epochs\":1},"
    "\"compare\":{\"rows\":[{\"name\":\"int8\",\"kind\":\"ptq\",\"quant.output_bits\":8},"
    "{\"name\":\"int16\",\"kind\":\"ptq\"}]}}";

static double nme_of(const char *command)
{
    cJSON *json = program_json(arena, folder, command);
    const double nme = number(json, "nme"), pck = number(json, "pck");
    ck_assert(pck >= 0 && pck <= 1 && number(json, "pck_threshold") == 0.1 && json_get(json, "accuracy") == NULL);
    ck_assert_str_eq(json_get(json, "normalizer")->valuestring, "the distance of left_eye_outer and right_eye_outer");
    const cJSON *points = json_get(json, "points");
    ck_assert_int_eq(cJSON_GetArraySize(points), POINTS);
    ck_assert_str_eq(json_get(cJSON_GetArrayItem(points, 6), "name")->valuestring, "nose");
    double images = 0;
    for (int p = 0; p < POINTS; p++) images += number(cJSON_GetArrayItem(points, p), "images") / 100;
    ck_assert(images < POINTS && images > POINTS / 2); /* hidden ones are not judged */
    cJSON_Delete(json);
    return nme;
}

START_TEST(from_faces_to_exports)
{
    begin_zoo();
    put_text(folder, "faces.json", faces);
    has(program_must(arena, folder, "train faces.json --out f --quiet"), "test NME ");
    has(text_of("f/metrics.jsonl"), "\"nme\":");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    program_must(arena, folder, "ptq f/last.safetensors --out e --quiet --set quant.output_bits=8");
    program_must(arena, folder, "qat f/last.safetensors --out q --quiet");
    const double f = nme_of("eval f/last.safetensors --quiet"), p = nme_of("eval p --quiet");
    ck_assert_double_lt(f, 0.5); /* the mean face has about 0.65 */
    ck_assert_double_eq_tol(p, f, 0.02 * f);
    ck_assert_double_eq(nme_of("eval p --quiet --engine sim"), p);
    /* Held against float's answers: of itself none is off, of fewer bits more is than of more. */
    ck_assert_double_eq_tol(nme_of("eval f/last.safetensors --against f/last.safetensors --quiet"), 0, 1e-6);
    const double fine = nme_of("eval p --against f/last.safetensors --quiet"),
                 coarse = nme_of("eval e --against f/last.safetensors --quiet");
    ck_assert(fine > 0 && fine < coarse && coarse < 0.2 * f);
    has(program_must(arena, folder, "eval p --against f/last.safetensors"), "against f/last.safetensors: test split");
    program_refuses(arena, folder, "eval p --against zoo.json", "zoo.json");
    program_must(arena, folder, "train zoo.json --out z --quiet --set train.epochs=0");
    program_refuses(arena, folder, "eval p --against z/last.safetensors", "has another task, input or outputs than p");
    ck_assert_double_lt(nme_of("eval q --quiet"), 1.1 * f);
    ck_assert_double_lt(nme_of("eval e --quiet"), 1.1 * f);
    has(program_must(arena, folder, "verify p"), " 0 different");
    has(program_must(arena, folder, "verify q"), " 0 different");
    has(program_must(arena, folder, "verify e"), " 0 different");
    program_must(arena, folder, "export p -o m.safetensors --quiet");
    put_text(folder, "config.json", text_of("p/config.json"));
    ck_assert_double_eq(nme_of("eval m.safetensors --quiet"), p);
    program_must(arena, folder, "export p -o m.c --quiet");
    has(text_of("m.h"), "#define M_TARGET_MEAN {");
    has(text_of("m.c"), "\"left_eye_outer_x\"");
    program_must(arena, folder, "export p -o m.tflite --quiet");
    program_must(arena, folder, "export p -o m.onnx --quiet");
    program_must(arena, folder, "inspect p --target c --quiet");
    program_refuses(arena, folder, "eval p --set task.type=regression",
                    "data.dataset: \"faces\" has points; task.type must be landmarks");
    program_refuses(arena, folder, "eval p --set task.normalizer=[\"ear\",\"nose\"]",
                    "task.normalizer: \"ear\"; must be two of the points: left_brow, right_brow, ");
    program_refuses(arena, folder, "train faces.json --out x --set model.layers.points.units=22",
                    "gives 22 coordinates, the data has 24 coordinates");
    program_refuses(arena, folder, "train faces.json --out x --set model.layers.points.units=25",
                    "25 outputs; of the task landmarks it must be two for each point");
    program_refuses(arena, folder, "train faces.json --out x --set data.augment.mixup=0.2",
                    "of the task landmarks, which has no classes, it must be 0");
    end();
}
END_TEST

/* What the network answers is in pixels of its input, by the program, the library and the score alike. */
START_TEST(answers_are_pixels)
{
    begin_zoo();
    put_text(folder, "faces.json", faces);
    program_must(arena, folder, "train faces.json --out f --quiet --set train.epochs=2");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    program_must(arena, folder, "eval p --quiet --dump d --images 20");
    bitfold_model *model;
    ck_assert_msg(bitfold_open(inside("p"), &model) == BITFOLD_OK, "%s", bitfold_message());
    ck_assert_str_eq(bitfold_class_name(model, 1), "left_brow_y");
    unsigned char *pixels, *file;
    size_t n;
    ck_assert_int_eq(file_read(arena, inside("d/pixels.u8"), 1 << 20, &pixels, &n), STATUS_OK);
    ck_assert_int_eq(file_read(arena, inside("d/targets.f32"), 1 << 20, &file, &n), STATUS_OK);
    ck_assert(n == sizeof(float) * 20 * 3 * POINTS);
    const float *target = (const void *)file;
    float at[20 * 2 * POINTS];
    bitfold_run(model, pixels, 20, at);
    double sum = 0;
    int judged = 0;
    for (int i = 0; i < 20; i++) {
        const float *t = target + 3 * POINTS * i;
        const double unit = hypot((double)(t[6] - t[15]), (double)(t[7] - t[16]));
        double error = 0;
        int visible = 0;
        for (int p = 0; p < POINTS; p++) {
            if (t[3 * p + 2] == 0) continue;
            error += hypot((double)(at[24 * i + 2 * p] - t[3 * p]), (double)(at[24 * i + 2 * p + 1] - t[3 * p + 1]));
            visible++;
        }
        if (visible > 0) sum += error / visible / unit, judged++;
    }
    cJSON *json = program_json(arena, folder, "eval p --quiet --images 20");
    ck_assert_double_eq_tol(number(json, "nme"), sum / judged, 1e-4);
    cJSON_Delete(json);
    bitfold_close(model);
    end();
}
END_TEST

static int count(const char *text, const char *words)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) n++;
    return n;
}

START_TEST(a_table_and_a_search_of_points)
{
    enum { ROWS = 3, PICTURES = 6 };
    begin_zoo();
    put_text(folder, "faces.json", faces);
    program_must(arena, folder, "compare faces.json --out t --quiet --set train.epochs=2");
    const char *csv = text_of("t/compare.csv"), *page = text_of("t/report.html");
    has(csv, "nme");
    has(page, "NME, %");
    /* The points of label, float and each network over the first test pictures; nothing comes from elsewhere. */
    has(page, "style-src 'unsafe-inline'; img-src data:\">");
    ck_assert_int_eq(count(page, "href=\"data:image/png;base64,iVBORw0KGgo"), PICTURES);
    ck_assert_int_eq(count(page, "<use href=\"#picture"), ROWS * PICTURES);
    const char *drawn = strstr(page, "<h2>Points</h2>");
    ck_assert_ptr_nonnull(drawn);
    const int rings = count(drawn, "fill=\"none\" stroke=\"var(--c-2f9e63)\"");
    ck_assert(rings % ROWS == 0 && rings < ROWS * PICTURES * POINTS && rings > ROWS * PICTURES * POINTS / 2);
    ck_assert_int_eq(count(drawn, "\" fill=\"var(--c-e07b1f)\"/>"), (ROWS - 1) * PICTURES * POINTS);
    ck_assert_int_eq(count(drawn, ", against float "), ROWS - 1);
    program_must(arena, folder, "partial t/float-seed1 --format float16 --tolerance 100 --out h --images 30 --quiet");
    has(text_of("h/report.html"), "NME");
    end();
}
END_TEST

TEST_MAIN("landmarks", from_faces_to_exports, answers_are_pixels, a_table_and_a_search_of_points)
