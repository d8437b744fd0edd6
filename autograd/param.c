#include "autograd/param.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/align.h"
#include "base/text.h"

enum { ALIGN_FLOATS = ALIGN_BYTES / sizeof(float) };
/* Up to here offsets and byte counts cannot overflow; whether there is memory for them the arena decides. */
static const size_t FLOATS_MAX = (size_t)1 << 60;

/* Also refuses a name the set has (checkpoints and initialisation go by name) and a shape without elements. */
Param *param_add(ParamSet *set, Arena *arena, const char *name, ParamKind kind, Shape shape)
{
    ASSERT(set->x == NULL); /* the blocks cannot grow once they are placed */
    if (set->n == PARAM_SET_MAX) {
        status_fail(STATUS_CONFIG, "parameter \"%s\": number %d of the model; at most %d are possible", name,
                    PARAM_SET_MAX + 1, PARAM_SET_MAX);
        return NULL;
    }
    for (int i = 0; i < set->n; i++) {
        if (strcmp(set->param[i]->name, name) == 0) {
            status_fail(STATUS_CONFIG, "parameter \"%s\": stands twice in the model; names must differ", name);
            return NULL;
        }
    }
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 1) {
            status_fail(STATUS_CONFIG, "parameter \"%s\": shape %s; every length must be 1 or more", name,
                        shape_text(shape).text);
            return NULL;
        }
    }
    const long count = shape_elements(shape);
    if ((size_t)count > FLOATS_MAX - set->count) {
        status_fail(STATUS_CONFIG, "parameter \"%s\": shape %s; too large, all parameters must fit into memory", name,
                    shape_text(shape).text);
        return NULL;
    }
    Param *p = ARENA_ARRAY(arena, Param, 1);
    *p = (Param){.name = arena_strdup(arena, name), .kind = kind, .shape = shape, .offset = set->count, .count = count};
    set->param[set->n++] = p;
    set->count += ((size_t)count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return p;
}

Status param_set_place(ParamSet *set, Arena *arena)
{
    ASSERT(set->x == NULL);
    const size_t bytes = set->count * sizeof(float);
    float *x = arena_try_alloc(arena, bytes), *dx = x == NULL ? NULL : arena_try_alloc(arena, bytes);
    if (dx == NULL) return status_prefix(STATUS_NOMEM, "parameters and gradients");
    set->x = memset(x, 0, bytes);
    set->dx = memset(dx, 0, bytes);
    for (int i = 0; i < set->n; i++) {
        Param *p = set->param[i];
        p->x = x + p->offset;
        p->dx = dx + p->offset;
    }
    return STATUS_OK;
}

void param_set_zero_grad(ParamSet *set) { memset(set->dx, 0, set->count * sizeof(float)); }

/* He et al. 2015 (arXiv 1502.01852, eq. 10); Glorot and Bengio 2010 (eq. 16). */
void param_init(Param *p, InitKind kind, long fan_in, long fan_out, uint64_t seed)
{
    ASSERT(p->x != NULL && fan_in > 0 && fan_out > 0);
    Rng rng = rng_make(seed, RNG_INIT, text_hash(p->name));
    if (kind == INIT_HE) {
        const float deviation = (float)sqrt(2.0 / (double)fan_in);
        for (long i = 0; i < p->count; i++) p->x[i] = deviation * rng_normal(&rng);
    } else {
        const float limit = (float)sqrt(6.0 / ((double)fan_in + (double)fan_out));
        for (long i = 0; i < p->count; i++) p->x[i] = limit * (2.0f * rng_uniform(&rng) - 1.0f);
    }
}

void param_fill(Param *p, float value)
{
    for (long i = 0; i < p->count; i++) p->x[i] = value;
}
