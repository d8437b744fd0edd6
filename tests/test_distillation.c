/* Learning from another network: what a teacher must be, and runs that have one. */
#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/run.h"
#include "train/teacher.h"

/* A network that has nothing in common with the zoo's but image and classes. */
static const char other_config[] =
    "{\"seed\": 5, \"data\": {\"dataset\": \"synthetic\", \"classes\": 4, \"synthetic_train\": 96, \"synthetic_test\": "
    "40, "
    "\"synthetic_noise\": 0.5},"
    "\"model\": {\"input\": [12, 12, 1], \"layers\": [{\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"hidden\", \"units\": 24, \"activation\": \"relu\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 16}, \"qat\": {\"epochs\": 1}}";

static void begin_school(void)
{
    begin_zoo();
    put_text(folder, "other.json", other_config);
    program_must(arena, folder, "train other.json --quiet --out teacher");
}

static SafeFile tensors_of(const char *name)
{
    SafeFile file;
    must(safe_read(arena, inside(name), true, &file));
    return file;
}

/* Whether two checkpoints hold the same numbers. */
static bool same_tensors(const char *a, const char *b)
{
    const SafeFile x = tensors_of(a), y = tensors_of(b);
    bool same = x.n == y.n;
    for (int i = 0; same && i < x.n; i++)
        same = x.tensor[i].bytes == y.tensor[i].bytes &&
               memcmp(x.tensor[i].data, y.tensor[i].data, x.tensor[i].bytes) == 0;
    return same;
}

START_TEST(a_share_of_nothing_is_no_teacher)
{
    begin_school();
    program_must(arena, folder, "train zoo.json --quiet --out alone");
    program_must(arena, folder,
                 "train zoo.json --quiet --out none --set train.teacher=teacher --set train.distillation.alpha=0");
    program_must(arena, folder, "train zoo.json --quiet --out taught --set train.teacher=teacher");
    ck_assert(same_tensors("alone/last.safetensors", "none/last.safetensors"));
    ck_assert(strcmp(text_of("alone/metrics.jsonl"), text_of("none/metrics.jsonl")) == 0);
    ck_assert(!same_tensors("alone/last.safetensors", "taught/last.safetensors"));
    program_must(arena, folder, "qat alone --quiet --out q");
    program_must(arena, folder, "qat alone --quiet --out q0 --set qat.teacher=float --set qat.distillation.alpha=0");
    ck_assert(same_tensors("q/last.safetensors", "q0/last.safetensors"));
    end();
}
END_TEST

/* With alpha 1 the labels do not count at all: what is learned is the teacher, whose answers a network of another
 * architecture comes to give. */
START_TEST(the_teacher_is_what_is_learned)
{
    begin_school();
    static const char *const alphas[] = {"0", "1"};
    double agreement[2];
    for (int i = 0; i < 2; i++) {
        program_must(arena, folder,
                     arena_printf(arena,
                                  "train zoo.json --quiet --out s%d --set train.teacher=teacher --set train.epochs=12 "
                                  "--set train.distillation.alpha=%s",
                                  i, alphas[i]));
        Config *config;
        must(config_read(arena, inside(arena_printf(arena, "s%d/config.json", i)), NULL, &config));
        OpenModel student;
        DataSplits data;
        const Teacher *teacher;
        must(model_open(arena, inside(arena_printf(arena, "s%d/last.safetensors", i)), NULL, &student));
        must(experiment_data(arena, config, &data));
        must(teacher_open(arena, config, MODEL_FLOAT, student.model, &teacher));
        ck_assert_str_eq(teacher->digest, teacher_digest(arena, config, MODEL_FLOAT));
        Loader *loader;
        const LoaderConfig lc = {.data = &data.train, .batch = 96};
        must(loader_create(arena, &lc, &loader));
        const Batch *batch;
        must(loader_get(loader, 0, 0, &batch));
        Bench of_teacher = bench_make(), of_student = bench_make();
        const float *asked;
        must(teacher_answer(teacher, of_teacher.tape, batch, &asked));
        tape_reset(of_student.tape, false);
        const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
        Tensor *z = model_forward(student.model, of_student.tape, &mode, batch->pixels, batch->n);
        agreement[i] = (double)op_softmax_divergence(of_student.tape, z, asked, 4.0)->x[0];
        bench_end(&of_teacher);
        bench_end(&of_student);
        loader_destroy(loader);
    }
    ck_assert_double_lt(agreement[1], 0.5 * agreement[0]);
    end();
}
END_TEST

static volatile sig_atomic_t stop_now;

