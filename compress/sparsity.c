#include "compress/sparsity.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

static const char *const patterns[] = {"unstructured", "2:4", NULL};

const Field sparsity_fields[] = {
    {"target", FIELD_FLOAT, offsetof(SparsityConfig, target), .min = 0, .max = 0.99, .def = "0",
     .doc = "share of each layer's weights that is 0 in the end; 0: nothing is removed. 2:4 takes 0.5"},
    {"pattern", FIELD_ENUM, offsetof(SparsityConfig, pattern), .names = patterns, .def = "\"unstructured\"",
     .doc = "unstructured: the smallest of a layer; 2:4: the 2 smallest of each 4 along the input's channels"},
    {"begin", FIELD_FLOAT, offsetof(SparsityConfig, begin), .min = 0, .max = 1, .def = "0.1",
     .doc = "share of the steps after which removal begins"},
    {"end", FIELD_FLOAT, offsetof(SparsityConfig, end), .min = 0, .max = 1, .def = "0.6",
     .doc = "share of the steps after which the target is reached"},
    {"every", FIELD_INT, offsetof(SparsityConfig, every), .min = 1, .max = 1000000, .def = "20", .unit = "steps",
     .doc = "from one removal to the next"},
    {"except", FIELD_STRINGS, offsetof(SparsityConfig, except), .scalar_ok = true, .max_count = 512, .min = 1,
     .max = 100, .doc = "layers that keep all weights, by name or pattern with * and ?; depthwise ones always do"},
    FIELD_END};

enum { GROUP = 4 };

/* ---- which ------------------------------------------------------------------------------------------------------- */

static bool is_excepted(const SparsityConfig *c, const Layer *l)
{
    for (int i = 0; i < c->except.n; i++)
        if (fnmatch(c->except.at[i], l->name, 0) == 0) return true;
    return false;
}

/* Weights of one output cell that follow each other: what is read of the input's channels. */
static long run_of(const Layer *l) { return l->weight->shape.dim[l->weight->shape.rank - 1]; }

static bool can_be_sparse(const SparsityConfig *c, const Layer *l)
{
    if (l->weight == NULL || l->type->channels != CHANNELS_OWN || l->frozen || is_excepted(c, l)) return false;
    return c->pattern != SPARSITY_2_4 || run_of(l) % GROUP == 0;
}

static Status check(const SparsityConfig *c, const Model *m, const char *where)
{
    if (c->begin >= c->end)
        return status_fail(STATUS_CONFIG, "%s: train.sparsity.begin: %g; must be before train.sparsity.end, %g", where,
                           c->begin, c->end);
    if (c->pattern == SPARSITY_2_4 && c->target != 0.5)
        return status_fail(STATUS_CONFIG, "%s: train.sparsity.target: %g with the pattern 2:4; must be 0.5", where,
                           c->target);
    for (int i = 0; i < c->except.n; i++) {
        int named = 0;
        for (int k = 0; k < m->layers; k++) named += fnmatch(c->except.at[i], m->layer[k].name, 0) == 0;
        if (named == 0)
            return status_fail(STATUS_CONFIG, "%s: train.sparsity.except[%d]: \"%s\"; must name a layer", where, i,
                               c->except.at[i]);
    }
    return STATUS_OK;
}

Status sparsity_watch(Arena *arena, const SparsityConfig *c, Model *m, bool grows, const char *where, Sparsity **out)
{
    *out = NULL;
    if (c->target <= 0) return STATUS_OK;
    TRY(check(c, m, where));
    Sparsity *s = ARENA_ARRAY(arena, Sparsity, 1);
    *s = (Sparsity){.config = c,
                    .m = m,
                    .sparse = ARENA_ARRAY(arena, bool, m->layers),
                    .kept = ARENA_ARRAY(arena, bool, m->params.count),
                    .grows = grows};
    for (int i = 0; i < m->layers; i++) s->sparse[i] = can_be_sparse(c, &m->layer[i]);
    *out = s;
    return STATUS_OK;
}

