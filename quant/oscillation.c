#include "quant/oscillation.h"

#include <math.h>
#include <string.h>

#include "quant/level_set.h"
#include "quant/split_weights.h"

static const double OSCILLATES = 0.005;

const Field oscillation_fields[] = {
    {"track", FIELD_BOOL, offsetof(OscillationConfig, track), .def = "false",
     .doc =
         "write the shares of weights that oscillate and that are frozen to metrics.jsonl and the report; with freeze "
         "or dampening they are always"},
    {"momentum", FIELD_FLOAT, offsetof(OscillationConfig, momentum), .min = 1e-6, .max = 1, .def = "0.01",
     .doc = "weight of the newest step in a weight's frequency of oscillations and in its mean code"},
    {"freeze", FIELD_FLOAT, offsetof(OscillationConfig, freeze), .min = 0, .max = 1, .def = "0",
     .doc = "a weight that oscillates more often than this, in oscillations per step, is frozen at its mean code; 0: "
            "none is"},
    {"freeze_end", FIELD_FLOAT, offsetof(OscillationConfig, freeze_end), .min = -1, .max = 1, .def = "-1",
     .doc = "what freeze has become in the last step, along half a cosine, such as 0.011 after 0.04; -1: it stays"},
    {"dampening", FIELD_FLOAT, offsetof(OscillationConfig, dampening), .min = 0, .max = 1e6, .def = "0",
     .doc = "adds so much times the squared distances of the weights to their codes to the loss, from 0 in the first "
            "step along half a cosine; 0: nothing"},
    FIELD_END};

int8_t *oscillation_no_codes(Arena *arena, long n)
{
    return memset(arena_alloc(arena, (size_t)n), OSCILLATION_FREE, (size_t)n);
}

Status oscillation_attach(Arena *arena, const OscillationConfig *config, Quantizer *q, long n)
{
    if (q->type->moves_levels)
        return status_fail(
            STATUS_CONFIG,
            "qat.oscillation with quantizer \"%s\", whose levels are trained: a code is not the same "
            "weight in every step; another weight_quantizer is required, or no track, freeze and dampening",
            q->type->name);
    if (grid_is_split(&q->qp))
        return status_fail(STATUS_CONFIG,
                           "qat.oscillation with weights that have zero points or a scale for each group; scheme "
                           "\"symmetric\" and another granularity are required, or no track, freeze and dampening");
    if (config->dampening > 0.0 && q->type->quantize != NULL)
        return status_fail(STATUS_CONFIG,
                           "qat.oscillation.dampening: %g with quantizer \"%s\"; must be 0, or the weights' quantizer "
                           "one that rounds to the nearest code, such as lsq",
                           config->dampening, q->type->name);
    struct Oscillation *o = ARENA_ARRAY(arena, struct Oscillation, 1);
    const size_t bytes = (size_t)n;
    *o = (struct Oscillation){.n = n,
                              .code = arena_zalloc(arena, bytes),
                              .direction = arena_zalloc(arena, bytes),
                              .frequency = ARENA_ARRAY(arena, float, n),
                              .mean = ARENA_ARRAY(arena, float, n),
                              .now = arena_zalloc(arena, bytes)};
    q->oscillation = o;
    if (config->freeze > 0.0 && q->frozen_codes == NULL) q->frozen_codes = oscillation_no_codes(arena, n);
    return STATUS_OK;
}

/* From 1 to 0. */
static double half_cosine(long step, long steps)
{
    const double share = steps > 1 ? (double)step / (double)(steps - 1) : 1.0;
    return 0.5 * (1.0 + cos(acos(-1.0) * fmin(share, 1.0)));
}

double oscillation_threshold(const OscillationConfig *c, long step, long steps)
{
    const double end = c->freeze_end < 0.0 ? c->freeze : c->freeze_end;
    return end + (c->freeze - end) * half_cosine(step, steps);
}

double oscillation_lambda(const OscillationConfig *c, long step, long steps)
{
    return c->dampening * (1.0 - half_cosine(step, steps));
}

static int8_t mean_code(const QuantParams *qp, float mean)
{
    if (qp->levels > 0) return qp->level[level_nearest(qp, mean)];
    const float code = rintf(mean);
    return (int8_t)fminf(fmaxf(code, (float)qp->qmin), (float)qp->qmax);
}

void oscillation_update(Quantizer *q, const OscillationConfig *config, long step, long steps)
{
    struct Oscillation *o = q->oscillation;
    const float m = (float)config->momentum, threshold = (float)oscillation_threshold(config, step, steps);
    int8_t *frozen = config->freeze > 0.0 ? q->frozen_codes : NULL;
    for (long i = 0; i < o->n; i++) {
        const int8_t now = o->now[i];
        if (!o->started) o->code[i] = now, o->mean[i] = (float)now;
        if (frozen != NULL && frozen[i] != OSCILLATION_FREE) continue;
        const int way = (now > o->code[i]) - (now < o->code[i]);
        o->frequency[i] += m * ((way * o->direction[i] < 0 ? 1.0f : 0.0f) - o->frequency[i]);
        o->mean[i] += m * ((float)now - o->mean[i]);
        if (way != 0) o->direction[i] = (int8_t)way;
        o->code[i] = now;
        if (frozen != NULL && o->frequency[i] > threshold) frozen[i] = mean_code(&q->qp, o->mean[i]);
    }
    o->started = true;
}

void oscillation_count(const Quantizer *q, OscillationCount *count)
{
    const struct Oscillation *o = q->oscillation;
    count->weights += o->n;
    count->dampening += o->lambda * o->squares;
    for (long i = 0; i < o->n; i++) {
        const bool frozen = q->frozen_codes != NULL && q->frozen_codes[i] != OSCILLATION_FREE;
        count->frozen += frozen;
        count->oscillating += !frozen && (double)o->frequency[i] > OSCILLATES;
    }
}
