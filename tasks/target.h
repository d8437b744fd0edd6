/* What samples are to give: a class each, a vector of real numbers each, or a row of bytes each. */
#ifndef BITFOLD_TASKS_TARGET_H
#define BITFOLD_TASKS_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* TARGET_TOKENS: a byte each for several positions, as `value`. */
typedef enum { TARGET_CLASS, TARGET_VALUES, TARGET_TOKENS } TargetKind;

/* The targets of n samples, in their order.  One of label and value is NULL. */
typedef struct {
    int width;            /* numbers in each vector; of classes 0 */
    const int32_t *label; /* [n] of 0 .. classes - 1 */
    const float *value;   /* [n, width] */
    const int32_t *other; /* [n] of mixed images (datasets/mix.h) the other one's class; NULL: none are mixed */
    const float *share;   /* [n] 0 to 1: of label's class; the rest is other's */
    const float *teacher; /* [n, outputs] what another network answers to these samples; NULL: nobody is asked */
} Targets;

static inline Targets targets_classes(const int32_t *label) { return (Targets){.label = label}; }
static inline Targets targets_values(int width, const float *value)
{
    return (Targets){.width = width, .value = value};
}

/* Those of the samples from `first` on. */
static inline Targets targets_from(Targets t, int first)
{
    if (t.width == 0 && t.other != NULL)
        return (Targets){.label = t.label + first, .other = t.other + first, .share = t.share + first};
    if (t.width == 0) return targets_classes(t.label + first);
    return targets_values(t.width, t.value + (size_t)first * (size_t)t.width);
}

/* Bytes of one sample's target, and where those of all lie, one after the other. */
size_t target_bytes(Targets t);
static inline const void *targets_memory(Targets t) { return t.width == 0 ? (const void *)t.label : t.value; }

/* Targets of the same kind as t's in `room`, target_bytes for each, to be filled by target_copy. */
Targets targets_in(Targets t, void *room);

/* Sample j of `to`, made by targets_in, becomes sample i of `from`, which is not mixed. */
void target_copy(Targets from, int i, Targets to, int j);

#endif
