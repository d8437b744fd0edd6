#include "search/judge.h"

#include <math.h>

#include "deploy/lower.h"
#include "train/model_task.h"
#include "train/recipe.h"

/* Sums over images, in their order. */
typedef struct {
    Score score;
    double kl;
    const Judge *judge;
} Opinion;

static double log_sum(const float *z, int n)
{
    double largest = (double)z[0], sum = 0.0;
    for (int k = 1; k < n; k++) largest = fmax(largest, (double)z[k]);
    for (int k = 0; k < n; k++) sum += exp((double)z[k] - largest);
    return largest + log(fmax(sum, 1.0)); /* the largest has 1 */
}

static double divergence(const float *p, const float *q, int n)
{
    const double p_sum = log_sum(p, n), q_sum = log_sum(q, n);
    double kl = 0.0;
    for (int k = 0; k < n; k++) {
        const double log_p = (double)p[k] - p_sum;
        kl += exp(log_p) * (log_p - ((double)q[k] - q_sum));
    }
    return fmax(kl, 0.0); /* rounding of equal answers */
}

static void hear(Opinion *t, const float *logits, const Batch *batch, int first)
{
    const int outputs = t->judge->task.outputs;
    score_add(&t->score, logits, batch->targets, batch->n);
    for (int i = 0; i < batch->n && t->judge->task.type->answers_class; i++)
        t->kl += divergence(t->judge->logits + (size_t)(first + i) * (size_t)outputs,
                            logits + (size_t)i * (size_t)outputs, outputs);
}

static Measurement opinion_end(const Opinion *t)
{
    const Task *task = &t->judge->task;
    return (Measurement){score_value(&t->score, task->metric), score_loss(&t->score),
                         task->type->answers_class ? t->kl / t->score.n : (double)NAN};
}

Status judge_begin(Arena *arena, const Config *config, Model *model, const DataSplits *data, const Sample *sample,
                   Judge *judge)
{
    *judge = (Judge){.config = config, .model = model, .data = data, .task = model_task(config, model)};
    judge->task.label_smoothing = 0.0f; /* as scores count the loss */
    judge->task.class_weight = NULL;
    judge->sample = *sample;
    const size_t outputs = (size_t)judge->task.outputs;
    judge->logits = ARENA_ARRAY(arena, float, (size_t)sample->n *outputs);
    Arena *own = arena_create(), *step = arena_create();
    Tape *t = tape_create(own, step);
    Opinion all = {.score = score_begin(own, &judge->task, sample->n), .judge = judge};
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    Status status = STATUS_OK;
    for (int first = 0; status == STATUS_OK && first < sample->n; first += SAMPLE_BATCH) {
        const Batch batch = sample_batch(sample, first);
        tape_reset(t, false);
        const Tensor *z = model_forward(model, t, &mode, batch.pixels, batch.n);
        if (z == NULL) {
            status = status_fail(t->status, "%s", t->message);
            break;
        }
        float *logits = judge->logits + (size_t)first * outputs;
        for (size_t i = 0; i < (size_t)batch.n * outputs; i++) logits[i] = z->x[i];
        hear(&all, logits, &batch, first);
    }
    if (status == STATUS_OK) judge->floats = opinion_end(&all);
    arena_destroy(step);
    arena_destroy(own);
    return status;
}

Status judge_make(const Judge *judge, Arena *arena, const FormatGroups *groups, const FormatChoice *choice,
                  Candidate *candidate)
{
    TRY(format_choice_config(arena, judge->config, groups, choice, &candidate->config));
    QuantConfig *quant = &candidate->config->quant;
    *quant = ptq_quant_config(arena, quant);
    TRY(quantize_from(arena, candidate->config, quant, judge->model, judge->data, &candidate->model));
    return model_lower(arena, candidate->model, (Rounding)quant->rounding, &candidate->graph);
}

Status judge_graph(const Judge *judge, const Graph *graph, int images, JudgeWatch *watch, void *context, Measurement *m)
{
    const Sample sample = sample_first(&judge->sample, images > 0 ? images : judge->sample.n);
    Arena *own = arena_create(), *step = arena_create();
    float *logits = ARENA_ARRAY(own, float, SAMPLE_BATCH * judge->task.outputs);
    Opinion all = {.score = score_begin(own, &judge->task, sample.n), .judge = judge};
    Engine *engine;
    Status status =
        watch == NULL ? engine_create_planned(own, graph, &engine) : engine_create(own, graph, SAMPLE_BATCH, &engine);
    for (int first = 0; status == STATUS_OK && first < sample.n; first += SAMPLE_BATCH) {
        const Batch batch = sample_batch(&sample, first);
        arena_reset(step);
        engine_run_pixels(engine, step, batch.pixels, batch.n, logits);
        hear(&all, logits, &batch, first);
        if (watch != NULL) status = watch(context, engine, first, batch.n);
    }
    if (status == STATUS_OK) *m = opinion_end(&all);
    arena_destroy(step);
    arena_destroy(own);
    return status;
}

Status judge_choice(const Judge *judge, const FormatGroups *groups, const FormatChoice *choice, Measurement *m,
                    Cost *cost)
{
    Arena *own = arena_create();
    Candidate c;
    Status status = judge_make(judge, own, groups, choice, &c);
    if (status == STATUS_OK && cost != NULL) *cost = network_cost(own, c.graph, NULL);
    if (status == STATUS_OK && m != NULL) status = judge_graph(judge, c.graph, 0, NULL, NULL, m);
    arena_destroy(own);
    return status;
}
