/* lrfind: the learning-rate range test. */
#include "base/file.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "report/report.h"
#include "train/run_begin.h"

enum { STEPS = 200 };

typedef struct {
    const Options *o;
    RunBegin begin;
    RunOutcome run;
    LrFind find;
} Job;

static void show_note(void *context, const char *text)
{
    if (!((const Job *)context)->o->quiet) cli_note("%s\n", text);
}

static void show_progress(void *context, const TrainProgress *p)
{
    const Job *job = context;
    const long every = p->steps / 20 + 1;
    if (job->o->quiet || p->step % every != 0) return;
    Arena *memory = arena_create();
    cli_progress(arena_printf(memory, "step %ld/%ld  rate %.3g  loss %.4f  %.0f images/s", p->step, p->steps, p->lr,
                              p->loss, p->images_per_s),
                 false);
    arena_destroy(memory);
}

static Status write_results(Arena *arena, const Job *job, double start)
{
    const RunOutcome *run = &job->run;
    const Options *o = job->o;
    char *config;
    TRY(lr_find_write_csv(arena, &job->find, file_join(arena, run->folder, "lrfind.csv")));
    TRY(config_text(arena, run->config, run->folder, &config));
    const char *seed = arena_printf(arena, "%llu", (unsigned long long)run->config->seed);
    const Report report = {.title = run->config->name,
                           .subject = "learning-rate range test",
                           .command = cli_command(arena, o),
                           .config_text = config,
                           .facts =
                               report_facts(arena, run->config, &job->begin.data, model_parameters(run->model), seed),
                           .lr_find = &job->find};
    TRY(report_write(arena, &report, file_join(arena, run->folder, "report.html")));
    const RunNote note = {.model = run->model, .argc = o->argc, .argv = o->argv, .seconds = timing_seconds() - start};
    return run_folder_note(arena, run->folder, &note);
}

static Status run_job(Arena *arena, Job *job)
{
    const Options *o = job->o;
    const double start = timing_seconds();
    const RunRequest request = {.path = o->argument[0],
                                .sets = o->sets,
                                .out = o->out,
                                .suffix = "-lrfind",
                                .overwrite = o->overwrite,
                                .argc = o->argc,
                                .argv = o->argv,
                                .note = show_note,
                                .context = job};
    TRY(run_begin(arena, &request, MODEL_FLOAT, &job->begin, &job->run));
    TRY(run_folder_begin(&job->run.run, job->run.config));
    cli_show_data(arena, o, &job->begin.data);
    const TrainJob train = {.config = job->run.config,
                            .data = &job->begin.data,
                            .model = job->run.model,
                            .kind = MODEL_FLOAT,
                            .teacher = job->begin.recipe.teacher,
                            .stop = &cli_stop,
                            .progress = show_progress,
                            .progress_context = job};
    cli_catch_signals();
    const Status status = lr_find(arena, &train, o->steps > 0 ? o->steps : STEPS, &job->find);
    if (!o->quiet) cli_progress_clear();
    TRY(status);
    return write_results(arena, job, start);
}

static void print_json(Arena *arena, const Job *job)
{
    const LrFind *find = &job->find;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "folder", job->run.folder);
    if (find->suggested > 0)
        cJSON_AddNumberToObject(json, "lr", find->suggested);
    else
        cJSON_AddNullToObject(json, "lr");
    if (find->points > 0) {
        cJSON_AddNumberToObject(json, "lowest_lr", find->point[find->lowest].lr);
        cJSON_AddNumberToObject(json, "lowest_loss", find->point[find->lowest].smoothed);
        cJSON_AddNumberToObject(json, "last_lr", find->point[find->points - 1].lr);
    }
    cJSON_AddNumberToObject(json, "steps", find->points);
    cJSON_AddBoolToObject(json, "exploded", find->exploded);
    cli_print_json(arena, json);
}

static void print_text(Arena *arena, const Job *job)
{
    const LrFind *find = &job->find;
    const char *end = find->exploded ? "exploded" : "did not explode";
    if (find->suggested > 0)
        cli_print("train.optimizer.lr %.2g (a tenth of the rate at the lowest loss; the loss %s at %.2g)\n",
                  find->suggested, end, find->point[find->points - 1].lr);
    else
        cli_print("no rate to suggest: the loss fell at none (and %s)\n", end);
    cli_print("%s\n", file_join(arena, job->run.folder, "lrfind.csv"));
    cli_print("%s\n", file_join(arena, job->run.folder, "report.html"));
}

static Status run_lrfind(Arena *arena, const Options *o, int *exit_code)
{
    Job job = {.o = o};
    const Status status = run_job(arena, &job);
    if (status == STATUS_INTERRUPTED) {
        *exit_code = 128 + (int)cli_stop;
        cli_note("bitfold: %s\n", status_message());
    }
    /* One that was stopped is of no use, either. */
    TRY(run_folder_end(&job.run.run, status == STATUS_INTERRUPTED ? STATUS_STATE : status));
    if (o->json)
        print_json(arena, &job);
    else
        print_text(arena, &job);
    return STATUS_OK;
}

const Verb verb_lrfind = {"lrfind",
                          "CONFIG|MODEL",
                          "Finds a learning rate: a short training whose rate rises until the loss explodes",
                          "srwxu",
                          1,
                          1,
                          run_lrfind};
