/* bench: training steps, or runs of the integer engine, on random inputs of the config's shape; no data set is needed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/json.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "compress/calibrate.h"
#include "deploy/lower.h"
#include "graph/engine.h"

enum { WARM_UP = 3, STEPS = 20, MAX_RUNS = 100000 };

typedef enum { MODE_FLOAT, MODE_QAT, MODE_INT8 } Mode;
static const char *const mode_names[] = {"float", "qat", "int8"};

/* The parts of a step; the engine has none. */
enum { TEACHER, FORWARD, BACKWARD, OPTIMIZER, PARTS };
static const char *const part_keys[PARTS] = {"ms_teacher", "ms_forward", "ms_backward", "ms_optimizer"};

typedef struct Case {
    const Options *o;
    Arena *arena;
    Mode mode;
    Model *m;
    int batch;
    uint8_t *pixels;
    int32_t *labels;
    Status (*step)(struct Case *c, double part_s[PARTS]);

    Arena *memory;          /* of a step; of the engine */
    Tape *tape;             /* training */
    const Teacher *teacher; /* NULL: none */
    Arena *teacher_memory;
    Tape *teacher_tape;
    Task task;
    Optimizer optimizer;
    ForwardMode forward;
    long steps;
    Graph *graph; /* the engine */
    Engine *engine;
    int8_t *codes, *logits;
} Case;

/* One training step: what the teacher says, forward and loss, backward, optimizer. */
static Status train_step(Case *c, double part_s[PARTS])
{
    Tape *t = c->tape;
    double at[PARTS + 1], running = 0;
    Batch batch = {c->batch, c->pixels, targets_classes(c->labels)};
    tape_reset(t, true);
    param_set_zero_grad(&c->m->params);
    at[0] = timing_seconds();
    if (c->teacher != NULL) TRY(teacher_answer(c->teacher, c->teacher_tape, &batch, &batch.targets.teacher));
    at[1] = timing_seconds();
    Tensor *logits = model_forward(c->m, t, &c->forward, c->pixels, c->batch);
    Tensor *loss = task_training_loss(t, &c->task, logits, batch.targets, &running);
    at[2] = timing_seconds();
    if (tape_backward(t, loss) != STATUS_OK) return status_fail(t->status, "%s", t->message);
    at[3] = timing_seconds();
    optimizer_step(&c->optimizer, 1e-3f, ++c->steps);
    at[4] = timing_seconds();
    for (int i = 0; i < PARTS; i++) part_s[i] = at[i + 1] - at[i];
    return STATUS_OK;
}

/* Pixels to the codes of the logits. */
static Status engine_step(Case *c, double part_s[PARTS])
{
    (void)part_s;
    graph_quantize_pixels(c->graph, c->pixels, c->batch, c->codes);
    engine_run(c->engine, c->codes, c->batch, c->logits);
    return STATUS_OK;
}

static Status repeat(Case *c, int times)
{
    double part_s[PARTS];
    for (int i = 0; i < times; i++) TRY(c->step(c, part_s));
    return STATUS_OK;
}

static Status prepare_training(Case *c, const Config *config)
{
    enum { FIRST = 0, LAST = 1000 };
    const ModelKind kind = c->mode == MODE_QAT ? MODEL_QAT : MODEL_FLOAT;
    TRY(optimizer_make(c->arena, &config->train.optimizer, &c->m->params, &c->optimizer));
    static const TaskConfig classes; /* whatever the config's task, labels are random classes */
    c->task = task_make(&classes, 0.0f, c->m->classes, NULL, (TargetScale){NULL, NULL});
    c->task.distillation = config_teacher(config, kind == MODEL_QAT)->distillation;
    TRY(teacher_open(c->arena, config, kind, c->m, &c->teacher));
    c->tape = tape_create(c->arena, c->memory);
    c->teacher_tape = tape_create(c->arena, c->teacher_memory);
    c->step = train_step;
    c->forward = train_mode(&config->quant, kind, FIRST, LAST);
    TRY(repeat(c, WARM_UP));
    if (!c->o->frozen) return STATUS_OK;
    c->forward = train_mode(&config->quant, kind, LAST, LAST); /* its statistics and ranges are the warm-up's */
    return repeat(c, WARM_UP);
}

