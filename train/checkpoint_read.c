/* Checkpoints that are read; see checkpoint.h. */
#include "train/checkpoint_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "quant/oscillation.h"
#include "quant/split_weights.h"

static void unpack_sums(TrainState *s, const double *v)
{
    s->epoch = (Tally){v[0], v[1], v[2]};
    s->window = (Tally){v[3], v[4], v[5]};
    s->best = v[6];
}

Status checkpoint_open(Arena *arena, const char *path, Checkpoint *c)
{
    *c = (Checkpoint){.arena = arena, .path = path};
    TRY(safe_read(arena, path, true, &c->file));
    const char *format = safe_metadata(&c->file, "format"), *version = safe_metadata(&c->file, "version");
    const char *name = safe_metadata(&c->file, "kind");
    if (format != NULL && strcmp(format, "bitfold-int8") == 0)
        return status_fail(STATUS_STATE,
                           "%s: holds integers only; a model with its trained floats is required (verify compares "
                           "such a model with its integers; ptq, qat and compare start from one)",
                           path);
    if (format == NULL || strcmp(format, "bitfold-checkpoint") != 0 || version == NULL || strcmp(version, "1") != 0)
        return status_fail(STATUS_FORMAT,
                           "%s: format \"%s\", version \"%s\"; must be a bitfold-checkpoint of version 1", path,
                           format == NULL ? "" : format, version == NULL ? "" : version);
    const int kind = name_find(model_kind_names, name);
    if (kind >= 0) return c->kind = (ModelKind)kind, STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: kind \"%s\"; must be float, ptq or qat", path, name == NULL ? "" : name);
}

typedef struct {
    Arena *arena; /* names that are asked for */
    const SafeFile *file;
    int used; /* tensors that were asked for */
} Reader;

static Status read_tensor(Reader *r, const char *name, SafeType type, int rank, const int64_t *dim, void *to)
{
    const SafeTensor *tensor;
    const Status status = safe_expect(r->file, name, type, rank, dim, &tensor);
    if (status != STATUS_OK) {
        char reason[512];
        snprintf(reason, sizeof reason, "%s", status_message());
        return status_fail(STATUS_STATE, "%s; the file belongs to another model than this config", reason);
    }
    memcpy(to, tensor->data, tensor->bytes);
    r->used++;
    return STATUS_OK;
}

static Status read_shaped(Reader *r, const char *name, Shape shape, float *x)
{
    int64_t dim[SHAPE_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) dim[i] = shape.dim[i];
    return read_tensor(r, name, ST_F32, shape.rank, dim, x);
}

static Status read_vector(Reader *r, const char *name, SafeType type, int64_t n, void *to)
{
    return read_tensor(r, name, type, 1, &n, to);
}

/* Of a task whose targets are values. */
static Status read_scale(Reader *r, Model *m)
{
    TRY(read_vector(r, "target.mean", ST_F32, m->classes, (float *)m->scale.mean));
    TRY(read_vector(r, "target.std", ST_F32, m->classes, (float *)m->scale.std));
    return target_scale_check(r->file->path, &m->scale, m->classes);
}

static Status read_network(Reader *r, Model *m)
{
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        TRY(read_shaped(r, p->name, p->shape, p->x));
    }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        TRY(read_vector(r, arena_printf(r->arena, "%s.bn.mean", l->name), ST_F32, l->gamma->count, l->norm->mean));
        TRY(read_vector(r, arena_printf(r->arena, "%s.bn.var", l->name), ST_F32, l->gamma->count, l->norm->var));
    }
    return m->scale.mean == NULL ? STATUS_OK : read_scale(r, m);
}

/* Of weights: which the config asks for, or a step of post-training quantization has given them. */
static Status read_zero_points(Reader *r, Model *m, Quantizer *q)
{
    const char *name = arena_printf(r->arena, "quant.%s.zero_points", q->name);
    if (q->qp.zero == NULL && safe_find(r->file, name) != NULL) {
        const Status status = quantizer_make_affine(m->arena, q);
        if (status != STATUS_OK)
            return status_prefix(STATUS_FORMAT, "%s: quant.%s.zero_points", r->file->path, q->name);
    }
    if (q->qp.zero == NULL) return STATUS_OK;
    TRY(read_vector(r, name, ST_I8, q->qp.n, q->qp.zero));
    for (int s = 0; s < q->qp.n; s++)
        if (q->qp.zero[s] < q->qp.qmin || q->qp.zero[s] > q->qp.qmax)
            return status_fail(STATUS_FORMAT, "%s: %d; must be %d to %d", name, q->qp.zero[s], q->qp.qmin, q->qp.qmax);
    return STATUS_OK;
}

