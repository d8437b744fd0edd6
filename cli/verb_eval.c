/* eval, verify: the verbs that look at a finished model. */
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/verify_model.h"
#include "datasets/batch_reader.h"
#include "deploy/lower.h"
#include "train/dump.h"
#include "train/model_data.h"
#include "train/model_task.h"
#include "train/test_data.h"

static Status choose(const char *option, const char *given, const char *const *names, int otherwise, int *choice)
{
    *choice = otherwise;
    if (given == NULL) return STATUS_OK;
    for (*choice = 0; names[*choice] != NULL; ++*choice)
        if (strcmp(names[*choice], given) == 0) return STATUS_OK;
    return status_fail(STATUS_INVALID, "--%s: \"%s\"; must be %s, %s or %s", option, given, names[0], names[1],
                       names[2]);
}

static cJSON *eval_json(const EvalResult *r, const char *engine, const TestData *test, const char *against)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "engine", engine);
    cJSON_AddStringToObject(json, "split", test->name);
    if (test->folder != NULL) cJSON_AddStringToObject(json, "data", test->folder);
    if (against != NULL) cJSON_AddStringToObject(json, "against", against);
    score_json(&r->score, json);
    cJSON_AddNumberToObject(json, "loss", r->loss);
    cJSON_AddNumberToObject(json, "n", r->n);
    cJSON_AddNumberToObject(json, "images_per_s", r->images_per_s);
    r->score.task->type->json(&r->score, json);
    return json;
}

static void eval_text(Arena *arena, const EvalResult *r, const char *engine, const TestData *test, const char *against)
{
    const TaskType *type = r->score.task->type;
    if (test->folder != NULL) cli_print("%s: ", test->folder);
    if (against != NULL) cli_print("against %s: ", against);
    cli_print("%s%s, %s engine: %s, loss %.4f, %.0f images/s\n\n", test->name, test->whole ? " pictures" : " split",
              engine, type->summary(arena, &r->score), r->loss, r->images_per_s);
    const char *line;
    for (int i = 0; (line = type->line(arena, &r->score, i)) != NULL; i++) cli_print("%s\n", line);
}

/* --dump: what the evaluation is of. */
static Status dump_eval(Arena *arena, const Options *o, Model *m, const Graph *graph, EngineKind engine,
                        const Dataset *data)
{
    if (o->dump == NULL) {
        if (!o->layers) return STATUS_OK;
        return status_fail(STATUS_INVALID, "--layers: no --dump DIR; it is required");
    }
    switch (engine) {
    case ENGINE_INT8:
        return dump_codes(arena, graph, data, o->layers, o->dump);
    case ENGINE_FLOAT:
        if (!o->layers) return dump_floats(arena, m, data, o->dump);
        return status_fail(STATUS_INVALID, "--layers: the float engine; must be int8 to have codes of every layer");
    case ENGINE_SIM:
        break;
    }
    return status_fail(STATUS_INVALID, "--dump: --engine sim; must be int8, which computes the same, or float");
}

/* Integers may come without a config, and then without data. */
static Status want_data(const Options *o, const Config *config)
{
    if (config->data.dataset[0] != '\0' || file_exists(config->path)) return STATUS_OK;
    return status_fail(STATUS_STATE,
                       "%s: there is no config.json beside it, which names its data; that, --data DIR, or --set "
                       "data.dataset=... --set data.dir=..., is required",
                       o->argument[0]);
}

static void warn_pixels(const Config *config)
{
    if (config->renormalized) cli_warn("data.normalize: the model was trained with another normalisation");
}

/* --images: the set is cut, and classes that are lost by it are told. */
static Status take_images(Arena *arena, const Options *o, TestData *test)
{
    Dataset *set = test->set;
    if (o->images == 0) return STATUS_OK;
    if (o->images > set->n)
        return status_fail(STATUS_INVALID, "--images: %d; must be at most the %d of %s", o->images, set->n,
                           test->whole ? o->data : arena_printf(arena, "the %s split", test->name));
    if (set->targets.width > 0) {
        dataset_take(arena, set, o->images);
        return STATUS_OK;
    }
    const bool *before = classes_seen(arena, set);
    dataset_take(arena, set, o->images);
    const bool *after = classes_seen(arena, set);
    const char **lost = ARENA_ARRAY(arena, const char *, set->classes);
    int n = 0;
    for (int k = 0; k < set->classes; k++)
        if (before[k] && !after[k]) lost[n++] = test->data.class_names[k];
    if (n > 0)
        data_note(arena, &test->data, "--images %d: no image of class %s", o->images, classes_text(arena, lost, n));
    return STATUS_OK;
}

