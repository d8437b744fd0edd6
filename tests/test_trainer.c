/* The training loop, in this process: phases, best and last, stop and resume, numbers that run away. */
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "base/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "compress/calibrate.h"
#include "train/experiment.h"

typedef struct {
    Config *config;
    DataSplits data;
    TrainJob job;
} Setup;

/* A job on fresh weights that leaves its files in `out` (NULL: nowhere). */
static Setup setup(const char *const *sets, ModelKind kind, const char *out)
{
    Setup s = {0};
    must(config_read(arena, inside("zoo.json"), sets, &s.config));
    must(experiment_data(arena, s.config, &s.data));
    Model *m;
    must(experiment_model(arena, s.config, kind == MODEL_FLOAT ? NULL : &s.config->quant, &s.data, &m));
    model_init(m, s.config->seed);
    if (kind == MODEL_QAT) must(calibrate(m, &s.data.train, 32, s.config->seed));
    if (out != NULL) must(file_make_dir(inside(out)));
    s.job = (TrainJob){
        .config = s.config, .model = m, .kind = kind, .from_scratch = true, .folder = out == NULL ? NULL : inside(out)};
    return s;
}

static Status run(Setup *s, TrainResult *result)
{
    s->job.data = &s->data;
    return train_run(arena, &s->job, result);
}

static unsigned char *content(const char *name, size_t *bytes)
{
    unsigned char *data;
    must(file_read(arena, inside(name), 1 << 24, &data, bytes));
    return data;
}

static bool same(const char *a, const char *b)
{
    size_t n, m;
    const unsigned char *x = content(a, &n), *y = content(b, &m);
    return n == m && memcmp(x, y, n) == 0;
}

START_TEST(phases_follow_the_freeze_points)
{
    QuantConfig q = {.freeze_bn_at = 0.4, .freeze_observers_at = 0.5, .rounding = ROUNDING_TFLITE_SINGLE};
    static const struct {
        long step;
        Arithmetic arithmetic;
        bool statistics, observe;
    } want[] = {{0, ARITHMETIC_FAKE, true, true},   {39, ARITHMETIC_FAKE, true, true},
                {40, ARITHMETIC_FAKE, false, true}, {49, ARITHMETIC_FAKE, false, true},
                {50, ARITHMETIC_INT, false, false}, {99, ARITHMETIC_INT, false, false}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const ForwardMode p = train_mode(&q, MODEL_QAT, want[i].step, 100);
        ck_assert_int_eq(p.arithmetic, want[i].arithmetic);
        ck_assert_int_eq(p.batch_statistics, want[i].statistics);
        ck_assert_int_eq(p.observe, want[i].observe);
        ck_assert_int_eq(p.rounding, ROUNDING_TFLITE_SINGLE);
        const ForwardMode f = train_mode(&q, MODEL_FLOAT, want[i].step, 100);
        ck_assert(f.arithmetic == ARITHMETIC_FLOAT && f.batch_statistics && !f.observe);
    }
    q.freeze_bn_at = q.freeze_observers_at = 1.0; /* never frozen: never integers */
    ck_assert_int_eq(train_mode(&q, MODEL_QAT, 99, 100).arithmetic, ARITHMETIC_FAKE);
}
END_TEST

START_TEST(learning_rate_and_epochs_follow_the_kind)
{
    begin_zoo();
    static const char *const auto_lr[] = {"qat.lr=0", "train.optimizer.lr=0.5", "train.epochs=7", "qat.epochs=3", NULL};
    static const char *const narrow[] = {"qat.lr=0", "train.optimizer.lr=0.5", "quant.weights.bits=4", NULL};
    Setup f = setup(auto_lr, MODEL_FLOAT, NULL), q = setup(auto_lr, MODEL_QAT, NULL),
          n = setup(narrow, MODEL_QAT, NULL);
    ck_assert_double_eq(train_lr(&f.job), 0.5);
    ck_assert_int_eq(train_epochs(&f.job), 7);
    ck_assert_double_eq(train_lr(&q.job), 0.5); /* from scratch */
    ck_assert_int_eq(train_epochs(&q.job), 7);
    q.job.from_scratch = n.job.from_scratch = false;
    ck_assert_double_eq_tol(train_lr(&q.job), 0.005, 1e-12);
    ck_assert_int_eq(train_epochs(&q.job), 3);
    ck_assert_double_eq_tol(train_lr(&n.job), 0.1, 1e-12);
    /* What layers have counts, not what the defaults say: one of few bits, and none in spite of a default of 4. */
    static const char *const one[] = {"qat.lr=0", "train.optimizer.lr=0.5",
                                      "quant.overrides=[{\"layers\":\"dw\",\"weight_bits\":3}]", NULL};
    static const char *const none[] = {"qat.lr=0", "train.optimizer.lr=0.5", "quant.weights.bits=4",
                                       "quant.overrides=[{\"layers\":\"*\",\"weight_bits\":8}]", NULL};
    Setup few = setup(one, MODEL_QAT, NULL), wide = setup(none, MODEL_QAT, NULL);
    few.job.from_scratch = wide.job.from_scratch = false;
    ck_assert_double_eq_tol(train_lr(&few.job), 0.1, 1e-12);
    ck_assert_double_eq_tol(train_lr(&wide.job), 0.005, 1e-12);
    end();
}
END_TEST

