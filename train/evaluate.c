#include "train/evaluate.h"

#include <math.h>

#include "base/rng.h"
#include "base/timing.h"
#include "datasets/batch_reader.h"
#include "layers/model_finite.h"
#include "quant/quant_config.h"
#include "graph/engine.h"

const char *const engine_names[] = {"float", "sim", "int8", NULL};

enum { EVAL_BATCH = 128 };

/* Adds one batch of logits to the result. */
static void score(EvalResult *r, const float *logits, const int32_t *labels, int n)
{
    const int K = r->classes;
    for (int i = 0; i < n; i++) {
        const float *z = logits + (size_t)i * (size_t)K;
        int best = 0;
        for (int k = 1; k < K; k++)
            if (z[k] > z[best]) best = k;
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp((double)z[k] - (double)z[best]);
        r->loss += log(fmax(sum, 1.0)) + /* the largest logit's own term is 1 */
                   (double)z[best] - (double)z[labels[i]];
        r->correct += best == labels[i];
        r->confusion[labels[i] * K + best]++;
        r->answer[r->n + i] = best;
    }
    r->n += n;
}

static Status logits_of(Model *m, Tape *t, Engine *engine, const Graph *graph, EngineKind kind, const uint8_t *pixels,
                        int n, const float **logits)
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
    int8_t *codes = arena_alloc(t->arena, (size_t)n * (size_t)graph_tensor_elements(&graph->tensor[0]));
    int8_t *out = arena_alloc(t->arena, (size_t)n * (size_t)m->classes);
    float *z = arena_alloc(t->arena, sizeof(float) * (size_t)n * (size_t)m->classes);
    graph_quantize_pixels(graph, pixels, n, codes);
    engine_run(engine, codes, n, out);
    const GraphTensor *y = &graph->tensor[graph->output];
    dequantize_tensor(out, (size_t)n * (size_t)m->classes, y->scale, y->zero_point, z);
    *logits = z;
    return STATUS_OK;
}

Status evaluate(Arena *arena, Model *m, const Graph *graph, const Dataset *data, EngineKind kind, EvalResult *r)
{
    if (kind == ENGINE_FLOAT) TRY(model_check_finite(m));
    *r = (EvalResult){.classes = m->classes,
                      .confusion = ARENA_ARRAY(arena, long, m->classes * m->classes),
                      .answer = ARENA_ARRAY(arena, int32_t, data->n)};
    Arena *own = arena_create(), *step = arena_create();
    Tape *t = tape_create(own, step);
    Engine *engine = NULL;
    Status status = STATUS_OK;
    if (kind == ENGINE_INT8) status = engine_create(own, graph, EVAL_BATCH, &engine);
    DatasetBatches b = dataset_batches(own, data, EVAL_BATCH);
    const double start = timing_seconds();
    while (dataset_next(&b, &status)) {
        const float *logits = NULL;
        status = logits_of(m, t, engine, graph, kind, b.pixels, b.n, &logits);
        if (status == STATUS_OK) score(r, logits, data->targets.label + b.first, b.n);
    }
    r->images_per_s = (double)r->n / fmax(timing_seconds() - start, 1e-9);
    r->accuracy = r->n > 0 ? (double)r->correct / r->n : 0.0;
    r->loss = r->n > 0 ? r->loss / r->n : 0.0;
    arena_destroy(step);
    arena_destroy(own);
    return status;
}

static Status observe_images(Model *m, Tape *t, const Dataset *train, const uint32_t *order, int images)
{
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .observe = true};
    for (int i = 0; i < images; i += EVAL_BATCH) {
        const int n = images - i < EVAL_BATCH ? images - i : EVAL_BATCH;
        tape_reset(t, false);
        uint8_t *pixels = arena_alloc(t->arena, (size_t)n * dataset_image_bytes(train));
        TRY(dataset_pick(train, order + i, n, pixels));
        if (model_forward(m, t, &mode, pixels, n) == NULL) return status_fail(t->status, "%s", t->message);
    }
    for (int i = 0; i < m->quantizers; i++)
        if (!m->quantizer[i]->is_weight) TRY(quantizer_calibrated(m->quantizer[i]));
    return STATUS_OK;
}

Status calibrate(Model *m, const Dataset *train, int images, uint64_t seed)
{
    Arena *own = arena_create(), *step = arena_create();
    uint32_t *order = arena_alloc(own, sizeof *order * (size_t)train->n);
    Rng rng = rng_make(seed, RNG_CALIBRATE, 0);
    rng_permutation(&rng, (uint32_t)train->n, order);
    const Status status =
        observe_images(m, tape_create(own, step), train, order, images < train->n ? images : train->n);
    arena_destroy(step);
    arena_destroy(own);
    return status;
}
