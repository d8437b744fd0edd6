/* Observers estimate a range from what passes by; they decide nothing.
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

/* What the threshold is for: the KL and MSE searches need the grid. */
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

typedef struct ObserverType {
    const char *name, *doc;
    bool uses_histogram;
    void (*update)(Observer *o, float min, float max); /* extremes of one batch; NULL: plain running extremes */
    /* The range of real values the grid should cover, lo <= 0 <= hi.  Called only with batches > 0. */
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
 * A threshold gives [-T, T] (signed, symmetric; `max` always when signed), [max(min, -T), min(max, T)] (signed, asymmetric)
 * or [0, T] (unsigned).  STATUS_STATE when nothing was observed, STATUS_NUMERIC when the extremes are not finite. */
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
