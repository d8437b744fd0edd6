#include "train/evaluate.h"

#include <math.h>

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

Status evaluate(Arena *arena, const Task *task, Model *m, const Graph *graph, const Dataset *data, EngineKind kind,
                EvalResult *r)
{
    if (kind == ENGINE_FLOAT) TRY(model_check_finite(m));
    Task *copy = ARENA_ARRAY(arena, Task, 1);
    *copy = *task;
    Score score = score_begin(arena, copy, data->n);
    Arena *own = arena_create(), *step = arena_create();
    Tape *t = tape_create(own, step);
    Engine *engine = NULL;
    Status status = STATUS_OK;
    if (kind == ENGINE_INT8) status = engine_create(own, graph, EVAL_BATCH, &engine);
    DatasetBatches b = dataset_batches(own, data, EVAL_BATCH);
    const double start = timing_seconds();
    while (dataset_next(&b, &status)) {
        const float *logits = NULL;
        status = logits_of(m, t, engine, kind, b.pixels, b.n, &logits);
        if (status == STATUS_OK) score_add(&score, logits, targets_from(data->targets, b.first), b.n);
    }
    *r = (EvalResult){.n = score.n,
                      .value = score_value(&score, task->metric),
                      .loss = score_loss(&score),
                      .images_per_s = (double)score.n / fmax(timing_seconds() - start, 1e-9),
                      .score = score};
    arena_destroy(step);
    arena_destroy(own);
    return status;
}