START_TEST(a_class_is_learned_and_nothing_is_written_without_a_folder)
{
    begin_zoo();
    static const char *const sets[] = {"train.epochs=8", NULL};
    for (int kind = 0; kind < 2; kind++) {
        Setup s = setup(sets, kind == 0 ? MODEL_FLOAT : MODEL_QAT, NULL);
        TrainResult r;
        must(run(&s, &r));
        ck_assert_int_eq(r.steps, 8 * 6);
        ck_assert_double_gt(r.running, 0.6);
        ck_assert_double_lt(r.loss, 1.0);
        ck_assert_double_eq(r.best_validation, -1.0);
    }
    ck_assert_int_eq(line_count(folder_listing(arena, folder, NULL)), 1); /* zoo.json */
    end();
}
END_TEST

/* Keeps a copy of last.safetensors of each epoch. */
typedef struct {
    double validation[64];
    int epochs;
    const char *out;
} Epochs;

static void at_step(void *context, const TrainProgress *p)
{
    Epochs *e = context;
    if (!p->epoch_end) return;
    e->validation[e->epochs++] = p->validation;
    size_t bytes;
    const unsigned char *data = content(file_join(arena, e->out, "last.safetensors"), &bytes);
    put_bytes(folder, arena_printf(arena, "epoch%d", e->epochs - 1), data, bytes);
}

static bool same_network(const char *a, const char *b)
{
    SafeFile x, y;
    must(safe_read(arena, inside(a), true, &x));
    must(safe_read(arena, inside(b), true, &y));
    bool same_bytes = x.n == y.n;
    for (int i = 0; i < x.n && same_bytes; i++)
        same_bytes = memcmp(x.tensor[i].data, y.tensor[i].data, x.tensor[i].bytes) == 0;
    return same_bytes;
}

START_TEST(best_is_the_best_epoch_or_the_last)
{
    begin_zoo();
    static const char *const none[] = {"train.epochs=2", NULL};
    static const char *const split[] = {"train.epochs=9", "data.validation=0.4", "train.optimizer.lr=1",
                                        "data.synthetic_noise=1", NULL};
    for (int kind = 0; kind < 2; kind++) {
        const char *out = kind == 0 ? "float" : "qat";
        Setup s = setup(none, kind == 0 ? MODEL_FLOAT : MODEL_QAT, out);
        TrainResult r;
        must(run(&s, &r));
        ck_assert(same(file_join(arena, out, "last.safetensors"), file_join(arena, out, "best.safetensors")));
        s = setup(split, kind == 0 ? MODEL_FLOAT : MODEL_QAT, out);
        Epochs e = {.out = out};
        s.job.progress = at_step;
        s.job.progress_context = &e;
        must(run(&s, &r));
        ck_assert_int_eq(e.epochs, 9);
        double most = 0.0;
        for (int i = 0; i < 9; i++) most = e.validation[i] > most ? e.validation[i] : most;
        ck_assert_double_eq(r.best_validation, most);
        ck_assert_double_lt(e.validation[8], most); /* or this would not tell best from last */
        int best = 0;
        while (best < 9 &&
               !same_network(file_join(arena, out, "best.safetensors"), arena_printf(arena, "epoch%d", best)))
            best++;
        ck_assert_int_lt(best, 9);
        ck_assert_double_eq(e.validation[best], most);
    }
    end();
}
END_TEST

static volatile sig_atomic_t stop;
static long stop_at;
static void raise_stop(void *context, const TrainProgress *p)
{
    (void)context;
    if (p->step == stop_at) stop = 1;
}

/* Stopped after every single step: each resumes to the same file. */
START_TEST(stopped_after_any_step_it_goes_on)
{
    begin_zoo();
    static const char *const sets[] = {"train.epochs=2", "data.augment.flip=true", "data.validation=0.2", NULL};
    for (int kind = 0; kind < 2; kind++) {
        const ModelKind k = kind == 0 ? MODEL_FLOAT : MODEL_QAT;
        Setup whole = setup(sets, k, "whole");
        TrainResult r;
        must(run(&whole, &r));
        const long steps = r.steps;
        for (stop_at = 1; stop_at < steps; stop_at++) {
            Setup cut = setup(sets, k, "cut");
            stop = 0;
            cut.job.stop = &stop;
            cut.job.progress = raise_stop;
            ck_assert_int_eq(run(&cut, &r), STATUS_INTERRUPTED);
            ck_assert_ptr_nonnull(strstr(status_message(), arena_printf(arena, "step %ld of %ld", stop_at, steps)));
            Setup on = setup(sets, k, "cut");
            on.job.resume = true;
            parallel_set_threads(1 + (int)stop_at % 3);
            must(run(&on, &r));
            ck_assert_int_eq(r.steps, steps);
            static const char *const files[] = {"last.safetensors", "best.safetensors", "metrics.jsonl"};
            for (int f = 0; f < 3; f++)
                ck_assert_msg(same(file_join(arena, "whole", files[f]), file_join(arena, "cut", files[f])),
                              "%s differs after a stop at step %ld", files[f], stop_at);
        }
    }
    end();
}
END_TEST

