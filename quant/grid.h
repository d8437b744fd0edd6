/* The grid that an operation ends on: its range, its clamp, where gradients pass, what learns.  For the operations that
 * put a tensor on a grid: quant/fake_quant.h, quant/epilogue.h, quant/int_ops.h.
 *
 * Order within a step: the tensor is quantized with the range known BEFORE the step, then the quantizer learns from
 * what it saw, so observing never needs a pass of its own.  The first range comes from calibration.
 */
#ifndef BITFOLD_QUANT_GRID_H
#define BITFOLD_QUANT_GRID_H

#include "autograd/tape.h"
#include "base/parallel.h"
#include "quant/quantizer_type.h"

/* Takes the range from the observer (end of calibration).  STATUS_STATE, naming the quantizer, if nothing was seen. */
Status quantizer_calibrated(Quantizer *q);

/* The activation that is fused into a quantizer: values are clamped to [0 or -inf, limit] first. */
typedef struct {
    bool relu;
    float limit; /* INFINITY, or 6 */
} Activation;
/* Its clamp on the grid: lo = zero point for ReLU, hi = min(qmax, z + rne(limit / scale)). */
void activation_clamp(const QuantParams *qp, Activation a, int *lo, int *hi);

/* Where its gradient passes. */
Gate gate_of(const QuantParams *qp, Activation a);

/* That the quantizer has a range (else the tape fails), its grid as of this step (its own moves on when it learns), its
 * first parameter as a leaf, by which the tape knows that a gradient is wanted (NULL: it has none). */
bool grid_ready(Tape *t, const Quantizer *q);
QuantParams *grid_copy(Tape *t, const Quantizer *q); /* as it is now */
QuantParams *grid_of_step(Tape *t, Quantizer *q);
Tensor *learned_leaf(Tape *t, const Quantizer *q);

/* The observer sees the extremes of a batch before the activation, and the grid follows. */
void quantizer_learn_extremes(Tape *t, Quantizer *q, float min, float max, Activation a);
/* Of the parameters' gradients: the sums of all chunks, in order, and the end (QuantizerType.finish). */
typedef double QuantizerSums[PARALLEL_CHUNKS][QUANTIZER_SUMS];
void quantizer_finish(Quantizer *q, const QuantizerRun *run, QuantizerSums sums);

/* What the integer ops keep for their backward pass: their values before rounding exist only block by block in the
 * forward pass.  Where the quantizer has parameters, or a `backward` of its own, the values themselves, v = y / scale;
 * else one byte, whether the gradient passes. */
typedef struct {
    Quantizer *q;
    long n;
    QuantizerRun run; /* on v: its scale is 1 */
    uint8_t *inside;
    float *v;
    QuantizerSums sums;
} GridBackward;
/* For y, which ends on q's grid; inside and v are NULL unless the tape records. */
void grid_make(Tape *t, GridBackward *g, Quantizer *q, const Tensor *y, Gate gate);
void grid_keep(Tape *t, const GridBackward *g, TapeNode *node);
static inline bool grid_kept(const GridBackward *g) { return g->inside != NULL || g->v != NULL; }
/* Forward: the elements [at, at + n) from v = y / scale before rounding. */
void grid_mark(const GridBackward *g, long at, long n, const float *v);
enum { GRID_BLOCK = 256 }; /* a handy n: v fits L1 */
/* Backward: dz = dy where the gradient passes (dz may be dy); every element once, then the end, which adds to the
 * parameters' gradients. */
void grid_gate(GridBackward *g, int chunk, long at, long n, const float *dy, float *dz);
void grid_gate_end(GridBackward *g);
void grid_gate_all(GridBackward *g, float *dy); /* all of it, in place */

#endif
