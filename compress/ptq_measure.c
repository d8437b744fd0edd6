#include "compress/ptq_measure.h"

#include <math.h>
#include <string.h>

#include "compress/calibrate.h"

enum { BATCH = 128 };

QuantizerStates quantizer_states_take(Arena *arena, const Model *m)
{
    QuantizerStates s = {ARENA_ARRAY(arena, Quantizer, m->quantizers), ARENA_ARRAY(arena, float *, m->quantizers)};
    for (int i = 0; i < m->quantizers; i++) {
        const Quantizer *q = m->quantizer[i];
        s.state[i] = *q;
        s.scale[i] =
            memcpy(arena_alloc(arena, sizeof(float) * (size_t)q->qp.n), q->qp.scale, sizeof(float) * (size_t)q->qp.n);
    }
    return s;
}

void quantizer_states_put(const QuantizerStates *s, Model *m)
{
    for (int i = 0; i < m->quantizers; i++) {
        *m->quantizer[i] = s->state[i];
        memcpy(m->quantizer[i]->qp.scale, s->scale[i], sizeof(float) * (size_t)s->state[i].qp.n);
    }
}

void ptq_restart_weights(Model *m)
{
    for (int i = 0; i < m->quantizers; i++)
        if (m->quantizer[i]->is_weight && !m->quantizer[i]->fixed) m->quantizer[i]->ready = false;
}

bool ptq_has_ranges(const Model *m)
{
    for (int i = 0; i < m->quantizers; i++)
        if (!m->quantizer[i]->is_weight && !m->quantizer[i]->ready) return false;
    return true;
}

static Status keep_logits(void *context, Model *m, Tape *t, const Tensor *y, const PtqImages *part, int at)
{
    float *outputs = context;
    const size_t each = (size_t)m->classes;
    memcpy(outputs + (size_t)at * each, tensor_values(t, y), sizeof(float) * (size_t)part->n * each);
    return STATUS_OK;
}

/* What the network gives for all images, as floats. */
static Status run_outputs(Arena *arena, Model *m, Arithmetic arithmetic, const PtqImages *images, float **outputs)
{
    const ForwardMode mode = {.arithmetic = arithmetic, .rounding = (Rounding)m->quant->rounding};
    *outputs = arena_alloc(arena, sizeof(float) * (size_t)(images->n + 1) * (size_t)m->classes);
    return ptq_images_run(m, &mode, images, BATCH, keep_logits, *outputs);
}

Status ptq_real_outputs(Arena *arena, Model *m, const PtqImages *images, const float **outputs)
{
    float *z;
    TRY(run_outputs(arena, m, ARITHMETIC_FLOAT, images, &z));
    *outputs = z;
    return STATUS_OK;
}

static double sqnr_of(const float *real, const float *z, size_t n)
{
    double signal = 0.0, noise = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double y = (double)real[i], d = (double)z[i] - y;
        signal += y * y, noise += d * d;
    }
    return noise > 0.0 ? 10.0 * log10(signal / noise) : (double)INFINITY;
}

static Status measure_ready(Arena *arena, Model *m, const Task *task, const PtqImages *images, const float *real,
                            PtqMeasure *measure)
{
    float *z;
    TRY(run_outputs(arena, m, ARITHMETIC_FAKE, images, &z));
    Score score = score_begin(arena, task, images->n);
    score_add(&score, z, images->targets, images->n);
    *measure = (PtqMeasure){score_loss(&score), sqnr_of(real, z, (size_t)images->n * (size_t)m->classes)};
    return STATUS_OK;
}

Status ptq_measure(Model *m, const PtqContext *c, const PtqImages *images, const float *real, PtqMeasure *measure)
{
    Arena *own = arena_create();
    const QuantizerStates states = quantizer_states_take(own, m);
    Status status = ptq_has_ranges(m) ? STATUS_OK : calibrate(m, c->train, c->images, c->seed);
    if (status == STATUS_OK) status = measure_ready(own, m, c->task, images, real, measure);
    quantizer_states_put(&states, m);
    arena_destroy(own);
    return status;
}
