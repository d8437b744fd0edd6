#include "optim/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"

#define OPTIMIZER(name) &optimizer_##name,
const OptimizerType *const optimizer_types[] = {
#include "optim/optimizers.def"
    NULL};
#undef OPTIMIZER

#define OPTIMIZER(name) #name,
const char *const optimizer_names[] = {
#include "optim/optimizers.def"
    NULL};
#undef OPTIMIZER
enum { TYPES = sizeof optimizer_types / sizeof optimizer_types[0] - 1 };

#define AT(member) offsetof(OptimizerConfig, member)
const Field optimizer_fields[] = {
    {"type", FIELD_ENUM, AT(type), .names = optimizer_names, .def = "\"sgd\"", .doc = "the optimizer"},
    {"lr", FIELD_FLOAT, AT(lr), .min = 0, .max = 1e30, .def = "0.05",
     .doc = "learning rate; the schedule multiplies it by a factor of 0 to 1"},
    {"momentum", FIELD_FLOAT, AT(momentum), .min = 0, .max = 0.9999, .def = "0.9",
     .doc = "sgd: share of the last step's direction that is kept; 0 is plain gradient descent"},
    {"nesterov", FIELD_BOOL, AT(nesterov), .def = "true",
     .doc = "sgd: Nesterov's momentum, which looks one step ahead"},
    {"beta1", FIELD_FLOAT, AT(beta1), .min = 0, .max = 0.9999, .def = "0.9",
     .doc = "adamw: share kept in the running mean of the gradient"},
    {"beta2", FIELD_FLOAT, AT(beta2), .min = 0, .max = 0.999999, .def = "0.999",
     .doc = "adamw: share kept in the running mean of the squared gradient"},
    {"epsilon", FIELD_FLOAT, AT(epsilon), .min = 1e-16, .max = 1, .def = "1e-8",
     .doc = "adamw: added to the root of the squared gradient's mean before the division by it"},
    {"weight_decay", FIELD_FLOAT, AT(weight_decay), .min = 0, .max = 1, .def = "5e-4",
     .doc = "pull of the weights towards 0: sgd adds weight_decay * weight to the gradient, adamw applies it apart "
            "from the gradient. What a quantizer learns decays as the quantizer says, learned steps never"},
    {"decay_norm", FIELD_BOOL, AT(decay_norm), .def = "false", .doc = "decay batch norm's gamma and beta too"},
    {"decay_bias", FIELD_BOOL, AT(decay_bias), .def = "false", .doc = "decay biases too"},
    {"clip_norm", FIELD_FLOAT, AT(clip_norm), .min = 0, .max = 1e9, .def = "0",
     .doc = "largest L2 norm of all gradients together; a larger gradient is scaled down to it. 0 turns clipping off"},
    FIELD_END};
#undef AT

/* Elements one task works on: three to five streams of 64 KiB, and a whole number of cache lines. */
enum { TASK_FLOATS = 16384, NORM_MAX_CHUNKS = 64, NORM_LANES = 16 };

Status optimizer_make(Arena *arena, const OptimizerConfig *config, ParamSet *params, Optimizer *out)
{
    ASSERT(params->x != NULL);
    if (config->type < 0 || config->type >= TYPES)
        return status_fail(STATUS_CONFIG, "optimizer.type: %d; must be 0 to %d", config->type, TYPES - 1);
    *out = (Optimizer){.type = optimizer_types[config->type], .config = *config, .params = params};
    ASSERT(out->type->slots <= OPTIMIZER_MAX_SLOTS);
    for (int i = 0; i < out->type->slots; i++) {
        out->slot[i] = arena_try_alloc(arena, params->count * sizeof(float));
        if (out->slot[i] == NULL) return status_prefix(STATUS_NOMEM, "optimizer %s", out->type->name);
        memset(out->slot[i], 0, params->count * sizeof(float));
    }
    return STATUS_OK;
}