/* --against: the answers of another model become the targets. */
static Status take_answers(Arena *arena, const Options *o, const OpenModel *open, TestData *test)
{
    if (o->against == NULL) return STATUS_OK;
    OpenModel other;
    Graph *graph;
    TRY(any_open(arena, o->against, NULL, &other, &graph));
    const Model *a = other.model, *m = open->model;
    bool same = other.config->task.type == open->config->task.type && a->classes == m->classes &&
                a->input.h == m->input.h && a->input.w == m->input.w && a->input.c == m->input.c;
    for (int k = 0; same && m->class_names != NULL && k < m->classes; k++)
        same = strcmp(a->class_names[k], m->class_names[k]) == 0;
    if (!same)
        return status_fail(STATUS_SHAPE, "--against: %s has another task, input or outputs than %s; must have the same",
                           o->against, o->argument[0]);
    const Task task = model_task(other.config, other.model);
    const EngineKind engine = graph == NULL ? ENGINE_FLOAT : ENGINE_INT8;
    return evaluate_answers(arena, &task, other.model, graph, test->set, engine, &test->set->targets, NULL);
}

static Status run_eval(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    OpenModel open;
    Graph *graph;
    TRY(any_open(arena, o->argument[0], o->sets, &open, &graph));
    int engine, split;
    TRY(choose("engine", o->engine, engine_names, open.kind == MODEL_FLOAT ? ENGINE_FLOAT : ENGINE_INT8, &engine));
    TRY(choose("split", o->split, split_names, 2, &split));
    if (open.kind == MODEL_FLOAT && engine != ENGINE_FLOAT)
        return status_fail(STATUS_STATE,
                           "%s: a float model has no %s engine; quantize it first (bitfold ptq or bitfold qat)",
                           o->argument[0], engine_names[engine]);
    if (open.model->layers == 0 && engine != ENGINE_INT8)
        return status_fail(STATUS_STATE, "--engine %s: %s holds integers only; must be int8", engine_names[engine],
                           o->argument[0]);
    if (o->data == NULL) TRY(want_data(o, open.config));
    TestData test;
    TRY(test_data(arena, &open, o->argument[0], o->data, o->split, &test));
    TRY(take_images(arena, o, &test));
    warn_pixels(open.config);
    TRY(take_answers(arena, o, &open, &test));
    TRY(dump_eval(arena, o, open.model, graph, (EngineKind)engine, test.set));
    EvalResult r;
    cli_show_data(arena, o, &test.data);
    const Task task = model_task(open.config, open.model);
    TRY(evaluate(arena, &task, open.model, graph, test.set, (EngineKind)engine, &r));
    if (o->json)
        cli_print_json(arena, eval_json(&r, engine_names[engine], &test, o->against));
    else
        eval_text(arena, &r, engine_names[engine], &test, o->against);
    return STATUS_OK;
}

/* A model with integers; a float one is refused. */
static Status open_quantized(Arena *arena, const Options *o, OpenModel *open)
{
    TRY(model_open(arena, o->argument[0], o->sets, open));
    if (open->kind != MODEL_FLOAT) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: a float model; quantize it first (bitfold ptq or bitfold qat)",
                       o->argument[0]);
}

static Status run_verify(Arena *arena, const Options *o, int *exit_code)
{
    OpenModel open;
    TRY(open_quantized(arena, o, &open));
    Graph *graph;
    TRY(model_lower(arena, open.model, (Rounding)open.config->quant.rounding, &graph));
    DataSplits data;
    TRY(experiment_data(arena, open.config, &data));
    warn_pixels(open.config);
    for (int i = 0; i < data.notes; i++) cli_warn(data.note[i]);
    VerifyResult result;
    TRY(verify_model(arena, open.model, graph, &data.test, &result));
    if (o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddNumberToObject(json, "values", (double)result.values);
        cJSON_AddNumberToObject(json, "different", (double)result.different);
        cJSON_AddNumberToObject(json, "images", data.test.n);
        cJSON_AddNumberToObject(json, "layers", open.model->layers);
        cJSON_AddStringToObject(json, "rounding", rounding_names[open.config->quant.rounding]);
        cli_print_json(arena, json);
    } else {
        cli_print("%d test images, %d layers, rounding %s: %ld codes compared, %ld different\n", data.test.n,
                  open.model->layers, rounding_names[open.config->quant.rounding], result.values, result.different);
        if (result.first != NULL) cli_print("first: %s\n", result.first);
    }
    if (result.different != 0) *exit_code = EXIT_FAIL;
    return STATUS_OK;
}

const Verb verb_eval = {
    "eval",
    "MODEL",
    "What a model is worth on images: its metrics and loss; accuracy by class and the confusion matrix",
    "sepanlE0",
    1,
    1,
    run_eval};
const Verb verb_verify = {
    "verify", "MODEL", "Proves that the exported integers are the trained ones, layer by layer", "s", 1, 1, run_verify};
