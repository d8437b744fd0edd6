/* Observers estimate a range from what passes by; they decide nothing.
 *
 * Every observer keeps the running minimum and maximum; the histogram kinds (percentile, entropy, mse) also count into
 * a histogram that grows by appending bins of the first batch's width.  Counts are integers and min/max exact, so the
 * result does not depend on threads.
 */
#ifndef BITFOLD_QUANT_OBSERVER_H
#define BITFOLD_QUANT_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* What the threshold is for: the KL and MSE searches need the grid. */
typedef struct {
    int bits;
    bool is_signed;   /* false: values are >= 0, levels 2^bits; true: 2^(bits-1) levels of |x|  */
    bool symmetric;   /* range is [-T, T] (signed) or [0, T] (unsigned); else [lo, hi] around 0 */
    double percentile; /* 99.99: share of |x| kept, percent */
} ObserverGoal;

typedef struct {
    int bins;          /* in use */
    int capacity;
    double width;      /* of a bin; 0 until the first batch */
    uint64_t *count;   /* of |x|; bin j covers [j*width, (j+1)*width) */
} Histogram;

struct ObserverType;
typedef struct {
    const struct ObserverType *type;
    Arena *arena;
    double momentum;   /* ema_minmax: the share of the new batch, 0.01 .. 1 */
    uint64_t batches;  /* seen so far */
    float min, max;    /* running extremes, or their averages for ema_minmax */
    Histogram hist;
} Observer;

typedef struct ObserverType {
    const char *name, *doc;
    bool uses_histogram;
    void (*update)(Observer *o, float min, float max); /* extremes of one batch; NULL: plain running extremes */
    /* The range of real values the grid should cover, lo <= 0 <= hi.  Called only with batches > 0. */
    void (*range)(const Observer *o, const ObserverGoal *goal, float *lo, float *hi);
} ObserverType;

/* max, minmax, ema_minmax, percentile, entropy, mse (observers.def). `max` is symmetric: T = max|x|. */
extern const ObserverType *const observer_types[]; /* NULL-ended */
const ObserverType *observer_type(const char *name); /* NULL if unknown */

Observer observer_make(const ObserverType *type, Arena *arena, double momentum);

/* One batch of n values (or of codes: real = scale * (q - zero_point)).  Parallel inside, exact for any thread count.
 * STATUS_NUMERIC when a value is NaN or infinite. */
Status observer_update(Observer *o, const float *x, size_t n);

/* One batch whose extremes are already known (a fused pass observed them). */
void observer_update_extremes(Observer *o, float min, float max);

/* STATUS_STATE when nothing was observed. */
Status observer_range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi);

/* The searches on a histogram of |x|, for the golden vectors and the report; each returns T > 0. */
double histogram_percentile(const Histogram *h, double percent);
double histogram_entropy(const Histogram *h, int levels); /* ALGORITHMS 6.5: 2048 start bins, from bin 128, last minimum */
double histogram_mse(const Histogram *h, int levels);     /* minimise sum h_j (c_j - Q(c_j))^2 over bin centres, from bin 128 */

#endif
