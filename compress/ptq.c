#include "compress/ptq.h"

#include <stdarg.h>
#include <stdio.h>
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

#define PTQ_STEP_KEYS(name) extern const Field ptq_step_##name##_fields[];
#include "compress/ptq_step_keys.def"
#undef PTQ_STEP_KEYS

static const Field calibration_fields[] = {{"dir", FIELD_STRING, offsetof(PtqCalibration, dir), .max = 4000,
                                            .def = "\"\"",
                                            .doc = "a folder of another data set of the kind data.dataset, whose "
                                                   "training images are seen in place of the network's; "
                                                   "relative to the working directory"},
                                           CORRUPTION_FIELDS(PtqCalibration, corruption),
                                           FIELD_END};

const Field ptq_fields[] = {{"images", FIELD_INT, offsetof(PtqConfig, images), .min = 1, .max = 10000000, .def = "512",
                             .unit = "images", .doc = "training images that calibrate the ranges, chosen by the seed"},
                            {"steps", FIELD_ENUMS, offsetof(PtqConfig, steps), .names = step_names, .scalar_ok = true,
                             .min_count = 1, .max_count = 16, .def = "[\"calibrate\"]",
                             .doc = "what is done to the float model, in this order, once it has its grids"},
                            {"calibration", FIELD_OBJECT, offsetof(PtqConfig, calibration),
                             .fields = calibration_fields,
                             .doc = "pictures that are not as the training's, for all steps: how much depends on their "
                                    "likeness to what the network will see"},
#define PTQ_STEP_KEYS(name)                                                                                            \
    {#name, FIELD_OBJECT, offsetof(PtqConfig, keys[PTQ_STEP_INDEX_##name]), .fields = ptq_step_##name##_fields,        \
     .doc = "keys of the step " #name},
#include "compress/ptq_step_keys.def"
#undef PTQ_STEP_KEYS
                            FIELD_END};

const void *ptq_keys(Arena *arena, const PtqStep *step, const PtqContext *context)
{
    if (context->keys != NULL || step->fields == NULL) return context->keys;
    ASSERT(step->config_bytes <= PTQ_STEP_KEYS_BYTES);
    void *keys = arena_zalloc(arena, step->config_bytes);
    const Status status = field_parse(step->fields, NULL, step->name, keys, arena);
    ASSERT(status == STATUS_OK);
    return keys;
}

void ptq_tell(const PtqContext *c, const char *format, ...)
{
    if (c->told == NULL || c->told->n == PTQ_TOLD) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->told->line[c->told->n++] = arena_strdup(c->told->arena, text);
}

/* What step i of the list could not do where it stands; NULL: nothing. */
static const char *misplaced(const IntList *steps, int i, const char **other)
{
    const PtqStep *step = ptq_steps[steps->at[i]];
    bool ranges = false;
    for (int k = 0; k < i; k++) {
        const PtqStep *before = ptq_steps[steps->at[k]];
        *other = before->name;
        if (before == step) return "stands there twice; a step runs once";
        if (step->rounds_weights && before->rounds_weights)
            return "chooses the codes that another step has chosen; one of such steps is allowed";
        if (step->moves_weights && before->finds_ranges)
            return "changes what the ranges were found for; it must stand before what finds them";
        ranges |= before->finds_ranges;
    }
    *other = ptq_step_calibrate.name;
    if (step->needs_ranges && !ranges)
        return "looks at activations on their grids; it must stand after what finds ranges";
    *other = NULL;
    return step->alone && steps->n > 1 ? "chooses steps itself; it must be the only one" : NULL;
}

Status ptq_check(const PtqConfig *ptq, const char *path)
{
    bool ranges = false;
    const char *finders = NULL, *other;
    for (int i = 0; i < ptq->steps.n; i++) {
        const PtqStep *step = ptq_steps[ptq->steps.at[i]];
        const char *why = misplaced(&ptq->steps, i, &other);
        if (why != NULL)
            return status_fail(STATUS_CONFIG, "%s: ptq.steps[%d]: \"%s\" %s%s%s%s", path, i, step->name, why,
                               other == NULL || strcmp(other, step->name) == 0 ? "" : " (\"",
                               other == NULL || strcmp(other, step->name) == 0 ? "" : other,
                               other == NULL || strcmp(other, step->name) == 0 ? "" : "\")");
        ranges |= step->finds_ranges;
    }
    for (int i = 0; ptq_steps[i] != NULL && finders == NULL; i++)
        if (ptq_steps[i]->finds_ranges) finders = ptq_steps[i]->name;
    if (ranges) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: ptq.steps: none of them finds the activations' ranges; must hold \"%s\"",
                       path, finders);
}

/* That it is of sets of levels or of signs: it has no step that only training finds. */
static bool keeps(int choice, QuantizerUse use)
{
    if (choice == 0) return false;
    const int uses = quantizer_types[choice - 1]->uses;
    return (uses & use) != 0 && (uses & QUANTIZES_UNSIGNED) == 0;
}

bool ptq_keeps_quantizer(int choice) { return keeps(choice, QUANTIZES_WEIGHTS); }

/* What an override that chose this has after training, where the section has `section`: 0 as the section. */
static int choice_after_training(int chosen, int section, int observed, QuantizerUse use)
{
    if (keeps(chosen, use)) return chosen;
    return chosen > 0 && section != observed ? observed : 0;
}

QuantConfig ptq_quant_config(Arena *arena, const QuantConfig *quant)
{
    QuantConfig q = *quant;
    const int observed = name_find(quantizer_choices, "observed");
    q.after_training = true;
    if (!keeps(q.weights.quantizer, QUANTIZES_WEIGHTS)) q.weights.quantizer = observed;
    if (!keeps(q.activations.quantizer, QUANTIZES_SIGNED)) q.activations.quantizer = observed;
    if (q.activations.observer == 0) q.activations.observer = name_find(observer_choices, "minmax");
    QuantOverride *all = ARENA_ARRAY(arena, QuantOverride, q.overrides.n);
    for (int i = 0; i < q.overrides.n; i++) {
        all[i] = ((const QuantOverride *)quant->overrides.at)[i];
        const int both = all[i].quantizer, weights = all[i].weight_quantizer, outputs = all[i].activation_quantizer;
        all[i].quantizer = 0;
        all[i].weight_quantizer =
            choice_after_training(weights > 0 ? weights : both, q.weights.quantizer, observed, QUANTIZES_WEIGHTS);
        all[i].activation_quantizer =
            choice_after_training(outputs > 0 ? outputs : both, q.activations.quantizer, observed, QUANTIZES_SIGNED);
    }
    q.overrides.at = all;
    return q;
}

QuantConfig ptq_observed_config(Arena *arena, const QuantConfig *quant)
{
    QuantConfig q = ptq_quant_config(arena, quant);
    QuantOverride *all = q.overrides.at;
    q.weights.quantizer = q.activations.quantizer = name_find(quantizer_choices, "observed");
    for (int i = 0; i < q.overrides.n; i++) all[i].weight_quantizer = all[i].activation_quantizer = 0;
    return q;
}