START_TEST(another_run_is_not_gone_on_with)
{
    begin_zoo();
    static const char *const first[] = {"train.epochs=2", NULL};
    static const char *const others[][2] = {{"train.epochs=3", NULL},
                                            {"seed=4", NULL},
                                            {"train.batch=8", NULL},
                                            {"train.optimizer.type=adamw", NULL},
                                            {"model.layers.fc.units=8", NULL}};
    Setup s = setup(first, MODEL_FLOAT, "run");
    TrainResult r;
    must(run(&s, &r));
    const char *before = folder_listing(arena, folder, NULL);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        Setup other = setup(others[i], MODEL_FLOAT, "run");
        other.job.resume = true;
        ck_assert_msg(run(&other, &r) != STATUS_OK, "%s was accepted", others[i][0]);
        ck_assert_ptr_nonnull(strstr(status_message(), "run/last.safetensors"));
    }
    ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
    end();
}
END_TEST

START_TEST(runaway_numbers_name_step_and_layer)
{
    begin_zoo();
    static const char *const sets[] = {"train.optimizer.lr=1e25", "qat.lr=1e25", "train.schedule.warmup=0", NULL};
    static const char *const clipped[] = {"train.optimizer.lr=1e25", "qat.lr=1e25", "train.optimizer.clip_norm=1",
                                          "train.schedule.warmup=0", NULL};
    const char *const *all[] = {sets, clipped};
    for (int i = 0; i < 4; i++) {
        Setup s = setup(all[i % 2], i < 2 ? MODEL_FLOAT : MODEL_QAT, "run");
        TrainResult r;
        ck_assert_int_eq(run(&s, &r), STATUS_NUMERIC);
        ck_assert_msg(strstr(status_message(), "training: step ") == status_message(), "%s", status_message());
        bool named = false;
        for (int l = 0; l < s.job.model->layers; l++)
            named |= strstr(status_message(), s.job.model->layer[l].name) != NULL;
        ck_assert_msg(named, "%s", status_message());
        TrainState state = {0}; /* the checkpoint from before is whole, and finite */
        Setup fresh = setup(all[i % 2], i < 2 ? MODEL_FLOAT : MODEL_QAT, "run");
        must(checkpoint_read(inside("run/last.safetensors"), fresh.job.model, NULL, &state));
        ck_assert_int_eq(state.step, 0);
    }
    end();
}
END_TEST

/* Every image is in one line, and a line at the end of an epoch has the validation split's accuracy and loss. */
START_TEST(metrics_weigh_images)
{
    begin_zoo();
    static const char *const sets[] = {"train.epochs=3", "data.validation=0.2", "train.batch=50", NULL};
    Setup s = setup(sets, MODEL_FLOAT, "run");
    TrainResult r;
    must(run(&s, &r));
    size_t bytes;
    char *at = (char *)content("run/metrics.jsonl", &bytes);
    double images = 0, loss = 0;
    int ends = 0;
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        cJSON *line;
        must(json_parse(at, (size_t)(end - at), "metrics.jsonl", &line));
        images += number(line, "images");
        if (number(line, "epoch") == 3.0) loss += number(line, "images") * number(line, "loss");
        if (json_get(line, "validation") != NULL) {
            ends++;
            ck_assert_double_gt(number(line, "validation_loss"), 0.0);
        }
        cJSON_Delete(line);
    }
    ck_assert_int_gt(s.data.train.n % 50, 0); /* or no batch would be smaller */
    ck_assert_double_eq(images, 3.0 * s.data.train.n);
    ck_assert_double_eq_tol(loss / s.data.train.n, r.loss, 1e-6);
    ck_assert_int_eq(ends, 3);
    end();
}
END_TEST

TEST_MAIN("trainer", phases_follow_the_freeze_points, learning_rate_and_epochs_follow_the_kind,
          a_class_is_learned_and_nothing_is_written_without_a_folder, best_is_the_best_epoch_or_the_last,
          metrics_weigh_images, stopped_after_any_step_it_goes_on, another_run_is_not_gone_on_with,
          runaway_numbers_name_step_and_layer)