/* ---- how many ---------------------------------------------------------------------------------------------------- */

double sparsity_share(const SparsityConfig *c, long step, long steps)
{
    const double t = (double)step / (double)steps;
    const double left = 1.0 - fmin(fmax((t - c->begin) / (c->end - c->begin), 0.0), 1.0);
    return c->target * (1.0 - left * left * left);
}

typedef struct {
    float size;
    long at;
} Weight;

static int compare_weights(const void *a, const void *b)
{
    const Weight *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

/* The `zeros` smallest of n weights become 0. */
static void remove_smallest(float *w, long n, long zeros, Weight *scratch)
{
    for (long i = 0; i < n; i++) scratch[i] = (Weight){fabsf(w[i]), i};
    qsort(scratch, (size_t)n, sizeof *scratch, compare_weights);
    for (long i = 0; i < zeros; i++) w[scratch[i].at] = 0.0f;
}

static void remove_of_layer(const SparsityConfig *c, const Param *p, double share, Weight *scratch)
{
    if (c->pattern == SPARSITY_FREE) {
        const long zeros = (long)rint(share * (double)p->count);
        remove_smallest(p->x, p->count, zeros < p->count ? zeros : p->count - 1, scratch);
        return;
    }
    const long zeros = (long)floor(share * GROUP + 1e-9);
    for (long at = 0; at < p->count; at += GROUP) remove_smallest(p->x + at, GROUP, zeros, scratch);
}

/* Whether more weights go before this step: at each `every`-th from the beginning on, and when the target is reached. */
static bool removes(const SparsityConfig *c, long step, long steps)
{
    const long first = (long)ceil(c->begin * (double)steps), last = (long)ceil(c->end * (double)steps);
    const long end = last < steps ? last : steps - 1;
    return step == end || (step >= first && step < end && (step - first) % c->every == 0);
}

static void remove_more(const Sparsity *s, double share)
{
    Arena *own = arena_create();
    for (int i = 0; i < s->m->layers; i++) {
        if (!s->sparse[i]) continue;
        const Param *p = s->m->layer[i].weight;
        remove_of_layer(s->config, p, share, ARENA_ARRAY(own, Weight, p->count));
    }
    arena_destroy(own);
}

/* ---- around a step ----------------------------------------------------------------------------------------------- */

static bool is_on(const Sparsity *s, long step, long steps)
{
    return !s->grows || (double)step >= s->config->begin * (double)steps;
}

void sparsity_before_step(Sparsity *s, long step, long steps)
{
    if (s == NULL) return;
    if (s->grows && removes(s->config, step, steps))
        remove_more(s, step + 1 == steps ? s->config->target : sparsity_share(s->config, step, steps));
    const bool on = is_on(s, step, steps);
    for (int i = 0; i < s->m->layers; i++) {
        if (!s->sparse[i]) continue;
        const Param *p = s->m->layer[i].weight;
        for (long k = 0; k < p->count; k++) s->kept[p->offset + (size_t)k] = !on || p->x[k] != 0.0f;
    }
}

void sparsity_after_step(Sparsity *s)
{
    for (int i = 0; s != NULL && i < s->m->layers; i++) {
        if (!s->sparse[i]) continue;
        const Param *p = s->m->layer[i].weight;
        for (long k = 0; k < p->count; k++)
            if (!s->kept[p->offset + (size_t)k]) p->x[k] = 0.0f;
    }
}

double sparsity_measured(const Sparsity *s)
{
    long zeros = 0, all = 0;
    for (int i = 0; s != NULL && i < s->m->layers; i++) {
        if (!s->sparse[i]) continue;
        const Param *p = s->m->layer[i].weight;
        for (long k = 0; k < p->count; k++) zeros += p->x[k] == 0.0f;
        all += p->count;
    }
    return s == NULL ? -1.0 : all > 0 ? (double)zeros / (double)all : 0.0;
}
