/* The steps that make a model: which they are, that every verb and a table's rows take them alike, and the steps of
 * post-training quantization. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "compress/calibrate.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/model_task.h"
#include "train/recipe.h"

typedef struct {
    Config *config;
    DataSplits data;
    Model *from;
} Setup;

static Setup setup(const char *const *sets)
{
    Setup s;
    must(config_read(arena, inside("zoo.json"), sets, &s.config));
    must(experiment_data(arena, s.config, &s.data));
    must(experiment_model(arena, s.config, NULL, &s.data, &s.from));
    model_init(s.from, 7);
    return s;
}

static const char *steps_of(const Recipe *asked)
{
    Recipe r = *asked;
    recipe_plan(&r);
    const char *text = "";
    for (int i = 0; i < r.steps; i++)
        text = arena_printf(arena, "%s%s%s", text,
                            i == 0                                   ? ""
                            : r.step[i].phase != r.step[i - 1].phase ? " | "
                                                                     : " ",
                            r.step[i].name);
    return text;
}

START_TEST(each_kind_has_its_steps)
{
    begin_zoo();
    const Setup s = setup(NULL);
    const Recipe plain = {.arena = arena, .config = s.config, .data = &s.data, .renewed = -1};
    Recipe r = plain;
    const Checkpoint last = {.kind = MODEL_FLOAT};
    ck_assert_str_eq(steps_of(&r), "draw | train");
    r.from = s.from;
    ck_assert_str_eq(steps_of(&r), "take | train");
    r.untrained = true;
    ck_assert_str_eq(steps_of(&r), "take | write");
    r = plain, r.kind = MODEL_PTQ, r.from = s.from;
    ck_assert_str_eq(steps_of(&r), "take | calibrate floor | write");
    r = plain, r.kind = MODEL_QAT;
    ck_assert_str_eq(steps_of(&r), "draw | calibrate floor | train");
    r.from = s.from;
    ck_assert_str_eq(steps_of(&r), "take | calibrate floor | train");
    r.last = &last;
    ck_assert_str_eq(steps_of(&r), "draw | train");
    end();
}
END_TEST

/* Nothing is written, and no range is found, before its phase. */
START_TEST(phases_stop_where_they_are_told)
{
    begin_zoo();
    const Setup s = setup(NULL);
    const QuantConfig quant = ptq_quant_config(arena, &s.config->quant);
    Recipe r = {.arena = arena,
                .config = s.config,
                .kind = MODEL_PTQ,
                .data = &s.data,
                .from = s.from,
                .from_name = "m",
                .renewed = -1,
                .folder = inside("r")};
    must(experiment_model(arena, s.config, &quant, &s.data, &r.model));
    recipe_plan(&r);
    must(recipe_run(&r, RECIPE_BEGIN));
    const Quantizer *q = r.model->layer[0].out_q;
    ck_assert(q != NULL && !q->ready);
    ck_assert_int_gt(r.transfer.taken, 0);
    must(recipe_run(&r, RECIPE_FIT));
    ck_assert(q->ready && !file_exists(inside("r")));
    must(file_make_dir(inside("r")));
    must(recipe_run(&r, RECIPE_MAKE));
    ck_assert(file_exists(inside("r/model.safetensors")) && file_exists(inside("r/run.json")));
    Model *plain; /* calibrated by hand */
    must(experiment_model(arena, s.config, &quant, &s.data, &plain));
    model_transfer(arena, plain, s.from, -1, NULL);
    must(calibrate(plain, &s.data.train, s.config->ptq.images, s.config->seed));
    for (int i = 0; i < plain->quantizers; i++)
        ck_assert(plain->quantizer[i]->qp.scale[0] == r.model->quantizer[i]->qp.scale[0]);
    end();
}
END_TEST

START_TEST(another_network_is_not_taken)
{
    begin_zoo();
    const Setup s = setup(NULL);
    static const char *const wider[] = {"model.layers.fc.units=5", NULL};
    const Setup other = setup(wider);
    Model *m;
    ck_assert_int_eq(quantize_from(arena, s.config, &s.config->quant, other.from, &s.data, &m), STATUS_STATE);
    ck_assert_msg(strstr(status_message(), "must start from the same network") != NULL, "%s", status_message());
    ck_assert_msg(strstr(status_message(), "fc.weight") != NULL, "%s", status_message());
    end();
}
END_TEST