static Status prepare_engine(Case *c, const Config *config)
{
    TRY(model_lower(c->arena, c->m, (Rounding)config->quant.rounding, &c->graph));
    TRY(engine_create_planned(c->memory, c->graph, &c->engine));
    c->codes = arena_try_alloc(c->arena, (size_t)c->batch * (size_t)graph_tensor_elements(&c->graph->tensor[0]));
    c->logits = arena_try_alloc(c->arena, (size_t)c->batch * graph_tensor_bytes(&c->graph->tensor[c->graph->output]));
    if (c->codes == NULL || c->logits == NULL) return STATUS_NOMEM;
    c->step = engine_step;
    return repeat(c, WARM_UP);
}

/* The model with its first weights; quantized ones are calibrated on the random images. */
static Status prepare(Case *c)
{
    Config *config;
    TRY(config_read(c->arena, c->o->argument[0], c->o->sets, &config));
    TRY(experiment_model(c->arena, config, c->mode == MODE_FLOAT ? NULL : &config->quant, NULL, &c->m));
    model_init(c->m, config->seed);
    c->batch = c->o->batch > 0 ? c->o->batch : c->mode == MODE_INT8 ? 1 : config->train.batch;
    const Model *m = c->m;
    const size_t pixels = (size_t)c->batch * (size_t)m->input.h * (size_t)m->input.w * (size_t)m->input.c;
    c->pixels = arena_try_alloc(c->arena, pixels);
    if (c->pixels == NULL) return STATUS_NOMEM;
    c->labels = ARENA_ARRAY(c->arena, int32_t, c->batch);
    Rng rng = rng_make(config->seed, RNG_TEST, 0);
    for (size_t i = 0; i < pixels; i++) c->pixels[i] = (uint8_t)rng_u32(&rng);
    for (int i = 0; i < c->batch; i++) c->labels[i] = (int32_t)rng_below(&rng, (uint32_t)m->classes);
    const int hwc[3] = {m->input.h, m->input.w, m->input.c};
    const Dataset random =
        dataset_of(source_of_bytes(c->arena, c->batch, hwc, c->pixels, targets_classes(c->labels)), m->classes);
    if (c->mode != MODE_FLOAT) TRY(calibrate(c->m, &random, c->batch, config->seed));
    return c->mode == MODE_INT8 ? prepare_engine(c, config) : prepare_training(c, config);
}

typedef struct {
    int n;
    double *s, *part_s[PARTS]; /* seconds of each step, and of its parts */
} Times;

/* Steps asked for; of the engine, by default as many as fit a second. */
static Status count_steps(Case *c, int *n)
{
    *n = c->o->steps > 0 ? c->o->steps : STEPS;
    if (c->o->steps > 0 || c->mode != MODE_INT8) return STATUS_OK;
    const double start = timing_seconds();
    TRY(repeat(c, WARM_UP));
    const double fit = WARM_UP / fmax(timing_seconds() - start, 1e-9);
    *n = (int)fmin(fmax(fit, STEPS), MAX_RUNS);
    return STATUS_OK;
}

static Status measure(Case *c, Arena *arena, int n, Times *times)
{
    *times = (Times){.n = n, .s = ARENA_ARRAY(arena, double, n)};
    for (int p = 0; p < PARTS; p++) times->part_s[p] = ARENA_ARRAY(arena, double, n);
    for (int i = 0; i < n; i++) {
        double part_s[PARTS] = {0};
        const double start = timing_seconds();
        TRY(c->step(c, part_s));
        times->s[i] = timing_seconds() - start;
        for (int p = 0; p < PARTS; p++) times->part_s[p][i] = part_s[p];
    }
    return STATUS_OK;
}

static double peak_rss_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * (double)usage.ru_maxrss;
}

