/* A histogram of |x| that grows, and the searches for a clipping threshold on it.
 *
 * The first batch that is not all zero fixes the width: HISTOGRAM_BINS bins over [0, max|x|]; a later, larger value
 * appends bins of that same width.  Past HISTOGRAM_MAX_BINS, neighbours are merged and the width doubles, as often as
 * it takes.  Zeros seen before the width is known stay in bin 0.  Counts are integers: the result depends on the
 * batches and their order alone, not on threads.
 */
#ifndef BITFOLD_QUANT_HISTOGRAM_H
#define BITFOLD_QUANT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum { HISTOGRAM_BINS = 2048, HISTOGRAM_MAX_BINS = 16 * HISTOGRAM_BINS, HISTOGRAM_FIRST_CANDIDATE = 128 };

typedef struct {
    int bins; /* in use; 0 until the first batch */
    int capacity;
    double width;      /* of a bin; 0 while only zeros were seen */
    uint64_t *count;   /* [capacity]; bin j covers [j*width, (j+1)*width), the last one its upper edge too */
    uint32_t *partial; /* [PARALLEL_CHUNKS][capacity]: counts of one batch, per chunk */
} Histogram;

/* Counts |x[i]|, all finite and <= max; n < 2^36.  Parallel.  Allocates on the first call and when the bins outgrow the
 * capacity, which at least doubles then. */
void histogram_add(Histogram *h, Arena *arena, const float *x, size_t n, float max);

/* The searches.  Each returns a threshold T > 0 and needs width > 0.  Candidates are the bins i from
 * HISTOGRAM_FIRST_CANDIDATE on, every one up to HISTOGRAM_BINS bins and every ceil(bins / HISTOGRAM_BINS)-th (counted
 * from the last) in a histogram that has grown: 1/2048 of the range is as fine as a threshold needs to be.
 * Cost O(bins * HISTOGRAM_BINS): some 10 ms. */

/* T = i * width, i the first bin with count[0..i] >= percent/100 of all; at least one bin.  Cost O(bins). */
double histogram_percentile(const Histogram *h, double percent);

/* The threshold that loses least information (Migacz 2017, the TensorRT calibrator; pytorch-quantization's procedure):
 * bin 0 is replaced by bin 1 (a ReLU's zeros); for each i the first i bins, with everything beyond added to bin i-1,
 * are P; the same bins without that addition, averaged over the non-empty bins of each of `levels` equal intervals,
 * are Q; T = i * width where KL(P || Q) = sum P ln(P / Q) of the normalised two is least, the last such i (differences
 * below 1e-12 are ties).  i starts at `levels` where that is more than 128.  levels: 2^(bits-1) for |x| of a signed
 * tensor, 2^bits unsigned. */
double histogram_entropy(const Histogram *h, int levels);

/* T = the centre of the bin i that minimises sum_j count[j] (c_j - Q(c_j))^2 over bin centres c_j, the first such i;
 * Q(c) = s * min(rne(c / s), levels - 1), s = T / (levels - 1): `levels` codes 0 .. levels-1 of |x|, the last one on T
 * (127 steps for int8, 255 unsigned, 7 for signed 4 bit). */
double histogram_mse(const Histogram *h, int levels);

#endif
