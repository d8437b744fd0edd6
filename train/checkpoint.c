#include "train/checkpoint_parts.h"

#include <string.h>

#include "base/json.h"
#include "quant/oscillation.h"

const char *const model_kind_names[] = {"float", "ptq", "qat", NULL};

static void add_shaped(SafeWriter *w, const char *name, Shape shape, const float *x)
{
    int64_t dim[SHAPE_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) dim[i] = shape.dim[i];
    safe_add(w, name, ST_F32, shape.rank, dim, x);
}

static void add_vector(SafeWriter *w, const char *name, SafeType type, int64_t n, const void *data)
{
    safe_add(w, name, type, 1, &n, data);
}

static void pack_sums(const TrainState *s, double sums[CHECKPOINT_SUMS])
{
    const double v[CHECKPOINT_SUMS] = {s->epoch.loss,     s->epoch.running, s->epoch.seen, s->window.loss,
                                       s->window.running, s->window.seen,   s->best};
    memcpy(sums, v, sizeof v);
}

/* Codes that stay are the model's; what training knows of oscillations is what it goes on from. */
static void add_oscillation(SafeWriter *w, Arena *arena, const Model *m, const Quantizer *q, bool training)
{
    const struct Oscillation *o = q->oscillation;
    if (q->frozen_codes != NULL)
        add_vector(w, arena_printf(arena, "quant.%s.frozen", q->name), ST_I8, checkpoint_weights(m, q),
                   q->frozen_codes);
    if (o == NULL || !training) return;
    const char *name = arena_printf(arena, "optimizer.oscillation.%s", q->name);
    add_vector(w, arena_printf(arena, "%s.code", name), ST_I8, o->n, o->code);
    add_vector(w, arena_printf(arena, "%s.direction", name), ST_I8, o->n, o->direction);
    add_vector(w, arena_printf(arena, "%s.frequency", name), ST_F32, o->n, o->frequency);
    add_vector(w, arena_printf(arena, "%s.mean", name), ST_F32, o->n, o->mean);
}

static void add_quantizer(SafeWriter *w, Arena *arena, const Quantizer *q)
{
    QuantizerState *s = ARENA_ARRAY(arena, QuantizerState, 1);
    *s = (QuantizerState){{q->observer.min, q->observer.max},
                          {q->observer.batches, q->is_weight && q->fixed ? 3 : q->ready},
                          q->qp.zero_point};
    add_vector(w, arena_printf(arena, "quant.%s.scale", q->name), ST_F32, q->qp.n, q->qp.scale);
    add_vector(w, arena_printf(arena, "quant.%s.zero_point", q->name), ST_I32, 1, &s->zero_point);
    if (q->qp.zero != NULL)
        add_vector(w, arena_printf(arena, "quant.%s.zero_points", q->name), ST_I8, q->qp.n, q->qp.zero);
    add_vector(w, arena_printf(arena, "quant.%s.extremes", q->name), ST_F32, 2, s->extremes);
    add_vector(w, arena_printf(arena, "quant.%s.seen", q->name), ST_U64, 2, s->seen);
}

static char *class_list(Arena *arena, const Model *m)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; m->class_names != NULL && i < m->classes; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(m->class_names[i]));
    char *text = json_print_compact(arena, list);
    cJSON_Delete(list);
    return text;
}

static void add_provenance(SafeWriter *w, const Provenance *p)
{
    safe_add_metadata(w, "provenance.config", p->config);
    safe_add_metadata(w, "provenance.data", p->data);
    safe_add_metadata(w, "provenance.kernels", p->kernels);
    if (p->changed[0] != '\0') safe_add_metadata(w, "provenance.changed", p->changed);
}

/* What is trained where averages stand in its place. */
static void add_trained(SafeWriter *w, Arena *arena, const Ema *e)
{
    const Model *m = e->model;
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        add_shaped(w, arena_printf(arena, "optimizer.trained.%s", p->name), p->shape, e->x + p->offset);
    }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        add_vector(w, arena_printf(arena, "optimizer.trained.%s.bn.mean", l->name), ST_F32, l->gamma->count,
                   e->mean[i]);
        add_vector(w, arena_printf(arena, "optimizer.trained.%s.bn.var", l->name), ST_F32, l->gamma->count, e->var[i]);
    }
}

static Status write_all(Arena *arena, const char *path, const Model *m, const Optimizer *o, const TrainState *state)
{
    SafeWriter *w = safe_writer(arena);
    safe_add_metadata(w, "format", "bitfold-checkpoint");
    safe_add_metadata(w, "version", "1");
    safe_add_metadata(w, "kind", model_kind_names[state->kind]);
    safe_add_metadata(w, "seed", arena_printf(arena, "%llu", (unsigned long long)state->seed));
    safe_add_metadata(w, "step", arena_printf(arena, "%ld", state->step));
    safe_add_metadata(w, "steps", arena_printf(arena, "%ld", state->steps));
    safe_add_metadata(w, "classes", class_list(arena, m));
    if (state->provenance != NULL) add_provenance(w, state->provenance);
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        add_shaped(w, p->name, p->shape, p->x);
        for (int k = 0; o != NULL && k < o->type->slots; k++)
            add_shaped(w, arena_printf(arena, "optimizer.%s.%s", o->type->slot_names[k], p->name), p->shape,
                       o->slot[k] + p->offset);
    }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        add_vector(w, arena_printf(arena, "%s.bn.mean", l->name), ST_F32, l->gamma->count, l->norm->mean);
        add_vector(w, arena_printf(arena, "%s.bn.var", l->name), ST_F32, l->gamma->count, l->norm->var);
    }
    for (int i = 0; i < m->quantizers; i++) {
        add_quantizer(w, arena, m->quantizer[i]);
        add_oscillation(w, arena, m, m->quantizer[i], o != NULL);
    }
    if (m->scale.mean != NULL) {
        add_vector(w, "target.mean", ST_F32, m->classes, m->scale.mean);
        add_vector(w, "target.std", ST_F32, m->classes, m->scale.std);
    }
    for (int i = 0; state->kind == MODEL_PTQ && i < m->quantizers; i++)
        if (m->quantizer[i]->qp.levels > 0) {
            safe_add_metadata(w, "levels", "weights");
            break;
        }
    double *sums = ARENA_ARRAY(arena, double, CHECKPOINT_SUMS);
    pack_sums(state, sums);
    if (o != NULL) add_vector(w, "train.sums", ST_F64, CHECKPOINT_SUMS, sums);
    if (state->stale > 0) safe_add_metadata(w, "stale", arena_printf(arena, "%d", state->stale));
    if (state->ema != NULL) add_trained(w, arena, state->ema);
    return safe_write(w, path);
}

Status checkpoint_write(const char *path, const Model *m, const Optimizer *o, const TrainState *state)
{
    Arena *arena = arena_create();
    const Status status = write_all(arena, path, m, o, state);
    arena_destroy(arena);
    return status;
}
