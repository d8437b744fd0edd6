/* Observers estimate the range of a tensor from the values they see; quantizers decide what to do with it.
 *
 * Every observer keeps the running minimum and maximum; the histogram kinds (percentile, entropy, mse) also count into
 * a histogram (quant/histogram.h).  Counts are integers and min/max exact, so the result does not depend on threads.
 * The state of the other kinds is {batches, min, max}: a checkpoint saves and restores these three members.
 *
 * A new observer is one file, quant/observer_<name>.c, and one line in quant/observers.def.
 */
#ifndef BITFOLD_QUANT_OBSERVER_H
#define BITFOLD_QUANT_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "quant/histogram.h"

/* The grid that a range is wanted for: the searches of entropy and mse depend on it. */
typedef struct {
    int bits;
    bool is_signed;    /* false: values are >= 0, levels 2^bits; true: 2^(bits-1) levels of |x| */
    bool symmetric;    /* range is [-T, T] (signed) or [0, T] (unsigned); else [lo, hi] around 0 */
    double percentile; /* 99.99: share of |x| kept, percent */
} ObserverGoal;

struct ObserverType;
typedef struct {
    const struct ObserverType *type;
    Arena *arena;
    double momentum;  /* ema_minmax: the share of the new batch, 0.01 .. 1 */
    uint64_t batches; /* seen so far */
    float min, max;   /* running extremes, or their averages for ema_minmax */
    Histogram hist;
} Observer;

/* A kind of observer: constants.  One thread at a time calls these for one observer, outside parallel regions; they
 * cannot fail and keep no pointer. */
typedef struct ObserverType {
    const char *name, *doc; /* the name in the config; one sentence, no final period */
    bool uses_histogram;    /* observer_update also counts |x| into Observer.hist */
    /* Joins the finite extremes of one more batch to o->min and o->max, which the first batch has set; o->batches is
     * counted by the caller.  NULL: they become the least and the largest of all batches. */
    void (*update)(Observer *o, float min, float max);
    /* The range of real values that the grid should cover, *lo <= 0 <= *hi, both finite.  o has seen a batch, its
     * extremes are finite; with uses_histogram, o->hist may still be empty (width 0) if all values were 0 or only
     * extremes were seen (observer_update_extremes).  Never NULL. */
    void (*range)(const Observer *o, const ObserverGoal *goal, float *lo, float *hi);
} ObserverType;

#define OBSERVER(name) extern const ObserverType observer_##name;
#include "quant/observers.def"
#undef OBSERVER

extern const ObserverType *const observer_types[];   /* in the order of observers.def, NULL-ended */
const ObserverType *observer_type(const char *name); /* NULL if unknown */

/* An observer that has seen nothing.  The arena must outlive it; only histograms allocate from it, on their first batch
 * and when they outgrow their capacity. */
Observer observer_make(const ObserverType *type, Arena *arena, double momentum);

/* The least and the largest of n > 0 values.  Parallel inside, exact for any thread count.  STATUS_NUMERIC when one is
 * NaN or infinite. */
Status values_extremes(const float *x, size_t n, float *min, float *max);

/* One batch of n values; n = 0 changes nothing.  Parallel inside, exact for any thread count.  STATUS_NUMERIC when a
 * value is NaN or infinite; the observer is then unchanged. */
Status observer_update(Observer *o, const float *x, size_t n);

/* One batch whose extremes are already known (a fused pass observed them).  A histogram kind moves its extremes but not
 * its histogram: it keeps the threshold of the batches it saw whole. */
void observer_update_extremes(Observer *o, float min, float max);

/* The range [lo, hi] around 0 that the grid should cover.
 *   max         T = max|x|
 *   minmax      [min, max] of all batches, ema_minmax: v += momentum * (v_batch - v), the first batch sets v;
 *               unsigned: [0, max]
 *   percentile, entropy, mse   T by the search of quant/histogram.h, at most max|x|
 * A threshold gives [-T, T] (signed, symmetric; `max` always when signed), [max(min, -T), min(max, T)] (signed,
 * asymmetric) or [0, T] (unsigned).  STATUS_STATE when nothing was observed, STATUS_NUMERIC when the extremes are not
 * finite. */
Status observer_range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi);

/* ---- for quant/observer_<name>.c --------------------------------------------------------------------------------- */

/* max(|min|, |max|) */
float observer_max_magnitude(const Observer *o);

/* Levels of |x| on the goal's grid: 2^(bits-1) signed, 2^bits unsigned. */
int observer_levels(const ObserverGoal *goal);

/* The range for a threshold, by the rule above. */
void observer_clip(const Observer *o, const ObserverGoal *goal, double threshold, float *lo, float *hi);

/* [min, max] with 0, unsigned [0, max]: the range of minmax and ema_minmax. */
void observer_extremes(const Observer *o, const ObserverGoal *goal, float *lo, float *hi);

#endif
