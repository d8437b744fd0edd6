/* Class weights, the moving average of a training, and training that ends when the validation split gets no better. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/ema.h"
#include "train/experiment.h"

static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 200, \"synthetic_test\": 60, "
    "\"classes\": 4, \"validation\": 0.3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 4, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}, \"schedule\": {\"type\": \"constant\"}}}";

static void begin_net(void)
{
    begin();
    put_text(folder, "net.json", net);
}

static SafeFile file_of(const char *name)
{
    SafeFile file;
    must(safe_read(arena, inside(name), true, &file));
    return file;
}

static const SafeTensor *tensor_of(const SafeFile *file, const char *name)
{
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

static const SafeTensor *must_have(const SafeFile *file, const char *name)
{
    const SafeTensor *t = tensor_of(file, name);
    ck_assert_msg(t != NULL, "no tensor %s", name);
    return t;
}

static void files_are_equal(const char *one, const char *other)
{
    unsigned char *a, *b;
    size_t n, m;
    must(file_read(arena, inside(one), 1 << 24, &a, &n));
    must(file_read(arena, inside(other), 1 << 24, &b, &m));
    ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s and %s", one, other);
}

/* What is trained is what is trained without an average, to the bit; the model is another. */
START_TEST(training_is_not_changed_and_the_model_is_the_average)
{
    begin_net();
    program_must(arena, folder, "train net.json --out plain --quiet");
    program_must(arena, folder, "train net.json --out ema --quiet --set train.ema=0.9");
    const SafeFile plain = file_of("plain/last.safetensors"), ema = file_of("ema/last.safetensors");
    static const char *const names[] = {"c1.weight", "c1.bn.gamma", "c1.bn.mean", "c1.bn.var", "logits.bias"};
    for (int i = 0; i < 5; i++) {
        const SafeTensor *was = must_have(&plain, names[i]), *average = must_have(&ema, names[i]);
        const SafeTensor *trained = must_have(&ema, arena_printf(arena, "optimizer.trained.%s", names[i]));
        ck_assert_msg(memcmp(was->data, trained->data, was->bytes) == 0, "%s", names[i]);
        ck_assert_msg(memcmp(was->data, average->data, was->bytes) != 0, "%s", names[i]);
    }
    ck_assert(tensor_of(&plain, "optimizer.trained.c1.weight") == NULL);
    /* It is what eval, ptq and best.safetensors take. */
    cJSON *last = program_json(arena, folder, "eval ema/last.safetensors --split validation --quiet");
    double best = 0.0, accuracy = number(last, "accuracy"), told = 0.0;
    const char *metrics = text_of("ema/metrics.jsonl");
    for (const char *at = metrics; (at = strstr(at, "\"validation\":")) != NULL; at++) {
        told = strtod(at + strlen("\"validation\":"), NULL);
        best = told > best ? told : best;
    }
    ck_assert_double_eq_tol(accuracy, told, 1e-6);
    cJSON_Delete(last);
    last = program_json(arena, folder, "eval ema/best.safetensors --split validation --quiet");
    ck_assert_double_eq_tol(number(last, "accuracy"), best, 1e-6);
    cJSON_Delete(last);
    program_must(arena, folder, "ptq ema --out q --quiet");
    end();
}
END_TEST

static volatile sig_atomic_t stop;

static void stop_after_nine(void *context, const TrainProgress *p)
{
    (void)context;
    stop = p->step == 9;
}

/* In `to`, from the start or from where it is; stopped after step 9, or never. */
static Status train_into(const char *to, bool resume, bool whole)
{
    Config *config;
    DataSplits data;
    Model *m;
    static const char *const sets[] = {"train.ema=0.95", NULL};
    must(config_read(arena, inside("net.json"), sets, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &m));
    model_init(m, config->seed);
    must(file_make_dir(inside(to)));
    stop = 0;
    const TrainJob job = {.config = config,
                          .data = &data,
                          .model = m,
                          .kind = MODEL_FLOAT,
                          .folder = inside(to),
                          .resume = resume,
                          .stop = &stop,
                          .progress = whole ? NULL : stop_after_nine};
    TrainResult result;
    return train_run(arena, &job, &result);
}

START_TEST(it_goes_on_to_the_same_bytes)
{
    begin_net();
    must(train_into("a", false, true));
    ck_assert_int_eq(train_into("b", false, false), STATUS_INTERRUPTED);
    must(train_into("b", true, true));
    files_are_equal("a/last.safetensors", "b/last.safetensors");
    files_are_equal("a/best.safetensors", "b/best.safetensors");
    program_must(arena, folder, "train net.json --out one --quiet --set train.ema=0.95 --threads 1");
    program_must(arena, folder, "train net.json --out two --quiet --set train.ema=0.95 --threads 2");
    files_are_equal("one/last.safetensors", "two/last.safetensors");
    end();
}
END_TEST

