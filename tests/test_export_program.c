/* export with the real program: the rounding a format's runtimes have, and what it changes, as measured. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/exporter.h"
#include "deploy/tflite/tflite_model.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { IMAGES = 500, CLASSES = 4 };

/* zoo.json quantized in xnnpack: "q/model.safetensors". */
static void quantized(void)
{
    begin_zoo();
    program_must(arena, folder,
                 "train zoo.json --quiet --out float --set train.epochs=3 --set data.synthetic_test=500");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out q --set quant.dialect=xnnpack");
}

/* The codes of the logits in a rounding, by `eval --dump`. */
static const int8_t *logits_in(const char *rounding)
{
    unsigned char *data;
    size_t bytes;
    program_must(arena, folder,
                 arena_printf(arena, "eval q/model.safetensors --set quant.dialect=%s --dump %s", rounding, rounding));
    must(file_read(arena, inside(arena_printf(arena, "%s/logits.i8", rounding)), 1 << 20, &data, &bytes));
    ck_assert_uint_eq(bytes, IMAGES * CLASSES);
    return (const int8_t *)data;
}

static double accuracy_in(const char *rounding)
{
    cJSON *json =
        program_json(arena, folder, arena_printf(arena, "eval q/model.safetensors --set quant.dialect=%s", rounding));
    const double accuracy = number(json, "accuracy");
    cJSON_Delete(json);
    return accuracy;
}

static int answer(const int8_t *logits)
{
    int best = 0;
    for (int k = 1; k < CLASSES; k++)
        if (logits[k] > logits[best]) best = k;
    return best;
}

static void check_change(const cJSON *change, const char *rounding)
{
    const int8_t *from = logits_in("xnnpack"), *to = logits_in(rounding);
    int different = 0, largest = 0, answers = 0;
    for (int i = 0; i < IMAGES * CLASSES; i++) {
        const int off = abs(from[i] - to[i]);
        different += off != 0;
        if (off > largest) largest = off;
    }
    for (int i = 0; i < IMAGES; i++) answers += answer(from + i * CLASSES) != answer(to + i * CLASSES);
    ck_assert_str_eq(text(change, "from"), "xnnpack");
    ck_assert_str_eq(text(change, "to"), rounding);
    ck_assert_double_eq(number(change, "images"), IMAGES);
    ck_assert_double_eq(number(change, "logits"), IMAGES * CLASSES);
    ck_assert_double_eq(number(change, "different"), different);
    ck_assert_double_eq(number(change, "largest"), largest);
    ck_assert_double_eq(number(change, "answers_changed"), answers);
    ck_assert_double_eq_tol(number(change, "accuracy_before"), accuracy_in("xnnpack"), 1e-12);
    ck_assert_double_eq_tol(number(change, "accuracy_after"), accuracy_in(rounding), 1e-12);
}

/* The file's own rounding, and whether and how the change to it is told. */
static void check_export(const char *arguments, const char *wanted, const char *rounding)
{
    const bool told = strcmp(rounding, "xnnpack") != 0;
    cJSON *json = program_json(arena, folder, arena_printf(arena, "export %s", arguments));
    ck_assert_msg(strcmp(text(json, "rounding"), rounding) == 0, "%s: %s", arguments, text(json, "rounding"));
    const cJSON *change = cJSON_GetObjectItem(json, "rounding_change"), *notes = cJSON_GetObjectItem(json, "notes");
    ck_assert_msg((change != NULL) == told, "%s", arguments);
    ck_assert_msg((notes != NULL) == (told || strcmp(rounding, wanted) != 0), "%s", arguments);
    if (told) check_change(change, rounding);
    cJSON_Delete(json);
}

