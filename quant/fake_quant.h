/* Quantizers: the nodes that put a tensor on its grid during training, and what they know.
 *
 * Order within a step: the tensor is quantized with the range known BEFORE the step, then the quantizer learns from
 * what it saw, so observing never needs a pass of its own.  The first range comes from calibration.
 */
#ifndef BITFOLD_QUANT_FAKE_QUANT_H
#define BITFOLD_QUANT_FAKE_QUANT_H

#include "autograd/param.h"
#include "autograd/tape.h"
#include "base/parallel.h"
#include "quant/observer.h"
#include "quant/quantizer.h"

struct QuantizerType;

/* What a configuration asks of one quantizer. */
typedef struct {
    int bits;
    bool per_channel;       /* weights only */
    bool narrow, symmetric; /* symmetric: activations; weights always are */
    const struct QuantizerType *type;
    const ObserverType *observer;
    double momentum, percentile;
} QuantizerSpec;

/* Weights as channels: element i belongs to channel i / per_channel (outermost) or i % channels (depthwise). */
typedef struct {
    const float *w;
    long n, per_channel;
    int channels;
    bool outermost;
} WeightView;
static inline long weight_channel(const WeightView *v, long i)
{
    return v->outermost ? i / v->per_channel : i % v->channels;
}

/* The weights that share a scale, in `values` (room for v->n); how many. */
size_t weight_gather(const WeightView *v, int scales, long scale, float *values);

typedef struct Quantizer {
    const char *name; /* "conv1.weight", "conv1.out", "input" */
    const struct QuantizerType *type;
    bool is_weight, symmetric;
    bool ready; /* a range is known */
    QuantParams qp;
    Observer observer;
    ObserverGoal goal;
    Param *step; /* learned steps [qp.n]; NULL for the types that learn none */
    float
        dead_range; /* of activations, what the grid spanned before its step was raised to a least one; 0: it was not */
} Quantizer;

/* Where the gradient of quant(act(x)) passes, in v = x / scale: lo <= v <= hi, before any rounding, with hi the
 * activation's limit itself where that lies on the grid.  Above hi the output is s * (hi + c), c the rounding
 * residual: d(y)/d(s) is the largest code where the grid ends, c where the activation does. */
typedef struct {
    float lo, hi, above; /* above: d(y)/d(s) there */
} Gate;

/* A way to choose the scale.  Adding one = one file + one line in quantizers.def. */
typedef struct QuantizerType {
    const char *name, *doc;
    bool learns; /* the scale is a parameter: gets a gradient, is kept in the parameter set */
    /* Sets the first scale from calibrated activations (lo, hi: the observer's range), or from weights. */
    void (*start)(Quantizer *q, float lo, float hi);
    void (*start_weights)(Quantizer *q, const WeightView *w);
    /* Before each use: brings qp up to date.  w is NULL for activations. */
    void (*refresh)(Quantizer *q, const WeightView *w);
    /* sum of dy * d(y)/d(step) over n values, v = z / step; p.above stands for those above p.hi.  NULL: nothing is
     * learned. */
    double (*step_gradient)(size_t n, const float *z, const float *dy, float step, Gate p);
} QuantizerType;
extern const QuantizerType *const quantizer_types[]; /* NULL-ended: observed, lsq */
const QuantizerType *quantizer_type(const char *name);

/* A quantizer for activations (`is_signed` false: what leaves a ReLU) or for weights of `channels` channels along axis
 * 0, or the last axis (depthwise).  A learned step is added to `params` when the type has one; NULL when
 * params refuses it. */
Quantizer *quantizer_create(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec,
                            bool is_signed);
Quantizer *quantizer_create_weights(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec,
                                    int channels, int axis);

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

/* y = dequant(quant(act(x))): y holds codes only.  Gradient: straight through where act(x) lies inside the grid before
 * rounding, 0 outside; the learned step's by the type's formula, scaled by 1 / sqrt(elements per image * largest code)
 * (Esser 2020, 1902.08153).  `learn`: the observer sees act(x) afterwards. */
Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn);

/* Weights: codes and values.  sign[c] < 0: the code stands for -scale (quant/int_ops.h tells why).  Straight through
 * inside. STATUS_NUMERIC when a weight is NaN or infinite. */
Tensor *op_fake_quant_weights(Tape *t, Tensor *w, Quantizer *q, const float *sign);

/* ---- for ops that end on a grid ---------------------------------------------------------------------------------- */

/* That the quantizer has a range (else the tape fails), its grid as of this step (its own moves on when it learns), its
 * learned step as a leaf (NULL if none). */
bool grid_ready(Tape *t, const Quantizer *q);
QuantParams *grid_of_step(Tape *t, Quantizer *q);
Tensor *step_leaf(Tape *t, const Quantizer *q);

/* The observer sees the extremes of a batch before the activation, and the grid follows. */
void quantizer_learn_extremes(Tape *t, Quantizer *q, float min, float max, Activation a);
/* The learned step's gradient from sum dy * d(y)/d(step), scaled by 1 / sqrt(elements per image * largest code). */
void quantizer_step_gradient(Quantizer *q, double sum, long per_image);

/* What the integer ops keep for their backward pass: their values before rounding exist only block by block in the
 * forward pass.  Where the step is learned the values themselves, v = y / scale; else one byte, whether the gradient
 * passes. */
typedef struct {
    Quantizer *q;
    long n, per_image;
    Gate pass;
    uint8_t *inside;
    float *v;
    double step_sum[PARALLEL_CHUNKS];
} GridBackward;
/* For y, which ends on q's grid; inside and v are NULL unless the tape records. */
void grid_make(Tape *t, GridBackward *g, Quantizer *q, const Tensor *y, Gate pass);
void grid_keep(Tape *t, const GridBackward *g, TapeNode *node);
static inline bool grid_kept(const GridBackward *g) { return g->inside != NULL || g->v != NULL; }
/* Forward: the elements [at, at + n) from v = y / scale before rounding. */
void grid_mark(const GridBackward *g, long at, long n, const float *v);
enum { GRID_BLOCK = 256 }; /* a handy n: v fits L1 */
/* Backward: dz = dy where the gradient passes (dz may be dy); every element once, then the end, which adds to the
 * step's gradient. */
void grid_gate(GridBackward *g, int chunk, long at, long n, const float *dy, float *dz);
void grid_gate_end(GridBackward *g);
void grid_gate_all(GridBackward *g, float *dy); /* all of it, in place */

#endif