static void stop_at_step(void *context, const TrainProgress *p)
{
    if (p->step == *(const long *)context) stop_now = 1;
}

/* Trains up to a step, 0: to the end. */
static Status train_until(void *context, Arena *own, TrainJob *job, const char *label, TrainResult *result)
{
    (void)label;
    stop_now = 0;
    job->stop = &stop_now;
    job->progress = stop_at_step;
    job->progress_context = context;
    return train_run(own, job, result);
}

/* Each of files, and metrics. */
static void same_run(const char *a, const char *b)
{
    static const char *const files[] = {"last.safetensors", "best.safetensors", "metrics.jsonl"};
    for (int i = 0; i < 3; i++) {
        unsigned char *x, *y;
        size_t n, m;
        must(file_read(arena, file_join(arena, inside(a), files[i]), 1 << 24, &x, &n));
        must(file_read(arena, file_join(arena, inside(b), files[i]), 1 << 24, &y, &m));
        ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s of %s and %s differ", files[i], a, b);
    }
}

typedef Status Run(Arena *own, const RunRequest *request, RunOutcome *outcome);

static void stop_and_go(Run *run, const char *path, const char *const *sets, const char *whole, const char *parts)
{
    long at = 0;
    RunOutcome out;
    RunRequest r = {.path = inside(path), .sets = sets, .out = inside(whole), .train = train_until, .context = &at};
    must(run(arena, &r, &out));
    r.out = inside(parts);
    static const long stops[] = {3, 8, 0};
    for (int i = 0; i < 3; i++) {
        at = stops[i];
        r.resume = i > 0;
        if (i == 2) r.path = inside(parts), r.out = NULL, r.sets = NULL; /* the folder knows all that it needs */
        const Status status = run(arena, &r, &out);
        ck_assert_msg(status == (at > 0 ? STATUS_INTERRUPTED : STATUS_OK), "%s", status_message());
    }
    same_run(whole, parts);
}

/* Also where images are mixed, and where the teacher is named as seen from somewhere else. */
START_TEST(the_same_bytes_however_often_it_is_stopped)
{
    begin_school();
    const char *const floats[] = {arena_printf(arena, "train.teacher=%s", inside("teacher/best.safetensors")),
                                  "data.augment.mixup=0.2", "data.augment.shift=1", NULL};
    stop_and_go(run_train, "zoo.json", floats, "f", "f2");
    static const char *const qat[] = {"qat.teacher=float", "quant.weights.bits=4", "quant.activations.bits=4",
                                      "data.augment.cutmix=0.5", NULL};
    stop_and_go(run_qat, "f", qat, "q", "q2");
    has(text_of("q/config.json"), "\"teacher\": \"../f\"");
    end();
}
END_TEST

START_TEST(threads_do_not_change_a_byte)
{
    begin_school();
    program_must(arena, folder, "train zoo.json --quiet --out f1 --threads 1 --set train.teacher=teacher");
    program_must(arena, folder, "train zoo.json --quiet --out f3 --threads 3 --set train.teacher=teacher");
    same_run("f1", "f3");
    for (int threads = 1; threads <= 4; threads += 3)
        program_must(
            arena, folder,
            arena_printf(arena, "qat f1 --quiet --out q%d --threads %d --set qat.teacher=teacher", threads, threads));
    same_run("q1", "q4");
    end();
}
END_TEST

/* What the run says of its teacher, and that another one is noticed. */
START_TEST(a_run_remembers_its_teacher)
{
    begin_school();
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.teacher=teacher");
    cJSON *run = cJSON_Parse(text_of("f/run.json"));
    has(cJSON_GetStringValue(json_get(json_get(run, "teacher"), "model")), "teacher/");
    const char *digest = cJSON_GetStringValue(json_get(json_get(run, "teacher"), "digest"));
    has(digest, "model with CRC-32 ");
    ck_assert_ptr_nonnull(memmem(text_of("f/last.safetensors"), 4096, digest, strlen(digest)));
    cJSON_Delete(run);
    has(text_of("f/config.json"), "\"teacher\": \"../teacher\"");
    program_must(arena, folder, "train other.json --quiet --overwrite --out teacher --set seed=9");
    program_refuses(arena, folder,
                    "train zoo.json --quiet --out f --resume --set train.teacher=teacher --set train.epochs=5",
                    "train.teacher is \"model with CRC-32 ");
    program_must(arena, folder, "train zoo.json --quiet --out alone");
    ck_assert_ptr_null(strstr(text_of("alone/run.json"), "teacher"));
    end();
}
END_TEST

