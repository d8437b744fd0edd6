#include "compress/reconstruction.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "compress/ptq_measure.h"
#include "compress/soft_rounding.h"
#include "compress/unit_data.h"
#include "optim/optimizer.h"
#include "quant/quant_drop.h"

static const double PI = 3.14159265358979323846;
enum { BETA_FIRST = 20, BETA_LAST = 2 }; /* of the penalty, from the end of its warm-up on */

/* A value of the model's own, and what is trained in its place. */
typedef struct {
    Param *of, *is;
} Shadow;

typedef struct {
    Model *m;
    const PtqContext *context;
    const ReconstructionKeys *keys;
    Unit unit;
    UnitData data;
    Arena *arena; /* of the unit */
    ParamSet *set;
    Optimizer optimizer;
    int roundings, shadows;
    SoftRounding **rounding; /* of the layers with weights on a grid */
    Shadow *shadow;          /* biases and betas */
    Param **range;           /* [layers of the unit] the scale of what it gives; NULL: it stays on no grid of its own */
    float weight;            /* of the squared error: 1 over the target's mean square, times its channels */
    double first, last;      /* squared error of the first and the last iterations, over the target's square */
} Reconstruction;

static Layer *layer_at(const Reconstruction *r, int k) { return &r->m->layer[r->unit.first + k]; }

/* What it gives is on a grid of its own. */
static bool has_grid(const Layer *l)
{
    return l->out_q != NULL && l->out_format == FORMAT_INT8 && !l->type->keeps_grid && !l->in_floats;
}

/* ---- what is trained --------------------------------------------------------------------------------------------- */

static Param *declare(Reconstruction *r, const Layer *l, const char *what, long n, double lr, double least)
{
    Param *p =
        param_add(r->set, r->arena, arena_printf(r->arena, "%s.%s", l->name, what), PARAM_QUANTIZER, shape_1((int)n));
    if (p != NULL) p->rule = (ParamRule){.lr_factor = lr / r->keys->lr, .least = (float)least};
    return p;
}

static bool declare_bias(Reconstruction *r, const Layer *l)
{
    Param *of = l->norm != NULL ? l->beta : l->bias;
    if (of == NULL || r->keys->bias_lr == 0.0) return true;
    const double range =
        l->out_q == NULL ? 1.0 : (double)l->out_q->qp.scale[0] * (l->out_q->qp.qmax - l->out_q->qp.qmin);
    Param *is = declare(r, l, "bias", of->count, r->keys->bias_lr * range, -(double)INFINITY);
    r->shadow[r->shadows++] = (Shadow){of, is};
    return is != NULL;
}

