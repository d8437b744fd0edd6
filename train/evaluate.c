#include "train/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/timing.h"
#include "datasets/batch_reader.h"
#include "layers/model_finite.h"
#include "quant/quant_config.h"
#include "graph/engine.h"

const char *const engine_names[] = {"float", "sim", "int8", NULL};

enum { EVAL_BATCH = 128 };

static Status logits_of(Model *m, Tape *t, Engine *engine, EngineKind kind, const uint8_t *pixels, int n,
                        const float **logits)
{
    tape_reset(t, false);
    if (kind != ENGINE_INT8) {
        const ForwardMode mode = {.arithmetic = kind == ENGINE_FLOAT ? ARITHMETIC_FLOAT : ARITHMETIC_INT,
                                  .rounding = m->quant == NULL ? ROUNDING_XNNPACK : (Rounding)m->quant->rounding};
        const Tensor *z = model_forward(m, t, &mode, pixels, n);
        if (z == NULL) return status_fail(t->status, "%s", t->message);
        if (kind == ENGINE_FLOAT) TRY(model_check_logits(m, t, pixels, n, z));
        *logits = tensor_values(t, z);
        return STATUS_OK;
    }
    float *z = arena_alloc(t->arena, sizeof(float) * (size_t)n * (size_t)m->classes);
    engine_run_pixels(engine, t->arena, pixels, n, z);
    *logits = z;
    return STATUS_OK;
}

/* Takes the outputs of n images, the first of them `first` of the split. */
typedef void TakeOutputs(void *context, const float *outputs, int first, int n);

static Status each_batch(Model *m, const Graph *graph, const Dataset *data, EngineKind kind, TakeOutputs *take,
                         void *context)
{
    if (kind == ENGINE_FLOAT) TRY(model_check_finite(m));
    Arena *own = arena_create(), *step = arena_create();
    Tape *t = tape_create(own, step);
    Engine *engine = NULL;
    Status status = STATUS_OK;
    if (kind == ENGINE_INT8) status = engine_create(own, graph, EVAL_BATCH, &engine);
    DatasetBatches b = dataset_batches(own, data, EVAL_BATCH);
    while (dataset_next(&b, &status)) {
        const float *logits = NULL;
        status = logits_of(m, t, engine, kind, b.pixels, b.n, &logits);
        if (status == STATUS_OK) take(context, logits, b.first, b.n);
    }
    arena_destroy(step);
    arena_destroy(own);
    return status;
}

typedef struct {
    Score *score;
    Targets targets;
} Scoring;

static void add_to_score(void *context, const float *outputs, int first, int n)
{
    const Scoring *s = context;
    score_add(s->score, outputs, targets_from(s->targets, first), n);
}

Status evaluate(Arena *arena, const Task *task, Model *m, const Graph *graph, const Dataset *data, EngineKind kind,
                EvalResult *r)
{
    Task *copy = ARENA_ARRAY(arena, Task, 1);
    *copy = *task;
    Score score = score_begin(arena, copy, data->n);
    const double start = timing_seconds();
    const Status status = each_batch(m, graph, data, kind, add_to_score, &(Scoring){&score, data->targets});
    *r = (EvalResult){.n = score.n,
                      .value = score_value(&score, task->metric),
                      .loss = score_loss(&score),
                      .images_per_s = (double)score.n / fmax(timing_seconds() - start, 1e-9),
                      .score = score};
    return status;
}

typedef struct {
    const Task *task;
    Targets like;
    char *room;  /* targets, or */
    float *kept; /* the outputs themselves */
} Keeping;

static void keep_outputs(void *context, const float *outputs, int first, int n)
{
    const Keeping *k = context;
    const size_t K = (size_t)k->task->outputs;
    for (int i = 0; i < n; i++)
        k->task->type->as_target(k->task, outputs + (size_t)i * K, targets_from(k->like, first + i),
                                 k->room + (size_t)(first + i) * target_bytes(k->like));
    if (k->kept != NULL) memcpy(k->kept + (size_t)first * K, outputs, (size_t)n * K * sizeof *outputs);
}

Status evaluate_answers(Arena *arena, const Task *task, Model *m, const Graph *graph, const Dataset *data,
                        EngineKind kind, Targets *answers, float *outputs)
{
    Keeping keeping = {.task = task, .like = data->targets, .kept = outputs};
    keeping.room = arena_try_alloc(arena, (size_t)data->n * target_bytes(data->targets));
    if (keeping.room == NULL) return status_prefix(STATUS_NOMEM, "answers to %d images", data->n);
    *answers = targets_in(data->targets, keeping.room);
    return each_batch(m, graph, data, kind, keep_outputs, &keeping);
}
