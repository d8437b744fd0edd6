#include "train/config_notes.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "quant/target.h"
#include "train/config_old_keys.h"

enum { MAX_NOTES = 32 };

typedef struct {
    Arena *arena;
    const Config *config;
    const char **note;
    int notes;
} Notes;

/* What was given for a dotted key; NULL: nothing. */
static const cJSON *find_key(const cJSON *at, const char *key)
{
    char part[64];
    while (at != NULL && *key != '\0') {
        const size_t length = strcspn(key, ".");
        const int written = snprintf(part, sizeof part, "%.*s", (int)length, key);
        ASSERT((size_t)written < sizeof part);
        at = json_get(at, part);
        key += length + (key[length] == '.');
    }
    return at;
}

static const cJSON *given(const Notes *n, const char *key) { return find_key(n->config->given, key); }

/* A default that was written out, as resolved configs do, means nothing by itself. */
static bool is_default(const char *key, const cJSON *value)
{
    const Field *f = config_fields;
    while (f->name != NULL) {
        const size_t length = strcspn(key, ".");
        if (strncmp(f->name, key, length) != 0 || f->name[length] != '\0') {
            f++;
        } else if (key[length] == '.') {
            f = f->fields;
            key += length + 1;
        } else {
            break;
        }
    }
    return field_is_default(f, value);
}

static void without_effect(Notes *n, const char *key, const char *why)
{
    const cJSON *value = given(n, key);
    if (value == NULL || is_default(key, value) || n->notes == MAX_NOTES) return;
    n->note[n->notes++] = arena_printf(n->arena, "%s has no effect: %s", key, why);
}

/* Of keys that another verb heeds, and that a config may hence have: those set on the command line. */
static void of_another_training(Notes *n, const char *key, const char *why)
{
    if (find_key(n->config->assigned, key) == NULL || n->notes == MAX_NOTES) return;
    n->note[n->notes++] = arena_printf(n->arena, "%s has no effect: %s", key, why);
}

/* Rows of compare may have a teacher by patches of their own. */
static void of_teacher(Notes *n, ConfigUse use, const char *section, const TeacherConfig *teacher)
{
    const CompareConfig *c = &n->config->compare;
    if (use == USE_COMPARE && (c->rows != NULL || c->grid != NULL)) return;
    const bool classes = task_types[n->config->task.type]->answers_class;
    const char *why = teacher_is_named(teacher) ? "the task has no classes"
                                                : arena_printf(n->arena, "there is no %s.teacher", section);
    if (!teacher_is_named(teacher)) without_effect(n, arena_printf(n->arena, "%s.distillation.alpha", section), why);
    if (!teacher_is_named(teacher) || !classes)
        without_effect(n, arena_printf(n->arena, "%s.distillation.temperature", section), why);
}

static void of_sparsity(Notes *n)
{
    static const char *const keys[] = {"pattern", "begin", "end", "every", "except", NULL};
    for (int i = 0; keys[i] != NULL && n->config->train.sparsity.target <= 0.0; i++)
        without_effect(n, arena_printf(n->arena, "train.sparsity.%s", keys[i]), "train.sparsity.target is 0");
}

static void of_qat(Notes *n, ConfigUse use)
{
    of_another_training(n, "train.teacher", "quantization-aware training takes qat.teacher");
    of_another_training(n, "train.schedule", "quantization-aware training takes qat.schedule");
    if (use == USE_QAT) of_another_training(n, "train.epochs", "qat of a model takes qat.epochs");
    if (use == USE_QAT_SCRATCH) of_another_training(n, "qat.epochs", "qat from scratch takes train.epochs");
}

static void of_pixels(Notes *n)
{
    if (!n->config->renormalized || n->notes == MAX_NOTES) return;
    n->note[n->notes++] = "data.normalize: the model was trained with another normalisation than the one set";
}

static void replaced(Notes *n, const char *key, const char *by)
{
    const cJSON *value = given(n, key);
    if (value == NULL || n->notes == MAX_NOTES) return;
    n->note[n->notes++] = arena_printf(n->arena, "%s, %s, is replaced by %s", key, json_brief(n->arena, value), by);
}

/* Keys below `section` that belong to one kind; another is chosen. */
static void of_another(Notes *n, const char *section, const char *owner, const char *chosen, const char *const *keys)
{
    if (strcmp(owner, chosen) == 0) return;
    for (int i = 0; keys[i] != NULL; i++)
        without_effect(n, arena_printf(n->arena, "%s.%s", section, keys[i]),
                       arena_printf(n->arena, "%s.type is %s, not %s", section, chosen, owner));
}

static void of_schedule(Notes *n, const char *section, const ScheduleConfig *s)
{
    static const char *const cosine[] = {"final_scale", NULL}, *const step[] = {"milestones", "gamma", NULL};
    of_another(n, section, "cosine", schedule_names[s->type], cosine);
    of_another(n, section, "step", schedule_names[s->type], step);
}

static void of_optimizer(Notes *n)
{
    static const char *const sgd[] = {"momentum", "nesterov", NULL}, *const adamw[] = {"beta1", "beta2", "epsilon",
                                                                                       NULL};
    const char *chosen = optimizer_names[n->config->train.optimizer.type];
    of_another(n, "train.optimizer", "sgd", chosen, sgd);
    of_another(n, "train.optimizer", "adamw", chosen, adamw);
}

