/* PACT (Choi 2018, 1805.06085): the clipping value alpha of a tensor that leaves a ReLU is a parameter.
 *   y = rne(clip(x, 0, alpha) / s) * s,  s = alpha / (2^bits - 1);
 *   dy/dx = 1 where 0 <= x <= alpha, else 0;  dy/dalpha = 1 where x > alpha, else 0;  alpha has a weight decay of its
 * own. */
#include <math.h>

#include "quant/quantizer_type.h"

static const float SMALLEST_ALPHA = 1e-6f;

typedef struct {
    double alpha, decay;
} PactKeys;

const Field quantizer_pact_fields[] = {
    {"alpha", FIELD_FLOAT, offsetof(PactKeys, alpha), .min = 0, .max = 1e6, .def = "0",
     .doc = "clipping value to start from, such as the paper's 10; 0: the range that the observer found"},
    {"decay", FIELD_FLOAT, offsetof(PactKeys, decay), .min = 0, .max = 1, .def = "0.0002",
     .doc = "weight decay of the clipping values, in place of train.optimizer.weight_decay"},
    FIELD_END};

static float steps(const Quantizer *q) { return (float)(q->qp.qmax - q->qp.qmin); }

static bool pact_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const PactKeys *keys = q->keys;
    const ParamRule rule = {.decay = keys->decay, .lr_factor = 1.0, .least = SMALLEST_ALPHA};
    return quantizer_param(q, params, arena, "alpha", 1, rule) != NULL;
}

static void pact_prepare(Quantizer *q, const WeightView *w)
{
    (void)w;
    q->qp.scale[0] = fmaxf(q->param[0]->x[0], SMALLEST_ALPHA) / steps(q);
}

static void pact_adopt(Quantizer *q) { q->param[0]->x[0] = q->qp.scale[0] * steps(q); }

static void pact_start(Quantizer *q, const QuantizerStart *from)
{
    const PactKeys *keys = q->keys;
    if (q->ready) return; /* from here on alpha is the optimizer's */
    grid_symmetric(from->lo, from->hi, &q->qp, 0);
    pact_adopt(q);
    if (keys->alpha > 0.0) q->param[0]->x[0] = (float)keys->alpha;
    pact_prepare(q, NULL);
    q->ready = true;
}

/* Where an activation function clips before alpha does, alpha moves nothing. */
static void pact_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                                 double *sum)
{
    if (run->gate.hi < steps(q)) return;
    for (size_t i = 0; i < n; i++)
        if (x[i] / run->scale > run->gate.hi) sum[0] += (double)dy[i];
}

static void pact_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    (void)run;
    q->param[0]->dx[0] += (float)sum[0];
}

static double pact_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                             double x)
{
    (void)q;
    return fmin(fmax(x, 0.0), param[0]) + (double)run->scale * residual;
}

const QuantizerType quantizer_pact = {
    .name = "pact",
    .doc = "learned clipping value (Choi 2018), for the outputs of a ReLU",
    .uses = QUANTIZES_UNSIGNED,
    .learns = true,
    .centred = true,
    .fields = quantizer_pact_fields,
    .config_bytes = sizeof(PactKeys),
    .create = pact_create,
    .start = pact_start,
    .prepare = pact_prepare,
    .adopt = pact_adopt,
    .backward_params = pact_backward_params,
    .finish = pact_finish,
    .surrogate = pact_surrogate,
};
