/* How an op ends: an activation, then floats or a quantizer's codes.  op_fake_quant is nothing but a tail; a fused op
 * hands its values over block by block, while they lie in the first-level cache.
 *
 *     y = quant(act(z));   dz = dy where the gradient passes (GridPass, quant/fake_quant.h), else 0
 *
 * An activation here is a clamp to [0 or -inf, limit]: so the gradient passes on an interval of z, and the extremes
 * pass through it.  Another (hard-swish) is a lut node and an operation of its own.
 */
#ifndef BITFOLD_QUANT_TAIL_H
#define BITFOLD_QUANT_TAIL_H

#include "autograd/ops.h"
#include "base/parallel.h"
#include "quant/fake_quant.h"

typedef struct {
    Activation act;
    Quantizer *q; /* NULL: y holds floats */
    bool learn;   /* the observer sees act(z) */
    Tensor *y;
    PassQuantize grid;
    GridPass pass;
    float lo, hi; /* the gradient passes where lo <= z <= hi */
    PassExtremes seen[PARALLEL_CHUNKS];
    double step_sum[PARALLEL_CHUNKS]; /* of the learned step's gradient */
} Tail;

/* What is asked of it; q must have a range (grid_ready). */
typedef struct {
    Activation act;
    Quantizer *q; /* NULL: floats */
    bool learn;   /* means nothing for a learned step */
} TailConfig;

/* Makes y, of this shape; `name` is for floats, with a quantizer y has its name.
 * In what follows one thread at a time works on a chunk, and the calls of a chunk come in a fixed order. */
Tail *tail_make(Tape *t, const char *name, Shape shape, const TailConfig *config);
/* y[at .. at + n - 1] from z[n], in a chunk of the caller's. For floats z may be y's own memory. */
void tail_values(Tail *tail, int chunk, size_t at, size_t n, const float *z);
/* After all values: the observer learns.  False, and the tape failed, when a value was not finite. */
bool tail_done(Tape *t, Tail *tail);

/* Backward.  g = dz, which may be dy's memory. */
static inline void tail_gate(const Tail *tail, size_t n, const float *z, const float *dy, float *g)
{
    kernels()->pass_gate(n, tail->lo, tail->hi, z, dy, g);
}
/* The learned step's gradient: every value once, then the end, which adds it to the parameter's. */
static inline bool tail_learns(const Tail *tail) { return tail->q != NULL && tail->q->type->learns; }
void tail_step_add(Tail *tail, int chunk, size_t n, const float *z, const float *dy);
void tail_step_end(Tail *tail);

/* Values a caller hands over at once: they stay in the first-level cache.  The piece of the values [at, end) that
 * begins at `at`, where rows have `channels` of them: whole rows, or part of one that is longer than a piece. */
enum { TAIL_BLOCK = 2048 };
static inline size_t tail_piece(size_t channels, size_t at, size_t end)
{
    const size_t row = channels - at % channels;
    const size_t most = channels <= TAIL_BLOCK ? TAIL_BLOCK / channels * channels : row < TAIL_BLOCK ? row : TAIL_BLOCK;
    return end - at < most ? end - at : most;
}

#endif
