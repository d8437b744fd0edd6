#include "cli/search_find.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "report/report_trials.h"

Status search_budget_options(const Options *o, SearchOptions *s)
{
    const char *const given[COSTS] = {o->flash, o->ram, o->cycles, o->bops, o->latency};
    for (CostKind k = 0; k < COSTS; k++) {
        s->budget[k] = (double)INFINITY;
        if (given[k] != NULL) TRY(cost_read(k, given[k], &s->budget[k]));
    }
    return STATUS_OK;
}

typedef struct {
    Arena *arena;
    const SearchJob *job;
    const SearchOptions *options;
} Shown;

static void show_trial(void *context, const Trial *t, int number)
{
    const Shown *s = context;
    if (s->job->o->quiet) return;
    const CostKind kind = search_main_cost(s->options);
    cli_note("network %d  %s %s  %s %s  change %+.2f\n", number, cost_types[kind].name,
             cost_text(s->arena, kind, t->cost.of[kind]), s->job->judge.task.metric->brief,
             metric_number(s->arena, s->job->judge.task.metric, t->m.value), 0.0 - t->drop);
}

static void show_training(void *context, int stretch, long step, long steps, double loss)
{
    const Shown *s = context;
    if (s->job->o->quiet) return;
    Arena *memory = arena_create();
    const char *line =
        arena_printf(memory, "learning widths  price %d  step %ld/%ld  loss %.4f", stretch, step, steps, loss);
    if (step == steps || isatty(STDERR_FILENO) != 0) cli_progress(line, step == steps);
    arena_destroy(memory);
}

/* All that networks follow from besides what sensitivity does. */
static const char *search_digest(Arena *arena, const SearchJob *job, const SearchOptions *o, const SearchSpace *space)
{
    char *all = arena_printf(arena, "%s %d", job->sensitivity.digest, o->measure);
    for (int i = 0; i < o->formats.n; i++) all = arena_printf(arena, "%s %d", all, o->formats.at[i]);
    if (space->timed) { /* as they were measured */
        const int n = space->s->groups.layers * o->formats.n * o->formats.n;
        for (int i = 0; i < n; i++) all = arena_printf(arena, "%s %.17g", all, space->cost[i].of[COST_LATENCY]);
    }
    return arena_printf(arena, "%016llx", (unsigned long long)text_hash(all));
}

/* What is searched for, and how. */
static const char *asked_text(Arena *arena, const SearchOptions *o)
{
    const char *text = arena_printf(arena, "%s, tolerance %.9g, least %s", search_methods[o->method]->name,
                                    o->tolerance, cost_types[o->minimize].name);
    for (int k = 0; k < COSTS; k++)
        if (isfinite(o->budget[k])) text = arena_printf(arena, "%s, %s %.9g", text, cost_types[k].name, o->budget[k]);
    return text;
}

static Status time_layers(Arena *arena, SearchJob *job, SearchFound *f)
{
    TRY(search_rows_digest(arena, job));
    f->latency = (LatencyJob){
        .path = file_join(arena, job->folder, "latency.json"), .digest = job->sensitivity.digest, .stop = &cli_stop};
    cli_catch_signals();
    if (!job->o->quiet) cli_progress("timing layers", false);
    const Status status = space_latency(arena, &job->judge, &f->space, &f->latency);
    if (!job->o->quiet) cli_progress_clear();
    TRY(search_interrupted(job, status));
    if (!f->latency.measured && !job->o->quiet)
        cli_note("note: layers were timed on %s (%s) and are not timed again\n", f->latency.machine, f->latency.isa);
    return STATUS_OK;
}

Status search_find(Arena *arena, SearchJob *job, SearchOptions *options, SearchFound *f)
{
    *f = (SearchFound){0};
    Shown *shown = ARENA_ARRAY(arena, Shown, 1);
    *shown = (Shown){arena, job, options};
    if (options->measure < 0) options->measure = job->judge.task.type->answers_class ? LOSS_KL : LOSS_LOSS;
    if (options->measure == LOSS_KL && !job->judge.task.type->answers_class)
        return status_fail(STATUS_CONFIG, "--order: \"kl\"; the task %s answers no classes, \"loss\" is required",
                           job->judge.task.type->name);
    f->sensitivity.groups = job->groups;
    TRY(space_make(arena, &job->judge, &f->sensitivity, options->formats, &f->space));
    SensitivityOptions *s = &job->sensitivity.options;
    *s = (SensitivityOptions){.part = {[PART_WEIGHTS] = true, [PART_ACTIVATIONS] = true},
                              .predict = options->measure >= LOSS_PREDICTOR};
    s->formats = options->formats;
    if (search_is_timed(options)) TRY(time_layers(arena, job, f));
    f->trials = (Trials){.arena = arena,
                         .make = trial_make,
                         .judge = &job->judge,
                         .space = &f->space,
                         .folder = job->folder,
                         .path = file_join(arena, job->folder, "search.json"),
                         .asked = asked_text(arena, options),
                         .stop = &cli_stop,
                         .progress = show_trial,
                         .training = show_training,
                         .context = shown};
    TRY(search_check_budgets(arena, options, &f->space, &f->trials));
    TRY(search_sensitivity(arena, job, &f->sensitivity));
    space_measured(&f->space, options->measure);
    f->trials.digest = search_digest(arena, job, options, &f->space);
    TRY(trials_begin(&f->trials));
    if (f->trials.other && !job->o->quiet)
        cli_note("note: %s has the result of a search for something else, which is replaced; its rows are kept\n",
                 job->folder);
    return search_interrupted(job, search_run(arena, options, &f->space, &f->trials, &f->result));
}

Status search_leave(Arena *arena, const SearchJob *job, const SearchOptions *options, const SearchFound *f)
{
    TRY(search_write_csv(&f->trials, &f->result, file_join(arena, job->folder, "pareto.csv")));
    return search_write_why(arena, options, &f->trials, &f->result, file_join(arena, job->folder, "why.txt"));
}
