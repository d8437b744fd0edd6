#include "train/lr_find.h"

#include <math.h>

#include "base/timing.h"
#include "train/batch_gradient.h"
#include "train/model_task.h"

static const double FIRST = 1e-7, LAST = 10.0, KEPT = 0.9, EXPLODED = 4.0, LEARNED = 0.95, MARGIN = 0.1;

typedef struct {
    const TrainJob *job;
    Arena *step_arena, *teacher_arena;
    Tape *tape, *teacher_tape;
    Optimizer optimizer;
    Loader *loader;
    Task task;
    int steps;
    LrFind *find;
} Finder;

/* One step at point->lr; *finite: its loss and its update are. */
static Status one_step(Finder *f, int step, LrPoint *point, bool *finite)
{
    const TrainJob *job = f->job;
    const int batches = loader_batches(f->loader);
    const Batch *batch;
    TRY(loader_get(f->loader, step / batches, step % batches, &batch));
    Batch told = *batch;
    TRY(teacher_tell(job->teacher, f->teacher_tape, &f->task, &told));
    const ForwardMode mode = train_mode(&job->config->quant, MODEL_FLOAT, step, f->steps);
    BatchLoss loss;
    const Status status = batch_gradient(f->tape, job->model, &mode, &told, &f->task, &loss);
    *finite = status != STATUS_NUMERIC;
    if (status == STATUS_NUMERIC && step > 0 && !tape_failed(f->tape)) return STATUS_OK;
    TRY(status);
    point->loss = loss.loss;
    *finite = isfinite(optimizer_step(&f->optimizer, (float)point->lr, step + 1));
    return STATUS_OK;
}

static void show(const Finder *f, int step, double seconds)
{
    const TrainJob *job = f->job;
    const LrPoint *point = &f->find->point[step];
    const TrainProgress p = {.phase = model_kind_names[MODEL_FLOAT],
                             .step = step + 1,
                             .steps = f->steps,
                             .task = &f->task,
                             .loss = point->smoothed,
                             .lr = point->lr,
                             .images_per_s = job->config->train.batch / fmax(seconds, 1e-9),
                             .images_per_step = job->config->train.batch,
                             .validation = f->task.metric->none};
    if (job->progress != NULL) job->progress(job->progress_context, &p);
}

/* So many rates are too low to change anything: the losses there are what the others are compared with, and the average
 * is of as many as it can be by then. */
static int first_rates(int steps) { return steps / 10 > 0 ? steps / 10 : 1; }

static Status rise(Finder *f)
{
    LrFind *find = f->find;
    double average = 0.0, weight = 1.0;
    for (int i = 0; i < f->steps; i++) {
        if (f->job->stop != NULL && *f->job->stop != 0)
            return status_fail(STATUS_INTERRUPTED, "stopped after step %d of %d", i, f->steps);
        const double start = timing_seconds();
        LrPoint *point = &find->point[i];
        point->lr = FIRST * pow(LAST / FIRST, (double)i / (f->steps - 1));
        bool finite;
        TRY(one_step(f, i, point, &finite));
        find->exploded = !finite;
        if (!finite) return STATUS_OK;
        average = KEPT * average + (1.0 - KEPT) * point->loss;
        weight *= KEPT;
        point->smoothed = average / (1.0 - weight);
        find->points = i + 1;
        if (i <= first_rates(f->steps) || point->smoothed < find->point[find->lowest].smoothed) find->lowest = i;
        show(f, i, timing_seconds() - start);
        find->exploded = point->smoothed > EXPLODED * find->point[find->lowest].smoothed && i + 1 < f->steps;
        if (find->exploded) return STATUS_OK;
    }
    return STATUS_OK;
}

static double loss_before(const LrFind *find, int steps)
{
    const int n = first_rates(steps) < find->points ? first_rates(steps) : find->points;
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += find->point[i].loss / n;
    return sum;
}

static void suggest(LrFind *find, int steps)
{
    if (find->points == 0 || find->point[find->lowest].smoothed > LEARNED * loss_before(find, steps)) return;
    find->suggested = MARGIN * find->point[find->lowest].lr;
}

Status lr_find(Arena *arena, const TrainJob *job, int steps, LrFind *find)
{
    Finder f = {
        .job = job, .step_arena = arena_create(), .teacher_arena = arena_create(), .steps = steps, .find = find};
    *find = (LrFind){.point = ARENA_ARRAY(arena, LrPoint, steps)};
    f.tape = tape_create(arena, f.step_arena);
    f.teacher_tape = tape_create(arena, f.teacher_arena);
    f.task = model_task(job->config, job->model);
    f.task.distillation = job->config->train.teacher.distillation;
    Status status = train_optimizer(arena, job, &f.optimizer);
    if (status == STATUS_OK) status = train_loader(arena, job, &f.loader);
    if (status == STATUS_OK) status = rise(&f);
    if (status == STATUS_OK) suggest(find, steps);
    loader_destroy(f.loader);
    arena_destroy(f.teacher_arena);
    arena_destroy(f.step_arena);
    return status;
}