static cJSON *as_json(Arena *arena, const Case *c, const Times *times)
{
    const double median = timing_median(times->s, times->n), last = times->s[times->n - 1];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", c->m->name);
    cJSON_AddStringToObject(json, "mode", mode_names[c->mode]);
    if (c->mode == MODE_QAT) cJSON_AddBoolToObject(json, "frozen", c->o->frozen);
    cJSON_AddNumberToObject(json, "batch", c->batch);
    cJSON_AddNumberToObject(json, "threads", parallel_threads());
    cJSON_AddStringToObject(json, "isa", kernels()->isa);
    cJSON_AddNumberToObject(json, "steps", times->n);
    cJSON_AddNumberToObject(json, "images_per_s", c->batch / median);
    if (c->mode == MODE_INT8) {
        cJSON_AddNumberToObject(json, "us_per_run", 1e6 * median);
        cJSON_AddNumberToObject(json, "us_min", 1e6 * times->s[0]);
        cJSON_AddNumberToObject(json, "us_max", 1e6 * last);
        cJSON_AddNumberToObject(json, "engine_bytes", (double)arena_used_bytes(c->memory));
    } else {
        cJSON_AddNumberToObject(json, "ms_per_step", 1e3 * median);
        cJSON_AddNumberToObject(json, "ms_min", 1e3 * times->s[0]);
        cJSON_AddNumberToObject(json, "ms_max", 1e3 * last);
        for (int p = c->teacher == NULL ? FORWARD : TEACHER; p < PARTS; p++)
            cJSON_AddNumberToObject(json, part_keys[p], 1e3 * timing_median(times->part_s[p], times->n));
        cJSON_AddNumberToObject(json, "step_bytes", (double)arena_peak_bytes(c->memory));
    }
    cJSON_AddNumberToObject(json, "parameters", (double)model_parameters(c->m));
    long macs = 0;
    for (int i = 0; i < c->m->layers; i++) macs += layer_macs(&c->m->layer[i]);
    cJSON_AddNumberToObject(json, "macs", (double)macs);
    cJSON_AddNumberToObject(json, "peak_rss_bytes", peak_rss_bytes());
    model_note_kernels(arena, json, c->m);
    if (c->mode == MODE_INT8) cJSON_DeleteItemFromObject(json, "kernels_backward");
    return json;
}

static void print_text(const Case *c, const Times *times)
{
    const double median = timing_median(times->s, times->n), unit = c->mode == MODE_INT8 ? 1e6 : 1e3;
    cli_print("%s, %s%s, batch %d, %d threads, %s: %.2f %s (%.2f to %.2f), %.0f images/s, peak %.0f KiB\n", c->m->name,
              mode_names[c->mode], c->mode == MODE_QAT && c->o->frozen ? " frozen" : "", c->batch, parallel_threads(),
              kernels()->isa, unit * median, c->mode == MODE_INT8 ? "us a run" : "ms a step", unit * times->s[0],
              unit * times->s[times->n - 1], c->batch / median, peak_rss_bytes() / 1024);
}

static Status once(Case *c)
{
    Times times;
    int n;
    TRY(count_steps(c, &n));
    TRY(measure(c, c->arena, n, &times));
    if (c->o->json)
        cli_print_json(c->arena, as_json(c->arena, c, &times));
    else
        print_text(c, &times);
    return STATUS_OK;
}

/* A line in, "K" or empty: a measurement of K steps (or of --steps), a line of JSON out.  The first line out, before
 * any is read, says that all is ready. */
static Status interleave(Case *c)
{
    Arena *arena = arena_create();
    char line[64];
    int n;
    Times times;
    Status status = count_steps(c, &n);
    if (status == STATUS_OK) cli_print("ready %d\n", n);
    while (status == STATUS_OK && fflush(stdout) == 0 && fgets(line, sizeof line, stdin) != NULL) {
        const long asked = strtol(line, NULL, 10);
        status = measure(c, arena, asked > 0 && asked <= MAX_RUNS ? (int)asked : n, &times);
        if (status != STATUS_OK) break;
        cJSON *json = as_json(arena, c, &times);
        cli_print("%s\n", json_print_compact(arena, json));
        cJSON_Delete(json);
        arena_reset(arena);
    }
    arena_destroy(arena);
    return status;
}

static Status find_mode(const char *name, Mode *mode)
{
    for (int i = 0; i <= MODE_INT8; i++)
        if (name == NULL || strcmp(name, mode_names[i]) == 0) {
            *mode = (Mode)i;
            return STATUS_OK;
        }
    return status_fail(STATUS_INVALID, "--mode: \"%s\"; must be float, qat or int8", name);
}

static Status run_bench(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    Case c = {.o = o, .arena = arena};
    TRY(find_mode(o->mode, &c.mode));
    if (o->frozen && c.mode != MODE_QAT)
        return status_fail(STATUS_INVALID, "--frozen: with --mode %s; only qat has that phase", mode_names[c.mode]);
    c.memory = arena_create();
    c.teacher_memory = arena_create();
    Status status = prepare(&c);
    if (status == STATUS_OK) status = o->interleave ? interleave(&c) : once(&c);
    arena_destroy(c.teacher_memory);
    arena_destroy(c.memory);
    return status;
}

const Verb verb_bench = {
    "bench", "CONFIG", "Times training steps, or the integer engine, on random inputs", "smbkfi", 1, 1, run_bench};
