#include "compress/real_network.h"

#include <string.h>

/* Copies the statistics of all batch norms to `to`, or from `from`; how many floats they are. */
static size_t copy_norms(const Model *m, float *to, const float *from)
{
    size_t at = 0;
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        const size_t n = (size_t)l->gamma->count;
        float *const parts[] = {l->norm->mean, l->norm->var};
        for (int k = 0; k < 2; k++, at += n) {
            if (to != NULL) memcpy(to + at, parts[k], sizeof(float) * n);
            if (from != NULL) memcpy(parts[k], from + at, sizeof(float) * n);
        }
    }
    return at;
}

RealNetwork *real_network_take(Arena *arena, const Model *m)
{
    RealNetwork *real = ARENA_ARRAY(arena, RealNetwork, 1);
    real->norms = copy_norms(m, NULL, NULL);
    real->params = arena_alloc(arena, sizeof(float) * m->params.count);
    real->norm = arena_alloc(arena, sizeof(float) * real->norms);
    real_network_update(real, m);
    return real;
}

void real_network_update(RealNetwork *real, const Model *m)
{
    memcpy(real->params, m->params.x, sizeof(float) * m->params.count);
    copy_norms(m, real->norm, NULL);
}

void real_network_put(const RealNetwork *real, Model *m)
{
    memcpy(m->params.x, real->params, sizeof(float) * m->params.count);
    copy_norms(m, NULL, real->norm);
}
