/* What the verbs share: signals, progress, the run directory. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "deploy/grid_floor.h"
#include "train/model_data.h"
#include "train/model_file.h"

volatile sig_atomic_t cli_stop;

static void on_signal(int number) { cli_stop = number; }

void cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESETHAND | SA_RESTART}; /* a second one ends at once */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool takes_model(const Verb *verb)
{
    const char *model = strstr(verb->arguments, "MODEL");
    return model != NULL && strchr(" |", model[5]) != NULL; /* strchr finds the NUL, too */
}

Status cli_find_model(Arena *arena, const Verb *verb, const Options *o)
{
    if (!takes_model(verb) || o->resume || o->arguments == 0) return STATUS_OK;
    const char *file;
    TRY(model_file(arena, o->argument[0], &file));
    if (file == o->argument[0]) return STATUS_OK;
    o->argument[0] = arena_strdup(arena, file);
    if (!o->quiet) cli_note("model: %s\n", file);
    return STATUS_OK;
}

void cli_warn(const char *text) { cli_note("warning: %s\n", text); }

void cli_show_data(Arena *arena, const Options *o, const DataSplits *data)
{
    if (!o->quiet) cli_note("%s\n", data_line(arena, data));
    for (int i = 0; i < data->notes; i++) cli_warn(data->note[i]);
}

const char *cli_command(Arena *arena, const Options *o)
{
    char *text = arena_strdup(arena, "bitfold");
    for (int i = 1; i < o->argc; i++) {
        const bool plain =
            strspn(o->argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:[]") ==
            strlen(o->argv[i]);
        char *word = o->argv[i];
        if (!plain) {
            word = arena_strdup(arena, "");
            for (const char *p = o->argv[i]; *p != '\0'; p++)
                word = *p == '\'' ? arena_printf(arena, "%s'\\''", word) : arena_printf(arena, "%s%c", word, *p);
            word = arena_printf(arena, "'%s'", word);
        }
        text = arena_printf(arena, "%s %s", text, word);
    }
    return text;
}

const char *cli_run_folder(Arena *arena, const Options *o, const char *name)
{
    return o->out != NULL ? o->out : file_join(arena, "runs", name);
}

void cli_progress(const char *line, bool stays)
{
    const bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) cli_note("\r\033[K");
    cli_note("%s", line);
    if (stays || !terminal) cli_note("\n");
    fflush(stderr);
}

void cli_progress_clear(void)
{
    if (isatty(STDERR_FILENO) != 0) cli_note("\r\033[K");
}

/* A TrainJob's progress, nothing if quiet. */
typedef struct {
    bool quiet, terminal;
    double last;
    const char *label; /* before the line: "seed 1", ... or "" */
} Progress;

static Progress progress_make(const Options *o, const char *label)
{
    return (Progress){.quiet = o->quiet, .terminal = isatty(STDERR_FILENO) != 0, .label = label};
}

static void progress_clear(const Progress *p)
{
    if (!p->quiet) cli_progress_clear();
}

static void progress_show(void *context, const TrainProgress *t)
{
    Progress *p = context;
    if (p->quiet) return;
    const double now = timing_seconds();
    if (!t->epoch_end && (!p->terminal || now - p->last < 0.1)) return;
    p->last = now;
    const double per_step = t->images_per_s > 0.0 ? 1.0 / t->images_per_s : 0.0;
    const Metric *running = t->task->type->running, *metric = t->task->metric;
    Arena *memory = arena_create();
    const char *validation = "";
    if (metric_measured(metric, t->validation))
        validation = arena_printf(memory, "  val %6s%s", metric_number(memory, metric, t->validation), metric->unit);
    char *line = arena_printf(memory, "%s%s%s epoch %d/%d  step %ld/%ld  loss %.4f  %s %6s%s%s  %.0f images/s",
                              p->label, p->label[0] == '\0' ? "" : ": ", t->phase, t->epoch, t->epochs, t->step,
                              t->steps, t->loss, running->brief, metric_number(memory, running, t->running),
                              running->unit, validation, t->images_per_s);
    if (!t->epoch_end && t->step > 0) {
        const double images_left = (double)(t->steps - t->step) * (double)t->images_per_step;
        const int eta = (int)(images_left * per_step);
        line = arena_printf(memory, "%s  %d:%02d left", line, eta / 60, eta % 60);
    }
    cli_progress(line, t->epoch_end);
    arena_destroy(memory);
}

Status cli_train(Arena *arena, const Options *o, TrainJob *job, const char *label, TrainResult *result, int *exit_code)
{
    Progress progress = progress_make(o, label);
    TrainJob watched = *job;
    watched.stop = &cli_stop;
    watched.progress = progress_show;
    watched.progress_context = &progress;
    const Status status = train_run(arena, &watched, result);
    if (status == STATUS_INTERRUPTED) {
        progress_clear(&progress);
        *exit_code = 128 + (int)cli_stop;
        if (!o->resumable) {
            cli_note("bitfold: %s; `bitfold train %s --resume` goes on with the training\n", status_message(),
                     job->folder);
            return status;
        }
        const char *out = label[0] == '\0' ? job->folder : o->out; /* a row of a table goes on with the table */
        cli_note("bitfold: %s; the same command with --resume%s%s goes on\n", status_message(),
                 out == NULL ? "" : " --out ", out == NULL ? "" : out);
        return status;
    }
    if (status != STATUS_OK) {
        progress_clear(&progress);
        return status;
    }
    if (result->stopped_early && !o->quiet)
        cli_note("note: %s%sstopped after %ld steps: the validation split was not better for %d epochs\n", label,
                 label[0] == '\0' ? "" : ": ", result->steps, job->config->train.early_stopping);
    const char **notes = model_floor_notes(arena, job->model);
    for (int i = 0; notes[i] != NULL && !o->quiet; i++)
        cli_note("note: %s%s%s\n", label, label[0] == '\0' ? "" : ": ", notes[i]);
    return STATUS_OK;
}