START_TEST(steps_of_a_config_are_checked)
{
    begin_zoo();
    static const struct {
        const char *set, *words;
    } bad[] = {
        {"ptq.steps=[\"calibrat\"]", "ptq.steps[0]: \"calibrat\"; must be one of: calibrate"},
        {"ptq.steps=[\"calibrat\"]", "did you mean \"calibrate\"?"},
        {"ptq.steps=[]", "ptq.steps: []; must be"},
        {"ptq.steps=[\"calibrate\",\"calibrate\"]", "ptq.steps[1]: \"calibrate\" stands there twice"},
        {"ptq.steps=[\"calibrate\",\"equalize\"]", "ptq.steps[1]: \"equalize\" changes what the ranges were found for"},
        {"ptq.steps=[\"adaround\",\"calibrate\"]", "\"adaround\" looks at activations on their grids"},
        {"ptq.steps=[\"calibrate\",\"adaround\",\"reconstruct\"]", "chooses the codes that another step has chosen"},
        {"ptq.steps=[\"auto\",\"bias_correct\"]", "ptq.steps[0]: \"auto\" chooses steps itself"},
        {"ptq.steps=[\"equalize\"]", "none of them finds the activations' ranges"},
        {"ptq.equalize.sweeps=0", "ptq.equalize.sweeps: 0; must be"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const sets[] = {bad[i].set, NULL};
        Config *c;
        ck_assert_msg(config_read(arena, inside("zoo.json"), sets, &c) == STATUS_CONFIG, "%s: accepted", bad[i].set);
        ck_assert_msg(strstr(status_message(), bad[i].words) != NULL, "%s: %s", bad[i].set, status_message());
    }
    static const char *const one[] = {"ptq.steps=calibrate", NULL};
    Config *c;
    must(config_read(arena, inside("zoo.json"), one, &c));
    ck_assert(c->ptq.steps.n == 1 && strcmp(ptq_steps[c->ptq.steps.at[0]]->name, "calibrate") == 0);
    const PtqConfig blind = {.images = 1};
    ck_assert_int_eq(ptq_check(&blind, "c.json"), STATUS_CONFIG);
    ck_assert_msg(strstr(status_message(), "none of them finds the activations' ranges") != NULL, "%s",
                  status_message());
    end();
}
END_TEST

/* Each of the list: it has words, runs on a network with every kind of layer, and repeats to the bit. */
START_TEST(every_step_keeps_its_contract)
{
    begin_zoo();
    static const char *const quick[] = {"ptq.adaround.iterations=3", "ptq.reconstruct.iterations=3", NULL};
    const Setup s = setup(quick);
    const Task task = model_task(s.config, s.from);
    const QuantConfig quant = ptq_quant_config(arena, &s.config->quant);
    for (int i = 0; ptq_steps[i] != NULL; i++) {
        const PtqStep *step = ptq_steps[i];
        Model *m[2];
        ck_assert(step->name != NULL && step->doc != NULL && step->run != NULL);
        for (int k = 0; k < 2; k++) {
            must(experiment_model(arena, s.config, &quant, &s.data, &m[k]));
            model_transfer(arena, m[k], s.from, -1, NULL);
            const PtqContext context = {.train = &s.data.train,
                                        .images = 32,
                                        .seed = 5,
                                        .task = &task,
                                        .keys = step->fields == NULL ? NULL : &s.config->ptq.keys[i]};
            if (step->needs_ranges) must(ptq_step_calibrate.run(m[k], &context));
            must(step->run(m[k], &context));
        }
        ck_assert_mem_eq(m[0]->params.x, m[1]->params.x, sizeof(float) * m[0]->params.count);
        for (int q = 0; q < m[0]->quantizers; q++) {
            const Quantizer *a = m[0]->quantizer[q], *b = m[1]->quantizer[q];
            ck_assert(a->qp.scale[0] == b->qp.scale[0] && a->ready == b->ready);
            ck_assert_msg(!step->finds_ranges || a->is_weight || a->ready, "%s: %s has no range", step->name, a->name);
        }
    }
    end();
}
END_TEST

/* The program tells what each step did, and run.json keeps it. */
START_TEST(steps_tell_what_they_did)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    const Where where = {.folder = folder};
    const Outcome o = program_run(arena, &where, "ptq f --out p --set ptq.steps=[\"equalize\",\"calibrate\"]");
    ck_assert_msg(o.code == 0, "%s", o.err);
    has(o.err, "equalize: loss ");
    has(o.err, " dB on 48 training images");
    has(o.err, "  \"stem\" is left: it is read by ");
    cJSON *run = cJSON_Parse(text_of("p/run.json"));
    const cJSON *steps = json_get(run, "ptq");
    ck_assert_int_eq(cJSON_GetArraySize(steps), 2);
    const cJSON *second = cJSON_GetArrayItem(steps, 1);
    ck_assert_str_eq(json_get(second, "step")->valuestring, "calibrate");
    static const char *const numbers[] = {"images",      "loss_before", "loss_after",
                                          "sqnr_before", "sqnr_after",  "seconds"};
    for (int i = 0; i < 6; i++) ck_assert_msg(cJSON_IsNumber(json_get(second, numbers[i])), "%s", numbers[i]);
    cJSON_Delete(run);
    static const char heading[] = "Steps of post-training quantization";
    program_must(arena, folder,
                 "compare f --quiet --out t --set compare.qat_bits=[] --set ptq.steps=[\"equalize\",\"calibrate\"]");
    has(text_of("t/report.html"), heading);
    has(text_of("t/report.html"), "<td class=\"text\">equalize</td>");
    program_must(arena, folder, "compare f --quiet --out plain --set compare.qat_bits=[]");
    ck_assert_ptr_null(strstr(text_of("plain/report.html"), heading));
    end();
}
END_TEST