/* The learning rate is looked for on the loss that is trained on. */
START_TEST(rates_are_found_with_the_teacher)
{
    begin_school();
    program_must(arena, folder, "lrfind zoo.json --quiet --steps 20 --out alone");
    program_must(arena, folder, "lrfind zoo.json --quiet --steps 20 --out taught --set train.teacher=teacher");
    ck_assert(strcmp(text_of("alone/lrfind.csv"), text_of("taught/lrfind.csv")) != 0);
    end();
}
END_TEST

START_TEST(a_quantized_teacher_answers_in_its_integers)
{
    begin_school();
    program_must(arena, folder, "qat teacher --quiet --out integers");
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.teacher=integers");
    program_must(arena, folder, "train zoo.json --quiet --out g --set train.teacher=teacher");
    ck_assert(!same_tensors("f/last.safetensors", "g/last.safetensors"));
    end();
}
END_TEST

static const char bars_config[] =
    "{\"task\":{\"type\":\"regression\"},"
    "\"data\":{\"dataset\":\"bars\",\"synthetic_train\":96,\"synthetic_test\":32,\"synthetic_noise\":0.1},"
    "\"model\":{\"input\":[8,8,1],\"layers\":["
    "{\"type\":\"conv2d\",\"filters\":4,\"kernel\":3,\"stride\":2,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"angle\",\"units\":2}]},"
    "\"train\":{\"epochs\":2,\"batch\":32},\"qat\":{\"epochs\":1}}";

/* A teacher that knows the values in other units gives them in the student's. */
START_TEST(values_are_in_the_students_units)
{
    begin();
    put_text(folder, "bars.json", bars_config);
    program_must(arena, folder, "train bars.json --quiet --out t --set data.synthetic_train=40");
    program_must(arena, folder, "train bars.json --quiet --out s --set train.teacher=t");
    OpenModel t, s;
    const Teacher *teacher;
    must(model_open(arena, inside("t"), NULL, &t));
    must(model_open(arena, inside("s"), NULL, &s));
    ck_assert(t.model->scale.std[0] != s.model->scale.std[0]);
    must(teacher_open(arena, s.config, MODEL_FLOAT, s.model, &teacher));
    uint8_t pixels[3 * 64];
    for (int i = 0; i < 3 * 64; i++) pixels[i] = (uint8_t)(i * 7);
    const Batch batch = {.n = 3, .pixels = pixels};
    Bench asked = bench_make(), own = bench_make();
    const float *answer;
    must(teacher_answer(teacher, asked.tape, &batch, &answer));
    tape_reset(own.tape, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Tensor *z = model_forward(t.model, own.tape, &mode, pixels, 3);
    for (int i = 0; i < 6; i++) {
        const int k = i % 2;
        const float want = t.model->scale.mean[k] + t.model->scale.std[k] * z->x[i],
                    got = s.model->scale.mean[k] + s.model->scale.std[k] * answer[i];
        ck_assert_double_eq_tol((double)got, (double)want, 1e-5);
    }
    bench_end(&asked);
    bench_end(&own);
    end();
}
END_TEST

START_TEST(a_teacher_that_does_not_fit_is_refused)
{
    begin_school();
    put_text(folder, "bars.json", bars_config);
    program_must(arena, folder, "train bars.json --quiet --out bars --set model.input=[12,12,1]");
    program_must(arena, folder,
                 "train other.json --quiet --out five --set data.classes=5 --set model.layers.logits.units=5");
    program_must(arena, folder, "train other.json --quiet --out small --set model.input=[10,10,1]");
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "ptq f --quiet --out p");
    program_must(arena, folder, "export p -o only.safetensors --quiet");
    static const char *const bad[][2] = {
        {"train zoo.json --out x --set train.teacher=nowhere", "train.teacher: "},
        {"train zoo.json --out x --set train.teacher=zoo.json", "a model is required"},
        {"train zoo.json --out x --set train.teacher=five",
         "has 5 outputs; must have as many as the network that learns, 4"},
        {"train zoo.json --out x --set train.teacher=small",
         "reads images of 10 x 10 x 1; must be those of the network"},
        {"train zoo.json --out x --set train.teacher=bars", "a model of the task regression; must be of the task"},
        {"train zoo.json --out x --set train.teacher=only.safetensors", "only.safetensors: "},
        {"train zoo.json --out x --set train.teacher=float", "is for qat.teacher, here it must be a model"},
        {"train zoo.json --out x --set train.distillation.alpha=1.5", "train.distillation.alpha: 1.5; must be"},
        {"train zoo.json --out x --set train.distillation.temperature=0", "train.distillation.temperature: 0; must be"},
        {"qat zoo.json --out x --set qat.teacher=float", "starts from no float network: must be a model"},
        {"qat p --out x --set qat.teacher=float", "with qat.teacher \"float\" it must be a float model"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program_refuses(arena, folder, bad[i][0], bad[i][1]);
        ck_assert(!file_exists(inside("x/config.json")));
    }
    const Where where = {.folder = folder};
    const Outcome o = program_run(arena, &where, "train zoo.json --out y --set train.distillation.alpha=0.9");
    ck_assert_int_eq(o.code, 0);
    has(o.err, "train.distillation.alpha has no effect: there is no train.teacher");
    end();
}
END_TEST

/* Outputs that stand for other classes, or for the same in another order. */
START_TEST(classes_must_be_the_same)
{
    begin_school();
    Config *config;
    must(config_read(arena, inside("zoo.json"), NULL, &config));
    config->train.teacher.model = "teacher", config->train.teacher.path = inside("teacher");
    DataSplits data;
    Model *student;
    const Teacher *teacher;
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &student));
    OpenModel open;
    must(model_open(arena, inside("teacher"), NULL, &open));
    static const char *names[] = {"ant", "bee", "cat", "dog"};
    student->class_names = names;
    must(teacher_open(arena, config, MODEL_FLOAT, student, &teacher)); /* the teacher's are numbers */
    open.model->class_names = (const char *[]){"bee", "ant", "cat", "dog"};
    const TrainState state = {.kind = MODEL_FLOAT, .seed = 1};
    must(checkpoint_write(inside("teacher/best.safetensors"), open.model, NULL, &state));
    refused(teacher_open(arena, config, MODEL_FLOAT, student, &teacher),
            "its outputs are \"bee\", \"ant\", \"cat\", \"dog\"; must be those of the network that learns");
    end();
}
END_TEST