static Status read_quantizer(Reader *r, Model *m, Quantizer *q)
{
    QuantizerState s;
    if (q->is_weight) TRY(read_zero_points(r, m, q));
    TRY(read_vector(r, arena_printf(r->arena, "quant.%s.scale", q->name), ST_F32, q->qp.n, q->qp.scale));
    TRY(read_vector(r, arena_printf(r->arena, "quant.%s.zero_point", q->name), ST_I32, 1, &s.zero_point));
    TRY(read_vector(r, arena_printf(r->arena, "quant.%s.extremes", q->name), ST_F32, 2, s.extremes));
    TRY(read_vector(r, arena_printf(r->arena, "quant.%s.seen", q->name), ST_U64, 2, s.seen));
    const int lo = q->is_weight ? 0 : q->qp.qmin, hi = q->is_weight ? 0 : q->qp.qmax;
    if (s.zero_point < lo || s.zero_point > hi)
        return status_fail(STATUS_FORMAT, "%s: quant.%s.zero_point: %d; must be %d to %d", r->file->path, q->name,
                           s.zero_point, lo, hi);
    q->qp.zero_point = s.zero_point;
    q->observer.min = s.extremes[0], q->observer.max = s.extremes[1];
    q->observer.batches = s.seen[0];
    q->ready = s.seen[1] != 0;
    if (!q->is_weight) return STATUS_OK;
    q->fixed = s.seen[1] == 3;
    for (int c = 0; q->fixed && c < q->qp.n; c++)
        if (!isfinite(q->qp.scale[c]) || q->qp.scale[c] <= 0.0f)
            return status_fail(STATUS_FORMAT, "%s: quant.%s.scale: %g; must be finite and above 0", r->file->path,
                               q->name, (double)q->qp.scale[c]);
    return STATUS_OK;
}

static bool is_there(const Reader *r, const char *name)
{
    for (int i = 0; i < r->file->n; i++)
        if (strcmp(r->file->tensor[i].name, name) == 0) return true;
    return false;
}

static bool is_code(const QuantParams *qp, int code)
{
    bool is_level = qp->levels == 0;
    for (int i = 0; i < qp->levels; i++) is_level = is_level || qp->level[i] == code;
    return is_level && code >= qp->qmin && code <= qp->qmax;
}

static Status read_frozen_codes(Reader *r, Model *m, Quantizer *q)
{
    const char *name = arena_printf(r->arena, "quant.%s.frozen", q->name);
    const long n = checkpoint_weights(m, q);
    if (n == 0 || !is_there(r, name)) return STATUS_OK;
    if (q->frozen_codes == NULL) q->frozen_codes = oscillation_no_codes(m->arena, n);
    TRY(read_vector(r, name, ST_I8, n, q->frozen_codes));
    for (long i = 0; i < n; i++) {
        const int code = q->frozen_codes[i];
        if (code != OSCILLATION_FREE && !is_code(&q->qp, code))
            return status_fail(STATUS_FORMAT, "%s: %s: %d; must be a code of %d to %d, or %d", r->file->path, name,
                               code, q->qp.qmin, q->qp.qmax, OSCILLATION_FREE);
    }
    return STATUS_OK;
}

static Status read_oscillation(Reader *r, struct Oscillation *o, const char *name)
{
    TRY(read_vector(r, arena_printf(r->arena, "%s.code", name), ST_I8, o->n, o->code));
    TRY(read_vector(r, arena_printf(r->arena, "%s.direction", name), ST_I8, o->n, o->direction));
    TRY(read_vector(r, arena_printf(r->arena, "%s.frequency", name), ST_F32, o->n, o->frequency));
    TRY(read_vector(r, arena_printf(r->arena, "%s.mean", name), ST_F32, o->n, o->mean));
    return STATUS_OK;
}

static Status read_number(const SafeFile *file, const char *key, long long most, long long *value)
{
    const char *text = safe_metadata(file, key);
    char *end = NULL;
    *value = text == NULL ? -1 : strtoll(text, &end, 10);
    if (text == NULL || end == text || *end != '\0' || *value < 0 || *value > most)
        return status_fail(STATUS_FORMAT, "%s: %s: \"%s\"; must be a number, 0 to %lld", file->path, key,
                           text == NULL ? "" : text, most);
    return STATUS_OK;
}

static Status read_trained(Reader *r, Ema *e)
{
    const Model *m = e->model;
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        TRY(read_shaped(r, arena_printf(r->arena, "optimizer.trained.%s", p->name), p->shape, e->x + p->offset));
    }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        const char *name = arena_printf(r->arena, "optimizer.trained.%s.bn", l->name);
        TRY(read_vector(r, arena_printf(r->arena, "%s.mean", name), ST_F32, l->gamma->count, e->mean[i]));
        TRY(read_vector(r, arena_printf(r->arena, "%s.var", name), ST_F32, l->gamma->count, e->var[i]));
    }
    return STATUS_OK;
}