static SafeFile tensors_of(const char *name)
{
    SafeFile file;
    must(safe_read(arena, inside(name), true, &file));
    return file;
}

/* What a verb makes is what the row of a table makes, tensor by tensor; but for what a weight's quantizer has of the first look
 * before it was written. */
START_TEST(verbs_and_rows_make_the_same)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "ptq f --quiet --out p --set quant.activations.observer=minmax");
    program_must(arena, folder, "qat f --quiet --out q --set quant.weights.bits=4 --set quant.activations.bits=4");
    program_must(arena, folder, "compare zoo.json --quiet --out t --set compare.granularities=per_channel");
    static const char *const pairs[][2] = {
        {"f/last.safetensors", "t/float-seed3/last.safetensors"},
        {"p/model.safetensors", "t/ptq-W8A8-per_channel-minmax-seed3/model.safetensors"},
        {"q/last.safetensors", "t/qat-W4A4-ends-8-seed3/last.safetensors"},
    };
    for (int i = 0; i < 3; i++) {
        const SafeFile a = tensors_of(pairs[i][0]), b = tensors_of(pairs[i][1]);
        ck_assert_int_eq(a.n, b.n);
        for (int k = 0; k < a.n; k++) {
            ck_assert_str_eq(a.tensor[k].name, b.tensor[k].name);
            if (i == 1 && strncmp(a.tensor[k].name, "quant.", 6) == 0 && strstr(a.tensor[k].name, ".weight.") != NULL)
                continue;
            ck_assert_msg(a.tensor[k].bytes == b.tensor[k].bytes &&
                              memcmp(a.tensor[k].data, b.tensor[k].data, a.tensor[k].bytes) == 0,
                          "%s: %s", pairs[i][1], a.tensor[k].name);
        }
    }
    end();
}
END_TEST

TEST_MAIN("recipe", each_kind_has_its_steps, phases_stop_where_they_are_told, another_network_is_not_taken,
          steps_of_a_config_are_checked, every_step_keeps_its_contract, steps_tell_what_they_did,
          verbs_and_rows_make_the_same)