START_TEST(every_format_gets_a_rounding_its_runtimes_have)
{
    quantized();
    ck_assert_int_eq(exporter_rounding(exporter_find("safetensors"), ROUNDING_XNNPACK), ROUNDING_XNNPACK);
    ck_assert_int_eq(exporter_rounding(exporter_find("onnx"), ROUNDING_XNNPACK), ROUNDING_ONNXRUNTIME);
    ck_assert_int_eq(exporter_rounding(exporter_find("tflite"), ROUNDING_XNNPACK), ROUNDING_XNNPACK);
    ck_assert_int_eq(exporter_rounding(exporter_find("c"), ROUNDING_XNNPACK), ROUNDING_TFLITE_SINGLE);
    for (int i = 0; exporters[i] != NULL; i++) {
        const char *name = exporters[i]->name, *file = arena_printf(arena, "m%s", exporters[i]->extension);
        check_export(arena_printf(arena, "q/model.safetensors -o %s", file), "xnnpack",
                     rounding_names[exporter_rounding(exporters[i], ROUNDING_XNNPACK)]);
        for (int d = 0; d < ROUNDINGS; d++) {
            const char *wanted = rounding_names[d], *got = rounding_names[exporter_rounding(exporters[i], (Rounding)d)];
            check_export(
                arena_printf(arena, "q/model.safetensors --set quant.dialect=%s --to %s -o %s", wanted, name, file),
                wanted, got);
        }
    }
    /* Some rounding must have changed something, or this compared nothing. */
    ck_assert_mem_ne(logits_in("xnnpack"), logits_in("tflite-double"), IMAGES * CLASSES);
    end();
}
END_TEST

START_TEST(what_was_not_measured_is_said)
{
    quantized();
    must(file_make_dir(inside("alone")));
    program_must(arena, folder, "export q/model.safetensors -o alone/m.safetensors --quiet");
    const char *said = program_must(arena, folder, "export alone/m.safetensors -o m.c");
    ck_assert_ptr_nonnull(
        strstr(said, "note: quantized with the rounding xnnpack, written with tflite-single, as runtimes of .c "
                     "files round: codes may differ in every layer"));
    ck_assert_ptr_nonnull(strstr(said, "not measured, for want of test images: its data are not known"));
    said =
        program_must(arena, folder, "export q/model.safetensors -o m.c --set data.dataset=folder --set data.dir=none");
    ck_assert_ptr_nonnull(strstr(said, "not measured, for want of test images: "));
    ck_assert_ptr_nonnull(strstr(said, "none"));
    said = program_must(arena, folder,
                        "export alone/m.safetensors -o m.c --set data.dataset=synthetic --set data.synthetic_test=30 "
                        "--set data.classes=4");
    ck_assert_msg(strstr(said, " logits") != NULL && strstr(said, "on 30 test images") != NULL, "%s", said);
    end();
}
END_TEST

START_TEST(a_rounding_no_runtime_has_is_said)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=1");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out q --set quant.dialect=onnxruntime");
    const char *said = program_must(arena, folder, "export q/model.safetensors --set quant.dialect=xnnpack -o m.onnx");
    ck_assert_ptr_nonnull(strstr(said, "m.onnx: rounding onnxruntime"));
    ck_assert_ptr_nonnull(
        strstr(said, "note: the rounding xnnpack of quant.target was not heeded: runtimes of .onnx files round as "
                     "onnxruntime, as the model does"));
    end();
}
END_TEST

/* Operators of one kind in a .tflite file. */
static int operators(const char *name, TfliteOpIndex op)
{
    unsigned char *data;
    size_t bytes;
    TfliteModel *m;
    int count = 0;
    must(file_read(arena, inside(name), 1 << 26, &data, &bytes));
    must(tflite_check(arena, data, bytes, name, &m));
    for (int i = 0; i < m->operators; i++) count += m->node[i].op == &tflite_ops[op];
    return count;
}

#define FOUR_BITS                                                                                                      \
    " --set quant.weights.bits=4 --set quant.activations.bits=4 --set quant.first_last_bits=0 --set qat.epochs=1"

/* What the note offers, as it is to be given: "quant.overrides=[...]"; NULL if there is no note. */
static const char *offered(const Outcome *o)
{
    static const char before[] = "--set 'quant.overrides=";
    const char *at = strstr(o->err, before);
    if (at == NULL) return NULL;
    ck_assert_msg(strstr(o->err, " epoch ") == NULL || strstr(o->err, " epoch ") > at, "%s",
                  o->err); /* before training */
    at += strlen("--set '");
    return arena_printf(arena, "%.*s", (int)(strchr(at, '\'') - at), at);
}

static Outcome quantize(const char *verb, const char *out, const char *settings)
{
    const char *command = arena_printf(arena, "%s float/last.safetensors --out %s" FOUR_BITS "%s", verb, out, settings);
    const Outcome o = program_run(arena, &(Where){.folder = folder}, command);
    ck_assert_msg(o.code == 0, "%s: %s", command, o.err);
    return o;
}

