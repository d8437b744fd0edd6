/* landscape: the loss around the weights of models of one network. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "report/report.h"
#include "train/model_data.h"
#include "train/model_file.h"
#include "train/model_task.h"
#include "train/run.h"

enum { IMAGES = 512, POINTS = 15, MAX_MODELS = 8 };
static const double RADIUS = 1.0;

typedef struct {
    const Options *o;
    OpenModel *open; /* [models] */
    const char *folder;
    RunFolder run;
    DataSplits data;
    Sample sample;
    Task task;
    Landscape landscape;
    int now; /* the model that is looked at */
} Job;

/* That model i has the weights of the first, by name and shape: then directions are the same for both. */
static Status check_same(const Job *job, int i)
{
    const Model *a = job->open[0].model, *b = job->open[i].model;
    bool same = a->layers == b->layers && a->layers > 0;
    for (int k = 0; same && k < a->layers; k++) {
        const Param *p = a->layer[k].weight, *q = b->layer[k].weight;
        same = strcmp(a->layer[k].name, b->layer[k].name) == 0 && (p == NULL) == (q == NULL) &&
               (p == NULL || shape_equal(p->shape, q->shape));
    }
    if (same) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: its layers are not those of %s; must be models of one network",
                       job->o->argument[i], job->o->argument[0]);
}

static Status open_models(Arena *arena, Job *job)
{
    const Options *o = job->o;
    job->landscape.models = o->arguments;
    job->open = ARENA_ARRAY(arena, OpenModel, o->arguments);
    job->landscape.model = ARENA_ARRAY(arena, LandscapeModel, o->arguments);
    for (int i = 0; i < o->arguments; i++) {
        const char *file;
        TRY(model_file(arena, o->argument[i], &file));
        TRY(model_open(arena, file, o->sets, &job->open[i]));
        TRY(check_same(job, i));
        const ModelKind kind = job->open[i].kind;
        job->landscape.model[i] =
            (LandscapeModel){.name = o->argument[i], .kind = model_kind_names[kind], .quantized = kind != MODEL_FLOAT};
    }
    return STATUS_OK;
}

static Status draw_images(Arena *arena, Job *job)
{
    const OpenModel *first = &job->open[0];
    const ModelClasses classes = model_classes(job->o->argument[0], first->model);
    TRY(model_data(arena, first->config, &classes, false, &job->data));
    cli_show_data(arena, job->o, &job->data);
    const Dataset *from = job->data.validation.n > 0 ? &job->data.validation : &job->data.train;
    if (job->data.validation.n == 0 && !job->o->quiet)
        cli_note("note: data.validation is 0: the loss is that of training images\n");
    TRY(sample_draw(arena, from, job->o->images > 0 ? job->o->images : IMAGES, first->config->seed, &job->sample));
    job->landscape.images = job->sample.n;
    return STATUS_OK;
}

static void show_progress(void *context, int done, int points)
{
    const Job *job = context;
    if (job->o->quiet || done % (points / 10 + 1) != 0) return;
    Arena *memory = arena_create();
    cli_progress(arena_printf(memory, "%s: point %d/%d", job->landscape.model[job->now].name, done, points), false);
    arena_destroy(memory);
}

static Status walk(Arena *arena, Job *job)
{
    cli_catch_signals();
    for (int i = 0; i < job->landscape.models; i++) {
        const OpenModel *open = &job->open[i];
        job->now = i;
        job->task = model_task(open->config, open->model);
        const LandscapeJob of = {.model = open->model,
                                 .task = &job->task,
                                 .sample = &job->sample,
                                 .seed = job->open[0].config->seed,
                                 .stop = &cli_stop,
                                 .progress = show_progress,
                                 .context = job};
        const Status status = landscape_make(arena, &of, &job->landscape, &job->landscape.model[i]);
        if (!job->o->quiet) cli_progress_clear();
        TRY(status);
    }
    return STATUS_OK;
}

static Status write_results(Arena *arena, const Job *job, double start)
{
    const OpenModel *first = &job->open[0];
    const Config *config = first->config;
    char *text;
    TRY(landscape_write_csv(arena, &job->landscape, file_join(arena, job->folder, "landscape.csv")));
    TRY(config_text(arena, config, job->folder, &text));
    const char *seed = arena_printf(arena, "%llu", (unsigned long long)config->seed);
    const Report report = {.title = config->name,
                           .subject = "the loss around the weights",
                           .command = cli_command(arena, job->o),
                           .config_text = text,
                           .facts = report_facts(arena, config, &job->data, model_parameters(first->model), seed),
                           .landscape = &job->landscape};
    TRY(report_write(arena, &report, file_join(arena, job->folder, "report.html")));
    const RunNote note = {
        .model = first->model, .argc = job->o->argc, .argv = job->o->argv, .seconds = timing_seconds() - start};
    return run_folder_note(arena, job->folder, &note);
}