static const char rows[] = "\"compare\": {\"rows\": ["
                           "{\"name\": \"distilled\", \"kind\": \"float\", \"train.teacher\": \"teacher\"},"
                           "{\"name\": \"qat\", \"kind\": \"qat\"},"
                           "{\"name\": \"qat self\", \"kind\": \"qat\", \"qat.teacher\": \"float\"},"
                           "{\"name\": \"both\", \"kind\": \"qat\", \"train.teacher\": \"teacher\", "
                           "\"qat.teacher\": \"teacher\"}]}}";

/* Student, distilled, quantized, both; a table that goes on finds all of them. */
START_TEST(rows_of_a_table_have_teachers)
{
    begin_school();
    char *config = arena_strdup(arena, zoo_config);
    char *compare = strstr(config, "\"compare\"");
    *compare = '\0';
    put_text(folder, "table.json", arena_printf(arena, "%s%s", config, rows));
    program_must(arena, folder, "compare table.json --quiet --out t");
    ck_assert(!same_tensors("t/float-seed3/last.safetensors", "t/distilled-seed3/last.safetensors"));
    ck_assert(!same_tensors("t/qat-seed3/last.safetensors", "t/qat-self-seed3/last.safetensors"));
    program_must(arena, folder, "qat t/float-seed3/last.safetensors --quiet --out q --set qat.teacher=float");
    ck_assert(same_tensors("q/last.safetensors", "t/qat-self-seed3/last.safetensors"));
    program_must(arena, folder, "qat t/distilled-seed3/last.safetensors --quiet --out b --set qat.teacher=teacher");
    ck_assert(same_tensors("b/last.safetensors", "t/both-seed3/last.safetensors"));
    const char *before = text_of("t/compare.csv");
    program_must(arena, folder, "compare table.json --quiet --out t --resume");
    ck_assert_int_eq(line_count(before), line_count(text_of("t/compare.csv")));
    const Where where = {.folder = folder};
    program_must(arena, folder, "train other.json --quiet --overwrite --out teacher --set seed=9");
    const Outcome o = program_run(arena, &where, "compare table.json --out t --resume");
    ck_assert_msg(o.code == 0, "%s", o.err);
    has(o.err, "distilled: made again: other config: train.teacher is \"model with CRC-32 ");
    end();
}
END_TEST

TEST_MAIN("distillation", a_share_of_nothing_is_no_teacher, the_teacher_is_what_is_learned,
          the_same_bytes_however_often_it_is_stopped, threads_do_not_change_a_byte, a_run_remembers_its_teacher,
          rates_are_found_with_the_teacher, a_quantized_teacher_answers_in_its_integers,
          values_are_in_the_students_units, a_teacher_that_does_not_fit_is_refused, classes_must_be_the_same,
          rows_of_a_table_have_teachers)