START_TEST(bits_that_tflite_clips_by_operators_are_told_before_training)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=2");
    static const char *const verbs[] = {"ptq", "qat"}, *const files[] = {"model", "last"};
    for (int i = 0; i < 2; i++) {
        const char *narrow = arena_printf(arena, "narrow%d", i), *wide = arena_printf(arena, "wide%d", i);
        Outcome o = quantize(verbs[i], narrow, "");
        const char *set = offered(&o);
        ck_assert_msg(set != NULL && strchr(set, ' ') == NULL, "%s", o.err);
        program_must(arena, folder, arena_printf(arena, "export %s/%s.safetensors -o n.tflite", narrow, files[i]));
        ck_assert_int_gt(operators("n.tflite", TFLITE_MAXIMUM), 0);
        ck_assert_int_gt(operators("n.tflite", TFLITE_MINIMUM), 0);
        o = quantize(verbs[i], wide, arena_printf(arena, " --set %s", set));
        ck_assert_ptr_null(offered(&o));
        program_must(arena, folder, arena_printf(arena, "verify %s/%s.safetensors", wide, files[i]));
        program_must(arena, folder, arena_printf(arena, "export %s/%s.safetensors -o w.tflite", wide, files[i]));
        ck_assert_int_eq(operators("w.tflite", TFLITE_MAXIMUM) + operators("w.tflite", TFLITE_MINIMUM), 0);
    }
    /* What a layer had of another override stays with it. */
    Outcome o = quantize("ptq", "had", " --set quant.overrides=[{\"layers\":\"*\",\"weight_bits\":3}]");
    const char *kept = offered(&o);
    ck_assert_ptr_nonnull(strstr(kept, "[{\"layers\":\"*\",\"weight_bits\":3},{\"layers\":\""));
    ck_assert_ptr_nonnull(strstr(kept, "\"weight_bits\":3,\"activation_bits\":8}"));
    o = quantize("ptq", "other", " --set quant.dialect=onnxruntime");
    ck_assert_ptr_null(offered(&o));
    end();
}
END_TEST

/* What `inspect --target c` says a model costs, in text and as JSON, is what the exported C says of itself. */
START_TEST(costs_on_a_microcontroller_are_those_of_the_export)
{
    quantized();
    program_must(arena, folder, "export q/model.safetensors -o m.c");
    unsigned char *header;
    size_t bytes;
    must(file_read(arena, inside("m.h"), 1 << 20, &header, &bytes));
    cJSON *json = program_json(arena, folder, "inspect q/model.safetensors --target c");
    double macs = 0.0, flash = number(json, "pixel_table_bytes");
    const cJSON *layer;
    cJSON_ArrayForEach(layer, cJSON_GetObjectItem(json, "layers"))
    {
        macs += number(layer, "macs");
        flash += number(layer, "weight_bytes") + number(layer, "bias_bytes") + number(layer, "multiplier_bytes");
        ck_assert_double_le(number(layer, "arena_bytes"), number(json, "arena_bytes"));
    }
    ck_assert_double_gt(macs, 0.0);
    ck_assert_double_eq(number(json, "macs"), macs);
    ck_assert_double_eq(number(json, "flash_bytes"), flash);
    ck_assert_str_eq(text(json, "target"), "c");
    const char *said = program_must(arena, folder, "inspect q/model.safetensors --target c");
    ck_assert_ptr_nonnull(strstr(said, arena_printf(arena, "\nflash %.0f bytes", flash)));
    ck_assert_ptr_nonnull(strstr(said, arena_printf(arena, "\nRAM %.0f bytes", number(json, "arena_bytes"))));
    ck_assert_ptr_nonnull(strstr((char *)header, arena_printf(arena, "M_FLASH_BYTES %.0f\n", flash)));
    ck_assert_ptr_nonnull(strstr(said, "note: rounding xnnpack; export --to c writes tflite-single"));
    cJSON_Delete(json);
    const Where where = {.folder = folder};
    const Outcome o = program_run(arena, &where, "inspect q/model.safetensors --target avr");
    ck_assert_int_eq(o.code, 2);
    ck_assert_ptr_nonnull(strstr(o.err, "--target: \"avr\"; must be one of: c"));
    end();
}
END_TEST

TEST_MAIN("export program", every_format_gets_a_rounding_its_runtimes_have, what_was_not_measured_is_said,
          a_rounding_no_runtime_has_is_said, bits_that_tflite_clips_by_operators_are_told_before_training,
          costs_on_a_microcontroller_are_those_of_the_export)
