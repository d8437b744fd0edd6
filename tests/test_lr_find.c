/* lrfind: the rates rise by a factor, the test ends where the loss explodes, and what it suggests is a rate to train
 * with. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/experiment.h"
#include "train/lr_find.h"

static const char net[] =
    "{\"seed\": 3, \"name\": \"net\", \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 200, "
    "\"synthetic_test\": 60, \"classes\": 4},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}, \"schedule\": {\"type\": \"constant\"}}}";

static void begin_net(void)
{
    begin();
    put_text(folder, "net.json", net);
}

static LrFind find_with(const char *const *sets, int steps)
{
    Config *config;
    DataSplits data;
    Model *m;
    must(config_read(arena, inside("net.json"), sets, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &m));
    model_init(m, config->seed);
    const TrainJob job = {.config = config, .data = &data, .model = m, .kind = MODEL_FLOAT};
    LrFind find;
    must(lr_find(arena, &job, steps, &find));
    return find;
}

START_TEST(rates_rise_and_the_lowest_loss_is_found)
{
    begin_net();
    const LrFind f = find_with(NULL, 100), again = find_with(NULL, 100);
    ck_assert_int_eq(f.points, 100);
    ck_assert_double_eq_tol(f.point[0].lr, 1e-7, 1e-12);
    double average = 0;
    for (int i = 0; i < f.points; i++) {
        ck_assert_double_eq_tol(f.point[i].lr, pow(10, -7 + 8.0 * i / 99), 1e-9 * f.point[i].lr);
        average = 0.9 * average + 0.1 * f.point[i].loss;
        ck_assert_double_eq_tol(f.point[i].smoothed, average / (1 - pow(0.9, i + 1)), 1e-9);
        if (i >= 10) ck_assert_double_ge(f.point[i].smoothed, f.point[f.lowest].smoothed);
        ck_assert_double_eq(f.point[i].loss, again.point[i].loss);
    }
    ck_assert_double_eq_tol(f.suggested, 0.1 * f.point[f.lowest].lr, 1e-9 * f.suggested);
    ck_assert(f.suggested > 1e-4 && f.suggested < 1);
    end();
}
END_TEST

START_TEST(the_verb_leaves_a_curve_and_says_a_rate)
{
    begin_net();
    cJSON *json = program_json(arena, folder, "lrfind net.json --steps 80 --out found --quiet");
    const double lr = number(json, "lr"), steps = number(json, "steps");
    ck_assert_double_eq_tol(lr, 0.1 * number(json, "lowest_lr"), 1e-9);
    ck_assert_double_eq(steps, 80);
    cJSON_Delete(json);
    const char *csv = text_of("found/lrfind.csv"), *page = text_of("found/report.html");
    ck_assert_int_eq(strncmp(csv, "step,lr,loss,smoothed\r\n1,1e-07,", 31), 0);
    ck_assert_int_eq(line_count(csv), (int)steps + 1);
    ck_assert_ptr_nonnull(strstr(page, "Loss by learning rate"));
    ck_assert_ptr_nonnull(strstr(page, "Suggested: "));
    ck_assert(file_exists(inside("found/run.json")) && file_exists(inside("found/config.json")));
    ck_assert(!file_exists(inside("found/last.safetensors")));
    /* The rate trains; a model can be asked, too; a folder is replaced only when that is said. */
    program_must(arena, folder,
                 arena_printf(arena, "train net.json --out t --quiet --set train.optimizer.lr=%.9g", lr));
    program_refuses(arena, folder, "lrfind t --steps 30 --out found", "found: ");
    program_must(arena, folder, "lrfind t --steps 30 --out found --overwrite --quiet");
    program_must(arena, folder, "lrfind net.json --steps 30 --quiet");
    ck_assert(file_exists(inside("runs/net-lrfind/lrfind.csv")));
    end();
}
END_TEST

START_TEST(a_trained_model_has_no_rate_and_explodes)
{
    begin_net();
    program_must(arena, folder, "train net.json --out t --quiet --set train.epochs=20");
    cJSON *json = program_json(arena, folder, "lrfind t --steps 60 --out x --quiet");
    ck_assert(cJSON_IsNull(json_get(json, "lr")) && cJSON_IsTrue(json_get(json, "exploded")));
    ck_assert_double_lt(number(json, "steps"), 60);
    ck_assert_int_eq(line_count(text_of("x/lrfind.csv")), (int)number(json, "steps") + 1);
    ck_assert_ptr_nonnull(strstr(text_of("x/report.html"), "None is suggested: the loss fell at no rate"));
    cJSON_Delete(json);
    end();
}
END_TEST

START_TEST(what_cannot_be_tested_is_refused)
{
    begin_net();
    program_refuses(arena, folder, "lrfind net.json --out f --set train.batch=0", "train.batch: 0");
    program_refuses(arena, folder, "lrfind none.json --out f", "none.json");
    ck_assert(!file_exists(inside("f")));
    end();
}
END_TEST

TEST_MAIN("lr_find", rates_rise_and_the_lowest_loss_is_found, a_trained_model_has_no_rate_and_explodes,
          the_verb_leaves_a_curve_and_says_a_rate, what_cannot_be_tested_is_refused)