/* Keys of observers that nobody uses; compare may use them in its rows. */
static void of_observers(Notes *n, ConfigUse use)
{
    const QuantConfig *q = &n->config->quant;
    const char *weights = observer_choices[q->weights.observer], *outputs = observer_choices[q->activations.observer];
    if (strcmp(weights, "percentile") != 0)
        without_effect(n, "quant.weights.percentile",
                       arena_printf(n->arena, "quant.weights.observer is %s, not percentile", weights));
    if (use == USE_COMPARE) return;
    if (strcmp(outputs, "percentile") != 0)
        without_effect(n, "quant.activations.percentile",
                       arena_printf(n->arena, "quant.activations.observer is %s, not percentile", outputs));
    if (strcmp(outputs, "ema_minmax") != 0 && (use == USE_PTQ || q->activations.observer != 0))
        without_effect(n, "quant.activations.momentum",
                       arena_printf(n->arena, "quant.activations.observer is %s, not ema_minmax", outputs));
}

/* Whether a quantizer, by its choice, is given to layers: by its section, or by an override. */
static bool is_chosen(const QuantConfig *q, int choice)
{
    if (q->weights.quantizer == choice || q->activations.quantizer == choice) return true;
    const QuantOverride *o = q->overrides.at;
    for (int i = 0; i < q->overrides.n; i++)
        if (o[i].quantizer == choice || o[i].weight_quantizer == choice || o[i].activation_quantizer == choice)
            return true;
    return false;
}

/* Keys of quantizers that no layer has; rows of compare may have them by patches of their own. */
static void of_quantizers(Notes *n, ConfigUse use)
{
    static const char *const sections[] = {"quant.weights", "quant.activations"};
    const CompareConfig *c = &n->config->compare;
    if (use == USE_COMPARE && (c->rows != NULL || c->grid != NULL)) return;
    for (int i = 0; i < QUANTIZER_TYPES; i++) {
        const QuantizerType *type = quantizer_types[i];
        if (is_chosen(&n->config->quant, 1 + i)) continue;
        const char *why = arena_printf(n->arena, "no layer has the quantizer %s", type->name);
        for (const Field *f = type->fields; f != NULL && f->name != NULL; f++)
            for (int s = 0; s < 2; s++)
                without_effect(n, arena_printf(n->arena, "%s.%s.%s", sections[s], type->name, f->name), why);
    }
}

static void of_ptq(Notes *n)
{
    static const char *const keys[] = {"quant.weights.quantizer", "quant.activations.quantizer", NULL};
    for (int i = 0; keys[i] != NULL; i++) {
        const char *quantizer = cJSON_GetStringValue(given(n, keys[i]));
        const QuantizerType *type = quantizer == NULL ? NULL : quantizer_type(quantizer);
        if (type != NULL && type->learns && (i == 1 || type->uses != QUANTIZES_WEIGHTS))
            replaced(n, keys[i], "observed in post-training quantization, where nothing is learned");
    }
}

static void of_compare(Notes *n)
{
    const CompareConfig *c = &n->config->compare;
    const char *widths = c->progressive.n > 0 ? "the widths of the rows, compare.progressive"
                                              : "the widths of the rows, compare.ptq_bits and compare.qat_bits";
    if (c->ptq_bits.n == 0 && c->qat_bits.n == 0 && c->progressive.n == 0) return;
    replaced(n, "quant.weights.bits", widths);
    replaced(n, "quant.activations.bits", widths);
    if (c->ptq_bits.n == 0 && c->qat_bits.n == 0) return;
    replaced(n, "quant.first_last_bits", "compare.first_last_bits");
    replaced(n, "quant.weights.granularity", "compare.granularities in the ptq rows");
    replaced(n, "quant.activations.observer", "compare.observers in the ptq rows");
}

/* Of the file; the command line's are told by whoever reads it. */
static void of_old_keys(Notes *n)
{
    for (const OldKey *k = config_old_keys; k->section != NULL && n->notes < MAX_NOTES; k++) {
        const char *key = arena_printf(n->arena, "%s.%s", k->section, k->old);
        if (given(n, key) == NULL || find_key(n->config->assigned, key) != NULL) continue;
        const char *value = !k->was_rounding ? ""
                                             : arena_printf(n->arena, ": here quant.target is %s",
                                                            target_names[n->config->quant.target]);
        n->note[n->notes++] = arena_printf(n->arena, "%s is the old name of %s.%s%s", key, k->section, k->name, value);
    }
}

const char **config_notes(Arena *arena, const Config *config, ConfigUse use)
{
    Notes n = {.arena = arena, .config = config, .note = ARENA_ARRAY(arena, const char *, MAX_NOTES + 1)};
    of_old_keys(&n);
    if (use != USE_PTQ) of_optimizer(&n);
    if (use == USE_TRAIN || use == USE_COMPARE) of_schedule(&n, "train.schedule", &config->train.schedule);
    if (use == USE_QAT || use == USE_QAT_SCRATCH || use == USE_COMPARE)
        of_schedule(&n, "qat.schedule", &config->qat.schedule);
    if (use == USE_TRAIN || use == USE_COMPARE) of_teacher(&n, use, "train", &config->train.teacher);
    if (use == USE_QAT || use == USE_QAT_SCRATCH || use == USE_COMPARE)
        of_teacher(&n, use, "qat", &config->qat.teacher);
    if (use == USE_TRAIN) of_sparsity(&n);
    if (use != USE_TRAIN) of_observers(&n, use);
    if (use != USE_TRAIN) of_quantizers(&n, use);
    if (use == USE_QAT || use == USE_QAT_SCRATCH) of_qat(&n, use);
    if (use == USE_QAT || use == USE_PTQ) of_pixels(&n);
    if (use == USE_PTQ || use == USE_COMPARE) of_ptq(&n);
    if (use == USE_COMPARE) of_compare(&n);
    return n.note;
}