static Status read_all(Reader *r, const Checkpoint *c, Model *m, Optimizer *o, TrainState *state)
{
    const char *path = c->path;
    state->kind = c->kind;
    if ((c->kind == MODEL_FLOAT) != (m->quant == NULL))
        return status_fail(STATUS_STATE, "%s: a %s model; %s is required here", path, model_kind_names[c->kind],
                           m->quant == NULL ? "a float model" : "a quantized one");
    long long seed;
    TRY(read_number(r->file, "seed", 1ll << 53, &seed));
    TRY(checkpoint_steps(c, &state->step, &state->steps));
    state->seed = (uint64_t)seed;
    long long stale = 0;
    if (safe_metadata(r->file, "stale") != NULL) TRY(read_number(r->file, "stale", 1000000, &stale));
    state->stale = (int)stale;
    TRY(read_network(r, m));
    for (int i = 0; i < m->quantizers; i++) {
        struct Oscillation *watched = m->quantizer[i]->oscillation;
        TRY(read_quantizer(r, m, m->quantizer[i]));
        TRY(read_frozen_codes(r, m, m->quantizer[i]));
        if (o == NULL || watched == NULL) continue;
        TRY(read_oscillation(r, watched, arena_printf(r->arena, "optimizer.oscillation.%s", m->quantizer[i]->name)));
        watched->started = state->step > 0;
    }
    if (o != NULL) {
        for (int i = 0; i < m->params.n; i++)
            for (int k = 0; k < o->type->slots; k++) {
                const Param *p = m->params.param[i];
                TRY(read_shaped(r, arena_printf(r->arena, "optimizer.%s.%s", o->type->slot_names[k], p->name), p->shape,
                                o->slot[k] + p->offset));
            }
        double sums[CHECKPOINT_SUMS];
        TRY(read_vector(r, "train.sums", ST_F64, CHECKPOINT_SUMS, sums));
        unpack_sums(state, sums);
        if (state->ema != NULL) TRY(read_trained(r, state->ema));
    } else {
        for (int k = 0; k < r->file->n; k++) /* what only training goes on from */
            r->used += strncmp(r->file->tensor[k].name, "optimizer.", 10) == 0 ||
                       strcmp(r->file->tensor[k].name, "train.sums") == 0;
    }
    if (r->used != r->file->n)
        return status_fail(STATUS_STATE,
                           "%s: %d tensors beside the %d of this model; the file belongs to another model", path,
                           r->file->n - r->used, r->used);
    return STATUS_OK;
}

Status checkpoint_load(const Checkpoint *c, Model *m, Optimizer *o, TrainState *state)
{
    Reader r = {.arena = arena_create(), .file = &c->file};
    const Status status = read_all(&r, c, m, o, state);
    arena_destroy(r.arena);
    return status;
}

Status checkpoint_read(const char *path, Model *m, Optimizer *o, TrainState *state)
{
    Arena *own = arena_create();
    Checkpoint c;
    Status status = checkpoint_open(own, path, &c);
    if (status == STATUS_OK) status = checkpoint_load(&c, m, o, state);
    arena_destroy(own);
    return status;
}

Provenance checkpoint_provenance(const Checkpoint *c)
{
    const char *config = safe_metadata(&c->file, "provenance.config"),
               *data = safe_metadata(&c->file, "provenance.data");
    const char *kernels = safe_metadata(&c->file, "provenance.kernels");
    const char *changed = safe_metadata(&c->file, "provenance.changed");
    if (config == NULL || data == NULL || kernels == NULL) return (Provenance){0};
    return (Provenance){config, data, kernels, changed == NULL ? "" : changed};
}

Status checkpoint_steps(const Checkpoint *c, long *done, long *all)
{
    long long step, steps;
    TRY(read_number(&c->file, "step", 1ll << 53, &step));
    TRY(read_number(&c->file, "steps", 1ll << 53, &steps));
    *done = (long)step, *all = (long)steps;
    return STATUS_OK;
}

bool checkpoint_has_levels(const Checkpoint *c) { return safe_metadata(&c->file, "levels") != NULL; }

Status checkpoint_classes(const Checkpoint *c, StringList *classes)
{
    const char *text = safe_metadata(&c->file, "classes");
    cJSON *list = NULL;
    if (text != NULL) TRY(json_parse(text, strlen(text), c->path, &list));
    const bool good = cJSON_IsArray(list);
    const int n = good ? cJSON_GetArraySize(list) : 0;
    *classes = (StringList){n, ARENA_ARRAY(c->arena, const char *, n)};
    for (int i = 0; i < n; i++) {
        const cJSON *name = cJSON_GetArrayItem(list, i);
        classes->at[i] = arena_strdup(c->arena, cJSON_IsString(name) ? name->valuestring : "");
    }
    cJSON_Delete(list);
    return good ? STATUS_OK : status_fail(STATUS_FORMAT, "%s: classes: must be a list of names", c->path);
}
