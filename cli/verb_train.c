/* train, ptq, qat: the verbs that make models. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "train/model_file.h"
#include "train/run.h"

typedef struct {
    const Options *o;
    int *exit_code;
} Context;

static Status train_hook(void *context, Arena *arena, TrainJob *job, const char *label, TrainResult *result)
{
    const Context *c = context;
    cli_catch_signals(); /* what comes before, and ptq as a whole, leaves nothing half done: a signal just ends it */
    return cli_train(arena, c->o, job, label, result, c->exit_code);
}

static void show_note(void *context, const char *text)
{
    if (!((const Context *)context)->o->quiet) cli_note("%s\n", text);
}

static void show_warning(void *context, const char *text)
{
    (void)context;
    cli_warn(text);
}

/* Which model the result is of, and which one the run directory stands for where that is another. */
static Status note_model(Arena *arena, const Options *o, const RunOutcome *out)
{
    const char *stands;
    TRY(model_file(arena, out->folder, &stands));
    if (o->quiet || out->config->data.validation <= 0 || strcmp(stands, out->model_path) == 0) return STATUS_OK;
    cli_note("note: this %s is of %s; %s as a MODEL stands for %s, the best on the validation images\n",
             out->test.score.task->metric->label, out->model_path, out->folder, stands);
    return STATUS_OK;
}

static Status start(Arena *arena, const Options *o, int *exit_code,
                    Status (*run)(Arena *arena, const RunRequest *request, RunOutcome *outcome))
{
    Context context = {o, exit_code};
    const RunRequest request = {.path = o->argument[0],
                                .sets = o->sets,
                                .out = o->out,
                                .overwrite = o->overwrite,
                                .resume = o->resume,
                                .allow_changed = o->allow_changed,
                                .argc = o->argc,
                                .argv = o->argv,
                                .train = train_hook,
                                .note = show_note,
                                .warn = show_warning,
                                .data = show_note,
                                .context = &context};
    RunOutcome out;
    TRY(run(arena, &request, &out));
    if (o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "folder", out.folder);
        cJSON_AddStringToObject(json, "model", out.model_path);
        cJSON_AddStringToObject(json, "engine", engine_names[out.engine]);
        score_json(&out.test.score, json);
        cJSON_AddNumberToObject(json, "loss", out.test.loss);
        cJSON_AddNumberToObject(json, "n", out.test.n);
        cli_print_json(arena, json);
    } else {
        const Metric *metric = out.test.score.task->metric;
        cli_print("test %s %s on %d images (%s engine)\n%s\n", metric->label,
                  metric_text(arena, metric, out.test.value), out.test.n, engine_names[out.engine], out.model_path);
    }
    return note_model(arena, o, &out);
}

static Status start_train(Arena *arena, const Options *o, int *exit_code)
{
    return start(arena, o, exit_code, run_train);
}
static Status start_ptq(Arena *arena, const Options *o, int *exit_code) { return start(arena, o, exit_code, run_ptq); }
static Status start_qat(Arena *arena, const Options *o, int *exit_code) { return start(arena, o, exit_code, run_qat); }

const Verb verb_train = {
    "train", "CONFIG|MODEL", "Trains in float, from scratch or from a model's parameters", "srwcAx", 1, 1, start_train};
const Verb verb_ptq = {"ptq", "MODEL",  "Quantizes a trained float model: calibrates ranges, trains nothing", "srwx", 1,
                       1,     start_ptq};
const Verb verb_qat = {
    "qat", "MODEL|CONFIG", "Trains with quantization in the loop, from a model or from scratch", "srwcAx", 1,
    1,     start_qat};
