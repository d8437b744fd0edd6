#include "compress/ptq.h"

#include <string.h>

#define PTQ_STEP(name) &ptq_step_##name,
const PtqStep *const ptq_steps[] = {
#include "compress/ptq_steps.def"
    NULL};
#undef PTQ_STEP
#define PTQ_STEP(name) #name,
static const char *const step_names[] = {
#include "compress/ptq_steps.def"
    NULL};
#undef PTQ_STEP

const Field ptq_fields[] = {{"images", FIELD_INT, offsetof(PtqConfig, images), .min = 1, .max = 10000000, .def = "512",
                             .unit = "images", .doc = "training images that calibrate the ranges, chosen by the seed"},
                            {"steps", FIELD_ENUMS, offsetof(PtqConfig, steps), .names = step_names, .scalar_ok = true,
                             .min_count = 1, .max_count = 16, .def = "[\"calibrate\"]",
                             .doc = "what is done to the float model, in this order, once it has its grids"},
                            FIELD_END};

Status ptq_check(const PtqConfig *ptq, const char *path)
{
    bool ranges = false;
    const char *finders = NULL;
    for (int i = 0; i < ptq->steps.n; i++) {
        const PtqStep *step = ptq_steps[ptq->steps.at[i]];
        for (int k = 0; k < i; k++)
            if (ptq->steps.at[k] == ptq->steps.at[i])
                return status_fail(STATUS_CONFIG, "%s: ptq.steps[%d]: \"%s\" stands there twice; a step runs once",
                                   path, i, step->name);
        ranges |= step->finds_ranges;
    }
    for (int i = 0; ptq_steps[i] != NULL && finders == NULL; i++)
        if (ptq_steps[i]->finds_ranges) finders = ptq_steps[i]->name;
    if (ranges) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: ptq.steps: none of them finds the activations' ranges; must hold \"%s\"",
                       path, finders);
}

QuantConfig ptq_quant_config(Arena *arena, const QuantConfig *quant)
{
    QuantConfig q = *quant;
    int observed = 1, minmax = 1;
    while (strcmp(quantizer_choices[observed], "observed") != 0) observed++;
    while (strcmp(observer_choices[minmax], "minmax") != 0) minmax++;
    q.weights.quantizer = q.activations.quantizer = observed;
    if (q.activations.observer == 0) q.activations.observer = minmax;
    QuantOverride *all = ARENA_ARRAY(arena, QuantOverride, q.overrides.n);
    for (int i = 0; i < q.overrides.n; i++) {
        all[i] = ((const QuantOverride *)quant->overrides.at)[i];
        all[i].quantizer = all[i].weight_quantizer = all[i].activation_quantizer = 0;
    }
    q.overrides.at = all;
    return q;
}
