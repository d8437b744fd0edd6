#include "train/oscillations.h"

Status oscillations_watch(const OscillationConfig *config, Model *m, const char *where)
{
    for (int i = 0; oscillation_asked(config) && i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->weight_q == NULL || l->weight_q->oscillation != NULL) continue;
        const Status status = oscillation_attach(m->arena, config, l->weight_q, l->weight->count);
        if (status != STATUS_OK) return status_prefix(status, "%s: layer \"%s\"", where, l->name);
    }
    return STATUS_OK;
}

void oscillations_before_step(const OscillationConfig *config, Model *m, long step, long steps)
{
    for (int i = 0; i < m->quantizers; i++)
        if (m->quantizer[i]->oscillation != NULL)
            m->quantizer[i]->oscillation->lambda = oscillation_lambda(config, step, steps);
}

void oscillations_after_step(const OscillationConfig *config, Model *m, long step, long steps)
{
    for (int i = 0; i < m->quantizers; i++)
        if (m->quantizer[i]->oscillation != NULL) oscillation_update(m->quantizer[i], config, step, steps);
}

OscillationCount oscillations_count(const Model *m)
{
    OscillationCount count = {0};
    for (int i = 0; i < m->quantizers; i++)
        if (m->quantizer[i]->oscillation != NULL) oscillation_count(m->quantizer[i], &count);
    return count;
}