/* e <- d e + (1 - d) x with the rising d, against the same in double; exchanged twice, all is as it was. */
START_TEST(averages_are_what_the_formula_says)
{
    begin();
    Model *m = small_model(arena,
                           "{\"input\": [4, 4, 1], \"layers\": [{\"type\": \"conv2d\", \"filters\": 3, "
                           "\"kernel\": 3, \"batch_norm\": true}, {\"type\": \"flatten\"}, {\"type\": \"dense\", "
                           "\"units\": 2}]}",
                           NULL, 5);
    float *x = m->params.x;
    const size_t n = m->params.count;
    Ema *e = ema_make(arena, m, 0.5);
    double *wanted = ARENA_ARRAY(arena, double, n);
    for (size_t i = 0; i < n; i++) wanted[i] = (double)x[i];
    for (long t = 1; t <= 12; t++) {
        const double d = fmin(0.5, (1.0 + (double)t) / (10.0 + (double)t));
        for (size_t i = 0; i < n; i++) {
            x[i] += 0.01f * (float)(i % 7);
            wanted[i] = d * wanted[i] + (1.0 - d) * (double)x[i];
        }
        ema_update(e, t);
    }
    for (size_t i = 0; i < n; i++) ck_assert_double_eq_tol((double)e->x[i], wanted[i], 1e-5);
    const float *trained = memcpy(arena_alloc(arena, n * sizeof *x), x, n * sizeof *x);
    ema_swap(e);
    ck_assert_double_eq_tol((double)x[n / 2], wanted[n / 2], 1e-5);
    ema_swap(e);
    ck_assert_int_eq(memcmp(trained, x, n * sizeof *x), 0);
    end();
}
END_TEST

START_TEST(training_ends_where_validation_gets_no_better)
{
    begin_net();
    /* a learning rate that moves nothing: the first epoch is the best */
    const char *const run = "train net.json --out a --set train.epochs=9 --set train.early_stopping=2 --set "
                            "train.optimizer.lr=1e-30 --set train.optimizer.weight_decay=0 --set "
                            "model.layers.c1.batch_norm=false";
    const Where where = {.folder = folder};
    Outcome o = program_run(arena, &where, run);
    ck_assert_int_eq(o.code, 0);
    has(o.err, "stopped after 21 steps: the validation split was not better for 2 epochs"); /* 3 epochs of 7 */
    o = program_run(arena, &where, arena_printf(arena, "%s --resume", run));
    ck_assert_int_eq(o.code, 0);
    has(o.err, "finished");
    ck_assert(strstr(o.err, "epoch 4/9") == NULL);

    /* While it gets better it goes on. */
    o = program_run(arena, &where, "train net.json --out b --set train.early_stopping=50");
    ck_assert_int_eq(o.code, 0);
    ck_assert(strstr(o.err, "stopped after") == NULL);
    program_refuses(arena, folder, "train net.json --out c --set train.early_stopping=3 --set data.validation=0",
                    "train.early_stopping: 3 with data.validation 0; must be 0, or images be held out");
    end();
}
END_TEST

/* A class that counts nothing is not learned; what is measured is not weighted; weights that are none are refused. */
START_TEST(classes_count_as_they_are_told)
{
    begin_net();
    program_must(arena, folder, "train net.json --out plain --quiet");
    program_must(arena, folder, "train net.json --out same --quiet --set train.class_weights=[1,1,1,1]");
    const SafeFile plain = file_of("plain/last.safetensors"), same = file_of("same/last.safetensors");
    const SafeTensor *w = must_have(&plain, "c1.weight");
    ck_assert_int_eq(memcmp(w->data, must_have(&same, "c1.weight")->data, w->bytes), 0);
    program_must(arena, folder, "train net.json --out without --quiet --set train.class_weights=[0,1,1,1]");
    cJSON *json = program_json(arena, folder, "eval without --quiet");
    const cJSON *confusion = json_get(json, "confusion");
    ck_assert_ptr_nonnull(confusion);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(cJSON_GetArrayItem(cJSON_GetArrayItem(confusion, i), 0)->valueint, 0); /* never answered */
    cJSON_Delete(json);
    program_refuses(arena, folder, "train net.json --out r --set train.class_weights=[1,2]",
                    "train.class_weights: 2 of them, the largest 2; must be one for each of 4 classes");
    program_refuses(arena, folder, "train net.json --out r --set train.class_weights=[0,0,0,0]", "not all 0");
    end();
}
END_TEST

TEST_MAIN("ema", classes_count_as_they_are_told, training_is_not_changed_and_the_model_is_the_average,
          it_goes_on_to_the_same_bytes, averages_are_what_the_formula_says,
          training_ends_where_validation_gets_no_better)