static Status declare_all(Reconstruction *r)
{
    const int layers = r->unit.last - r->unit.first + 1;
    r->set = ARENA_ARRAY(r->arena, ParamSet, 1);
    r->rounding = ARENA_ARRAY(r->arena, SoftRounding *, layers);
    r->shadow = ARENA_ARRAY(r->arena, Shadow, layers);
    r->range = ARENA_ARRAY(r->arena, Param *, layers);
    bool fine = true;
    for (int k = 0; k < layers && fine; k++) {
        Layer *l = layer_at(r, k);
        if (l->weight_q != NULL && l->weight_q->qp.levels == 0 && layer_multiplies(l)) {
            r->rounding[r->roundings] = soft_rounding_make(r->arena, r->set, l);
            fine = r->rounding[r->roundings++] != NULL && declare_bias(r, l);
        }
        if (!has_grid(l) || !fine) continue;
        const double scale = (double)l->out_q->qp.scale[0];
        r->range[k] = declare(r, l, "range", 1, r->keys->range_lr * scale, 1e-3 * scale);
        fine = r->range[k] != NULL;
    }
    if (!fine) return STATUS_CONFIG;
    TRY(param_set_place(r->set, r->arena));
    const OptimizerConfig adam = {
        .type = name_find(optimizer_names, "adamw"), .lr = r->keys->lr, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    for (int i = 0; i < r->roundings; i++) soft_rounding_start(r->rounding[i]);
    for (int i = 0; i < r->shadows; i++)
        memcpy(r->shadow[i].is->x, r->shadow[i].of->x, sizeof(float) * (size_t)r->shadow[i].of->count);
    for (int k = 0; k < layers; k++)
        if (r->range[k] != NULL) r->range[k]->x[0] = layer_at(r, k)->out_q->qp.scale[0];
    return optimizer_make(r->arena, &adam, r->set, &r->optimizer);
}

/* ---- one iteration ----------------------------------------------------------------------------------------------- */

static uint64_t key_of(const Reconstruction *r, int iteration, int what)
{
    enum { KEYS = 4096 };
    return ((uint64_t)r->unit.first * 10000000u + (uint64_t)iteration) * KEYS + (uint64_t)what;
}

static float *gather(Tape *t, const float *all, size_t each, const uint32_t *which, int n)
{
    float *some = tape_buffer(t, sizeof(float) * (size_t)n * each);
    for (int i = 0; i < n; i++) memcpy(some + (size_t)i * each, all + which[i] * each, sizeof(float) * each);
    return some;
}

static Tensor *input_of(const Reconstruction *r, Tape *t, int k, int iteration, const uint32_t *which)
{
    const int layer = r->unit.input[k], n = r->keys->batch;
    const Extent e = layer < 0 ? r->m->input : r->m->layer[layer].out;
    Tensor *x = tape_tensor(t, "input", shape_4(n, e.h, e.w, e.c));
    const size_t each = r->data.in[k];
    float *quantized = gather(t, r->data.quantized[k], each, which, n);
    if (r->data.real[k] != NULL) {
        float *real = gather(t, r->data.real[k], each, which, n);
        const QuantDrop drop = {r->keys->drop, r->context->seed, key_of(r, iteration, k)};
        quant_drop_mix(&drop, real, quantized, x->x, (long)((size_t)n * each));
        tape_release(t, real);
    } else {
        memcpy(x->x, quantized, sizeof(float) * (size_t)n * each);
    }
    tape_release(t, quantized);
    return x;
}

/* The unit on its inputs: soft weights in floats, what layers give on their grids. */
static Tensor *run_unit(const Reconstruction *r, Tape *t, int iteration, Tensor *const *in)
{
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    Tensor *out[LAYER_MAX_INPUTS] = {NULL};
    const int layers = r->unit.last - r->unit.first + 1;
    for (int k = 0; k < layers && !tape_failed(t); k++) {
        Layer *l = layer_at(r, k);
        Tensor *x[LAYER_MAX_INPUTS];
        for (int i = 0; i < l->inputs; i++) {
            int at = 0;
            while (l->input[i] < r->unit.first && r->unit.input[at] != l->input[i]) at++;
            x[i] = l->input[i] < r->unit.first ? in[at] : out[l->input[i] - r->unit.first];
        }
        t->where = l->name;
        out[k] = l->type->forward(l, &mode, t, x);
        if (r->range[k] == NULL || tape_failed(t)) continue;
        Param *range = r->range[k];
        const QuantDrop drop = {r->keys->drop, r->context->seed, key_of(r, iteration, UNIT_INPUTS + k)};
        out[k] = op_quant_drop(t, out[k], tape_leaf(t, range->name, range->shape, range->x, range->dx), &l->out_q->qp,
                               &drop);
    }
    return tape_failed(t) ? NULL : out[layers - 1];
}

static void zero_gradients(const Reconstruction *r)
{
    param_set_zero_grad(r->set);
    for (int k = 0; k <= r->unit.last - r->unit.first; k++) {
        Param *params[LAYER_PARAMS];
        const int n = layer_params(layer_at(r, k), params);
        for (int i = 0; i < n; i++) memset(params[i]->dx, 0, sizeof(float) * (size_t)params[i]->count);
    }
}

/* The penalty's exponent falls along half a cosine once the warm-up is over. */
static float beta_at(const ReconstructionKeys *keys, int iteration)
{
    const double warm = keys->warmup * keys->iterations;
    const double done = fmin(fmax((iteration - warm) / (keys->iterations - warm), 0.0), 1.0);
    return (float)(BETA_LAST + 0.5 * (BETA_FIRST - BETA_LAST) * (1.0 + cos(PI * done)));
}

static Status iterate(Reconstruction *r, Tape *t, int iteration, double *error)
{
    const ReconstructionKeys *keys = r->keys;
    const int n = keys->batch;
    tape_reset(t, true);
    zero_gradients(r);
    uint32_t *which = arena_alloc(t->arena, sizeof *which * (size_t)n);
    Rng rng = rng_make(r->context->seed, RNG_RECONSTRUCT, key_of(r, iteration, 4095));
    for (int i = 0; i < n; i++) which[i] = rng_below(&rng, (uint32_t)r->data.n);
    Tensor *in[UNIT_INPUTS];
    for (int k = 0; k < r->unit.inputs; k++) in[k] = input_of(r, t, k, iteration, which);
    for (int i = 0; i < r->roundings; i++) soft_rounding_put(r->rounding[i]);
    for (int i = 0; i < r->shadows; i++)
        memcpy(r->shadow[i].of->x, r->shadow[i].is->x, sizeof(float) * (size_t)r->shadow[i].of->count);
    Tensor *y = run_unit(r, t, iteration, in);
    if (y == NULL) return status_fail(t->status, "%s", t->message);
    Tensor *loss =
        op_mse(t, op_reshape(t, y, shape_2(n, (int)r->data.out)), gather(t, r->data.target, r->data.out, which, n));
    if (loss == NULL || tape_backward(t, loss) != STATUS_OK) return status_fail(t->status, "%s", t->message);
    *error = (double)loss->x[0];
    const bool penalty = iteration >= keys->warmup * keys->iterations;
    for (int i = 0; i < r->roundings; i++)
        soft_rounding_gradient(r->rounding[i], r->weight, penalty ? (float)keys->lambda : 0.0f,
                               beta_at(keys, iteration));
    for (int i = 0; i < r->shadows; i++)
        memcpy(r->shadow[i].is->dx, r->shadow[i].of->dx, sizeof(float) * (size_t)r->shadow[i].of->count);
    optimizer_step(&r->optimizer, (float)keys->lr, iteration + 1);
    return STATUS_OK;
}

/* ---- one unit ---------------------------------------------------------------------------------------------------- */

static void tell(const Reconstruction *r, long moved, long weights)
{
    const char *from = layer_at(r, 0)->name, *to = r->m->layer[r->unit.last].name;
    ptq_tell(r->context,
             "\"%s\"%s%s%s: squared error %.4f -> %.4f of the output's, %.1f %% of the codes are not the nearest", from,
             r->unit.last > r->unit.first ? " to \"" : "", r->unit.last > r->unit.first ? to : "",
             r->unit.last > r->unit.first ? "\"" : "", r->first, r->last, 100.0 * (double)moved / (double)weights);
}

static void finish(Reconstruction *r)
{
    long moved = 0, weights = 0;
    for (int i = 0; i < r->roundings; i++) {
        moved += soft_rounding_finish(r->rounding[i]);
        weights += r->rounding[i]->grid.by.n;
    }
    for (int i = 0; i < r->shadows; i++)
        memcpy(r->shadow[i].of->x, r->shadow[i].is->x, sizeof(float) * (size_t)r->shadow[i].of->count);
    for (int k = 0; k <= r->unit.last - r->unit.first; k++)
        if (r->range[k] != NULL && r->keys->range_lr > 0.0)
            quantizer_set_scale(layer_at(r, k)->out_q, r->range[k]->x[0]);
    tell(r, moved, weights);
}

static Status train(Reconstruction *r, Tape *t)
{
    double square = 0.0, error = 0.0;
    const size_t values = (size_t)r->data.n * r->data.out;
    for (size_t i = 0; i < values; i++) square += (double)r->data.target[i] * (double)r->data.target[i];
    square = fmax(square / (double)values, 1e-30);
    r->weight = (float)(r->m->layer[r->unit.last].out.c / square);
    const int told = (r->keys->iterations + 15) / 16;
    for (int i = 0; i < r->keys->iterations; i++) {
        TRY(iterate(r, t, i, &error));
        if (i < told) r->first += error / square / told;
        if (i >= r->keys->iterations - told) r->last += error / square / told;
    }
    finish(r);
    return STATUS_OK;
}

static Status reconstruct(Model *m, const PtqContext *c, const ReconstructionKeys *keys, const Unit *unit,
                          const PtqImages *images)
{
    Arena *arena = arena_create(), *step = arena_create();
    Reconstruction r = {.m = m, .context = c, .keys = keys, .unit = *unit, .arena = arena};
    const RealNetwork *real = c->real != NULL ? c->real : real_network_take(arena, m);
    Status status = unit_data_collect(arena, m, real, unit, images, keys->drop > 0.0, &r.data);
    if (status == STATUS_OK) status = declare_all(&r);
    if (status == STATUS_OK) status = train(&r, tape_create(arena, step));
    arena_destroy(step);
    arena_destroy(arena);
    return status;
}

static bool has_codes(const Model *m, const Unit *unit)
{
    bool any = false;
    for (int i = unit->first; i <= unit->last; i++)
        any = any ||
              (m->layer[i].weight_q != NULL && m->layer[i].weight_q->qp.levels == 0 && layer_multiplies(&m->layer[i]));
    return any;
}

Status reconstruct_units(Model *m, const PtqContext *c, const ReconstructionKeys *keys, bool blocks)
{
    Arena *arena = arena_create();
    PtqImages images;
    PtqContext context = *c;
    if (c->real == NULL) context.real = real_network_take(arena, m);
    Status status = ptq_images_pick(arena, c->train, c->seed, 0, c->images, &images);
    for (int first = 0, last; first < m->layers && status == STATUS_OK; first = last + 1) {
        last = blocks ? unit_block_end(m, first) : first;
        Unit unit;
        if (last - first >= LAYER_MAX_INPUTS || !unit_of(m, first, last, &unit)) {
            last = first;
            if (!unit_of(m, first, last, &unit)) continue;
        }
        for (int i = first; i <= last; i++)
            if (m->layer[i].weight_q != NULL && m->layer[i].weight_q->qp.levels > 0)
                ptq_tell(c, "\"%s\" is left: its weights are on a set of levels", m->layer[i].name);
        if (has_codes(m, &unit)) status = reconstruct(m, &context, keys, &unit, &images);
    }
    arena_destroy(arena);
    return status;
}