static Status run_job(Arena *arena, Job *job)
{
    const Options *o = job->o;
    const double start = timing_seconds();
    const RunTerms terms = {
        .mode = run_mode(o->overwrite, false), .source = o->argument[0], .argc = o->argc, .argv = o->argv};
    TRY(open_models(arena, job));
    const char *name = arena_printf(arena, "%s-landscape", job->open[0].config->name);
    job->folder = cli_run_folder(arena, o, name);
    TRY(run_folder_open(arena, job->folder, &terms, &job->run));
    TRY(draw_images(arena, job));
    TRY(run_folder_begin(&job->run, job->open[0].config));
    TRY(walk(arena, job));
    return write_results(arena, job, start);
}

static void add_number(cJSON *json, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(json, key, value);
    else
        cJSON_AddNullToObject(json, key);
}

static void print_json(Arena *arena, const Job *job)
{
    const Landscape *l = &job->landscape;
    cJSON *json = cJSON_CreateObject(), *models = cJSON_AddArrayToObject(json, "models");
    cJSON_AddStringToObject(json, "folder", job->folder);
    cJSON_AddNumberToObject(json, "images", l->images);
    for (int i = 0; i < l->models; i++) {
        const LandscapeModel *m = &l->model[i];
        cJSON *of = cJSON_CreateObject();
        cJSON_AddStringToObject(of, "model", m->name);
        cJSON_AddStringToObject(of, "kind", m->kind);
        add_number(of, "loss", m->loss);
        if (m->quantized) add_number(of, "loss_at_codes", m->line[LANDSCAPE_AT_CODES]);
        add_number(of, "rise_half", landscape_rise(l, m, l->radius / 2));
        add_number(of, "rise_whole", landscape_rise(l, m, l->radius));
        cJSON_AddItemToArray(models, of);
    }
    cli_print_json(arena, json);
}

static void print_text(Arena *arena, const Job *job)
{
    const Landscape *l = &job->landscape;
    cli_print("%-6s %9s %9s  %9s %9s  on %d images\n", "kind", "loss", "at codes",
              arena_printf(arena, "+ at %.2g", l->radius / 2), arena_printf(arena, "+ at %.2g", l->radius), l->images);
    for (int i = 0; i < l->models; i++) {
        const LandscapeModel *m = &l->model[i];
        cli_print("%-6s %9.4f %9s  %9.4f %9.4f  %s\n", m->kind, m->loss,
                  m->quantized ? arena_printf(arena, "%.4f", m->line[LANDSCAPE_AT_CODES]) : "-",
                  landscape_rise(l, m, l->radius / 2), landscape_rise(l, m, l->radius), m->name);
    }
    cli_print("%s\n%s\n", file_join(arena, job->folder, "landscape.csv"), file_join(arena, job->folder, "report.html"));
}

static Status run_landscape(Arena *arena, const Options *o, int *exit_code)
{
    Job job = {.o = o, .landscape = {.points = o->points > 0 ? o->points : POINTS, .radius = RADIUS}};
    if (job.landscape.points % 2 == 0)
        return status_fail(STATUS_INVALID, "landscape: --points: %d; must be odd: the middle one is the model",
                           job.landscape.points);
    const Status status = run_job(arena, &job);
    if (status == STATUS_INTERRUPTED) {
        *exit_code = 128 + (int)cli_stop;
        cli_note("bitfold: %s\n", status_message());
    }
    if (job.run.arena != NULL) TRY(run_folder_end(&job.run, status == STATUS_INTERRUPTED ? STATUS_STATE : status));
    TRY(status);
    if (o->json)
        print_json(arena, &job);
    else
        print_text(arena, &job);
    return STATUS_OK;
}

const Verb verb_landscape = {
    "landscape",
    "MODEL...",
    "The loss around the weights of models of one network: along the line to their codes, and on a "
    "plane, in the same directions and on the same images",
    "srwnjx",
    1,
    MAX_MODELS,
    run_landscape};
