/* What samples are to give: a class each, a vector of real numbers each, a row of bytes each, or points in the
 * picture. */
#ifndef BITFOLD_TASKS_TARGET_H
#define BITFOLD_TASKS_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* TARGET_TOKENS: a byte each for several positions, as `value`. */
typedef enum { TARGET_CLASS, TARGET_VALUES, TARGET_TOKENS, TARGET_POINTS } TargetKind;

/* What is known of a point: its column and row in pixels of the network's input, whose first pixel has its centre at 0,
 * NAN where they are not known; and whether it is visible, 1 or 0. */
enum { POINT_X, POINT_Y, POINT_VISIBLE, POINT_FLOATS };

/* The targets of n samples, in their order.  One of label and value is NULL. */
typedef struct {
    int width;            /* numbers in each vector; of classes 0 */
    int points;           /* in each picture: width is POINT_FLOATS for each; else 0 */
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
static inline Targets targets_points(int points, const float *value)
{
    return (Targets){.width = POINT_FLOATS * points, .points = points, .value = value};
}

/* Those of the samples from `first` on. */
static inline Targets targets_from(Targets t, int first)
{
    if (t.width == 0 && t.other != NULL)
        return (Targets){.label = t.label + first, .other = t.other + first, .share = t.share + first};
    if (t.width == 0) return targets_classes(t.label + first);
    t.value += (size_t)first * (size_t)t.width;
    t.teacher = NULL;
    return t;
}

/* Bytes of one sample's target, and where those of all lie, one after the other. */
size_t target_bytes(Targets t);
static inline const void *targets_memory(Targets t) { return t.width == 0 ? (const void *)t.label : t.value; }

/* Targets of the same kind as t's in `room`, target_bytes for each, to be filled by target_copy. */
Targets targets_in(Targets t, void *room);

/* Sample j of `to`, made by targets_in, becomes sample i of `from`, which is not mixed. */
void target_copy(Targets from, int i, Targets to, int j);

/* The name of a point by that of its first output: "nose" of "nose_x". */
char *point_name(Arena *arena, const char *output);

#endif
