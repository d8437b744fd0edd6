/* How an op ends: an activation, then floats or a quantizer's codes.  op_fake_quant is nothing but an epilogue; a fused
 * op hands its values over block by block, while they lie in the first-level cache.
 *
 *     y = quant(act(z));   dz = dy where the gradient passes (Gate, quant/quantizer_type.h), else 0
 *
 * An activation here is a clamp to [0 or -inf, limit]: so the gradient passes on an interval of z, and the extremes
 * pass through it.  Another (hard-swish) is a layer of its own after this one (op_curve_int).
 */
#ifndef BITFOLD_QUANT_EPILOGUE_H
#define BITFOLD_QUANT_EPILOGUE_H

#include "autograd/ops.h"
#include "base/parallel.h"
#include "quant/grid.h"

typedef struct {
    Activation act;
    Quantizer *q; /* NULL: y holds floats */
    bool learn;   /* the observer sees act(z) */
    Tensor *y;
    QuantizeGrid grid;
    float lo, hi; /* the gradient passes where lo <= z <= hi */
    Extremes seen[PARALLEL_CHUNKS];
    QuantizerRun run;   /* with a quantizer: its gate is where the gradient passes, in units of the scale */
    QuantizerSums sums; /* of the gradients of the quantizer's parameters */
} Epilogue;

/* What is asked of it; q must have a range (grid_ready). */
typedef struct {
    Activation act;
    Quantizer *q; /* NULL: floats */
    bool learn;   /* means nothing where the range is a parameter */
} EpilogueConfig;

/* Makes y, of this shape; `name` is for floats, with a quantizer y has its name.
 * In what follows one thread at a time works on a chunk, and the calls of a chunk come in a fixed order. */
Epilogue *epilogue_make(Tape *t, const char *name, Shape shape, const EpilogueConfig *config);
/* y[at .. at + n - 1] from z[n], in a chunk of the caller's. For floats z may be y's own memory. */
void epilogue_values(Epilogue *epilogue, int chunk, size_t at, size_t n, const float *z);
/* After all values: the observer learns.  False, and the tape failed, when a value was not finite. */
bool epilogue_done(Tape *t, Epilogue *epilogue);

/* Backward.  g = dz, which may be dy's memory. */
static inline void epilogue_gate(const Epilogue *epilogue, size_t n, const float *z, const float *dy, float *g)
{
    kernels()->gate(n, epilogue->lo, epilogue->hi, z, dy, g);
}
/* The same by the quantizer's own `backward` where it has one: for op_fake_quant, the only op that such a quantizer is
 * part of. */
void epilogue_backward(const Epilogue *epilogue, size_t n, const float *z, const float *dy, float *dz);
/* Whether op_conv_block and op_add_block compute the quantizer themselves. */
static inline bool epilogue_is_fused(const EpilogueConfig *config)
{
    return config->q == NULL || quantizer_is_fused(config->q);
}
/* The gradients of the quantizer's parameters: every value once, then the end, which adds to theirs. */
static inline bool epilogue_learns(const Epilogue *epilogue) { return epilogue->q != NULL && epilogue->q->params > 0; }
void epilogue_params_add(Epilogue *epilogue, int chunk, size_t n, const float *z, const float *dy);
void epilogue_params_end(Epilogue *epilogue);

/* Values a caller hands over at once: they stay in the first-level cache.  The piece of the values [at, end) that
 * begins at `at`, where rows have `channels` of them: whole rows, or part of one that is longer than a piece. */
enum { EPILOGUE_BLOCK = 2048 };
static inline size_t epilogue_piece(size_t channels, size_t at, size_t end)
{
    const size_t row = channels - at % channels;
    const size_t most = channels <= EPILOGUE_BLOCK ? EPILOGUE_BLOCK / channels * channels
                        : row < EPILOGUE_BLOCK     ? row
                                                   : EPILOGUE_BLOCK;
    return end - at < most ? end - at : most;
}

#endif