static int task_count(const ParamSet *params) { return (int)((params->count + TASK_FLOATS - 1) / TASK_FLOATS); }

typedef struct {
    const ParamSet *params;
    int chunks;
    double squares[NORM_MAX_CHUNKS];
} Norm;

/* Over the block as it lies: its length is a multiple of NORM_LANES and the gaps add 0. */
static void norm_chunk(void *context, const ParallelRows *rows)
{
    Norm *norm = context;
    const float *dx = norm->params->dx;
    double lane[NORM_LANES] = {0};
    for (long i = rows->first; i < rows->last; i++) {
#pragma omp simd
        for (int j = 0; j < NORM_LANES; j++) {
            const double g = (double)dx[i * NORM_LANES + j];
            lane[j] += g * g;
        }
    }
    double sum = 0;
    for (int j = 0; j < NORM_LANES; j++) sum += lane[j];
    norm->squares[rows->chunk] = sum;
}

static float gradient_norm(const ParamSet *params)
{
    const int tasks = task_count(params);
    Norm norm = {.params = params, .chunks = tasks < NORM_MAX_CHUNKS ? tasks : NORM_MAX_CHUNKS};
    parallel_rows((long)(params->count / NORM_LANES), norm.chunks, norm_chunk, &norm);
    double sum = 0;
    for (int i = 0; i < norm.chunks; i++) sum += norm.squares[i];
    return (float)sqrt(sum);
}

static float decay_of(const OptimizerConfig *config, const Param *p)
{
    const ParamKind kind = p->kind;
    if (kind == PARAM_QUANTIZER) return (float)p->rule.decay;
    const bool decays = kind == PARAM_WEIGHT || (kind == PARAM_NORM && config->decay_norm) ||
                        (kind == PARAM_BIAS && config->decay_bias);
    return decays ? (float)config->weight_decay : 0.0f;
}

typedef struct {
    const Optimizer *o;
    float lr, scale; /* scale: of the gradient, 1 unless clipped */
    long t;
} Step;

/* The elements [first, last) of the set's block that belong to `p`. */
static void step_param(const Step *s, const Param *p, size_t first, size_t last)
{
    const Optimizer *o = s->o;
    const long n = (long)(last - first);
    float *x = o->params->x + first, *slot[OPTIMIZER_MAX_SLOTS] = {NULL};
    for (int i = 0; i < o->type->slots; i++) slot[i] = o->slot[i] + first;
    const bool ruled = p->kind == PARAM_QUANTIZER;
    const float lr = ruled ? (float)((double)s->lr * p->rule.lr_factor) : s->lr;
    o->type->update(&o->config, lr, decay_of(&o->config, p), s->scale, s->t, n, x, o->params->dx + first, slot);
    for (long i = 0; ruled && i < n; i++) x[i] = x[i] < p->rule.least ? p->rule.least : x[i]; /* keeps a NaN visible */
}

static void step_task(void *context, int task, int thread)
{
    (void)thread;
    const Step *s = context;
    const ParamSet *params = s->o->params;
    const size_t first = (size_t)task * TASK_FLOATS, last = first + TASK_FLOATS;
    for (int i = 0; i < params->n; i++) {
        const Param *p = params->param[i];
        const size_t end = p->offset + (size_t)p->count;
        if (p->offset >= last) break;
        if (end > first && !p->frozen) step_param(s, p, p->offset > first ? p->offset : first, end < last ? end : last);
    }
}

float optimizer_step(Optimizer *o, float lr, long t)
{
    ASSERT(t >= 1);
    Step step = {.o = o, .lr = lr, .scale = 1.0f, .t = t};
    float norm = 0.0f;
    if (o->config.clip_norm > 0.0) {
        norm = gradient_norm(o->params);
        if (!isfinite(norm)) return norm;
        if ((double)norm > o->config.clip_norm) step.scale = (float)(o->config.clip_norm / (double)norm);
    }
    parallel_for(task_count(o->params), step_task, &step);
    return norm;
}
