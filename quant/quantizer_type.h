/* Quantizers as objects: how a tensor is brought to its grid in training, and what of that is learned.
 *
 * An object is for one tensor, the weights or the output of one layer; its type may be for weights, activations or
 * both. Its type is a file, quant/quantizer_<name>.c, and a line in quant/quantizers.def.  What leaves a quantizer are
 * codes of its grid (`qp`): the deployed model knows nothing else.
 *
 * A type that rounds to the nearest code of the grid and whose gradient in the input is 0 or 1 leaves `quantize` and
 * `backward` NULL: it is fused into the operations that end on a grid.  Any other takes the plain path, where the
 * operation is composed of separate ones (op_fake_quant after it); what it computes is the same.
 *
 * Order of the calls: create, while the model is built; start, once the first values are known; then in each step
 * prepare and quantize in the forward pass; in the backward pass backward_params and backward, in chunks of the values
 * and in either order, and finish after the last backward_params of a run.  The optimizer moves the parameters after
 * that, and the next prepare reads them.  An evaluation calls prepare and quantize alone.  Only quantize, backward and
 * backward_params are called from inside a parallel region, and only they may be called for one object by several
 * threads at a time. No callback keeps a pointer it was given, none can fail but create, and none allocates but create
 * and start (temporaries in an arena of its own).
 */
#ifndef BITFOLD_QUANT_QUANTIZER_TYPE_H
#define BITFOLD_QUANT_QUANTIZER_TYPE_H

#include "autograd/param.h"
#include "base/field.h"
#include "quant/gradient_quant.h"
#include "quant/observer.h"
#include "quant/quantizer.h"

struct QuantizerType;
struct Oscillation;

/* What a quantizer may be used for. */
typedef enum {
    QUANTIZES_WEIGHTS = 1,
    QUANTIZES_UNSIGNED = 2, /* activations that are never below 0: what leaves a ReLU */
    QUANTIZES_SIGNED = 4,   /* activations of both signs */
    QUANTIZES_ALL = 7
} QuantizerUse;

/* What a configuration asks of one quantizer. */
typedef struct {
    int bits;
    bool per_channel;       /* weights only */
    bool narrow, symmetric; /* symmetric: activations */
    bool affine;            /* weights: with a zero point for each scale */
    int group;              /* weights: per_channel, and a scale for so many consecutive ones of it; 0: for all */
    const struct QuantizerType *type;
    const void *keys;      /* the type's own (QuantizerType.fields), copied; NULL: their defaults */
    const cJSON *own_keys; /* some of them, which take the place of those; NULL: none */
    const ObserverType *observer;
    double momentum, percentile;
} QuantizerSpec;

/* Weights, and which of their axes the channels are: the first, of depthwise layers the last. */
typedef struct {
    const float *w;
    ChannelView by;
    const float *sign; /* of each channel: what is quantized is sign * w (quant/int_ops.h tells why); NULL: w */
} WeightView;

/* Weight i times the sign of its channel: what its quantizer gets. */
static inline float weight_signed(const WeightView *v, long i)
{
    return v->sign != NULL && v->sign[channel_at(&v->by, i)] < 0.0f ? -v->w[i] : v->w[i];
}

/* Weights whose grid has zero points, or a scale for each group: which scale weight i has. */
long weight_scale_at(const QuantParams *qp, const ChannelView *by, long i);

/* Copies the weights that share scale number `scale` of the grid, in their order and without the sign, into `values`,
 * which has room for all weights; returns how many they are. */
size_t weight_gather(const WeightView *v, const QuantParams *qp, long scale, float *values);

/* largest[c] = the largest magnitude of the weights that share scale c of `scales`, one or one for each channel. */
void weight_largest(const WeightView *v, int scales, float *largest);

/* QUANTIZER_SUMS: the numbers that backward_params may add to, for all parameters of one scale together. */
enum { QUANTIZER_PARAMS = 16, QUANTIZER_SUMS = 16, QUANTIZER_KEYS_BYTES = 64 };
typedef struct Quantizer {
    const char *name; /* "conv1.weight", "conv1.out" */
    const struct QuantizerType *type;
    const void *keys; /* the type's own config keys; NULL: it has none */
    void *state;      /* the type's own memory between steps; not kept in a checkpoint */
    bool is_weight, symmetric;
    bool in_floats;  /* weights: of a layer that computes in floats */
    bool ready;      /* a range is known */
    double progress; /* 0 to 1: how much of the training is done, as of the step that comes */
    /* The grid stays: of activations it is given, whatever an observer or a neighbour says; of weights the codes were
     * chosen on it, and the weights are what these stand for. */
    bool fixed;
    QuantParams qp;
    Observer observer;
    ObserverGoal goal;
    int params;
    Param *param[QUANTIZER_PARAMS]; /* its own, in the order in which `create` added them */
    GradientQuant gradient; /* of weights: bits of the gradients of what the layer sums; the key is the trainer's */
    /* Of weights in their order, codes that stay whatever the weights are, or OSCILLATION_FREE; what training knows of
     * their oscillation (quant/oscillation.h).  NULL: none. */
    int8_t *frozen_codes;
    struct Oscillation *oscillation;
    /* Of activations, what the grid spanned before its step was raised to a least one; 0: it was not. */
    float dead_range;
} Quantizer;

/* Where the gradient of quant(act(x)) passes, in v = x / scale: lo <= v <= hi, before any rounding, with hi the
 * activation's limit itself where that lies on the grid.  Above hi the output is s * (hi + c), c the rounding
 * residual: d(y)/d(s) is the largest code where the grid ends, c where the activation does. */
typedef struct {
    float lo, hi, above; /* above: d(y)/d(s) there */
} Gate;

/* Values that share a scale: an activation tensor, the weights of one channel, or all of a layer's.  A callback may
 * get them in several calls, in pieces and by several threads at once; x is in units of `scale`, which for activations
 * need not be the grid's own: of x, only v = x / scale means something there.  Activations come as they are before the
 * activation function, whose clamp is in the gate. */
typedef struct {
    float scale; /* > 0 */
    int channel; /* index of the scale in qp->scale and in a parameter of one value for each */
    Gate gate;   /* in units of `scale` */
    long count;  /* how many values share the scale; of activations, those of one image */
    /* For `surrogate` alone: -1 or 1, the sign of dy at its x; the x of which it has the residual. */
    double dy_sign, place;
} QuantizerRun;

/* What the first scale is made from: the weights, or, of activations, the observer's range lo <= 0 <= hi. */
typedef struct {
    const WeightView *weights; /* NULL: activations */
    float lo, hi;
} QuantizerStart;

typedef struct QuantizerType {
    const char *name, *doc;
    unsigned uses; /* QuantizerUse, or-ed; another use is refused with the layer's name when the model is built */
    int least_bits, most_bits; /* the widths that it can have; others are refused likewise.  0: 2, 8 (and 16) */
    bool learns;         /* once it has started, its range follows from its parameters and no longer from an observer */
    bool moves_levels;   /* levels of weights are trained: a code is not the same weight in every step */
    bool centred;        /* its grids have no offset: zero point 0, or qmin of an unsigned grid */
    bool affine, groups; /* it can give weights zero points (Quantizer.qp.zero); a scale for each group of them */

    /* Its own config keys, also as quantizer_<name>_fields: an object named after the type in quant.weights,
     * quant.activations or both, as a line in quantizer_keys.def says.  NULL: none. */
    const Field *fields;
    size_t config_bytes; /* of the struct that they fill; at most QUANTIZER_KEYS_BYTES */

    /* Adds its own parameters with quantizer_param, and its state from the arena, both of which live as long as the
     * model; q->qp has bits, code range and number of scales, and q->keys is filled.  A type for weights may change
     * bits, range and levels: `bits` of the config need not be those of its codes.  Values do not exist yet: `start`
     * sets them.  False when a parameter was refused, with the sentence that quantizer_param left.  NULL: it has
     * none. */
    bool (*create)(Quantizer *q, ParamSet *params, Arena *arena);

    /* Sets qp->scale, for activations qp->zero_point, the parameters, and `ready`.  Called before the first step, and
     * again whenever an observer has a new range; then a type that `learns` leaves all as it is.  Never NULL. */
    void (*start)(Quantizer *q, const QuantizerStart *from);

    /* Before each use: brings qp up to date with the parameters.  w: the weights of this step, NULL for activations
     * and where a model is only lowered.  Every scale it leaves is finite and above 0.  Never NULL. */
    void (*prepare)(Quantizer *q, const WeightView *w);

    /* qp->scale[0] and qp->zero_point of activations that were ready have been set from outside: makes the parameters
     * what gives them.  NULL: it has no parameters. */
    void (*adopt)(Quantizer *q);

    /* x[n] -> codes[n], qmin to qmax of q->qp.  x is finite; codes do not overlap it.  Weights only: activations are
     * rounded by the deployed operation itself, to the nearest code (quantize_value), or 1 where x >= 0 and -1 elsewhere
     * if these are its codes (grid_is_signs).  NULL: the nearest code. */
    void (*quantize)(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes);

    /* dx[n] = dy[n] * d(y)/d(x); it overwrites what dx held.  dx may be dy itself; x overlaps neither.  NULL: dy where
     * run->gate.lo <= x / scale <= run->gate.hi, 0 elsewhere. */
    void (*backward)(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx);

    /* sum[0 .. QUANTIZER_SUMS) += what this piece of n values adds to the sums that `finish` makes the parameters'
     * gradients of; what each sum is for is the type's own affair.  The sums of each chunk start at 0 and are joined in
     * the order of the chunks.  x and dy are only read.  NULL: it has no parameters. */
    void (*backward_params)(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            double *sum);
    /* sum += what d(loss)/d(run->scale) = d_scale adds to those sums: of weights whose codes stay.  NULL: no parameter
     * moves the scale. */
    void (*backward_scale)(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum);
    /* After all pieces of a run: adds the gradients that follow from the sums to Param.dx of each of q->param, at
     * element run->channel of one that has a value for each scale, with the scaling that the method prescribes.  NULL:
     * it has no parameters. */
    void (*finish)(Quantizer *q, const QuantizerRun *run, const double *sum);

    /* The function whose derivatives `backward` and `backward_params` give: y of one x, smooth but for kinks at the
     * gate's bounds, with the rounding residual frozen.  `param` are the values of this run's parameters, one for each
     * of q->param; `residual` is in steps of run->scale, which stays what it was; with the residual that the test took
     * the surrogate equals the code.  An activation function has been applied to x.  Of an estimator that looks at the
     * sign of dy (run->dy_sign, run->place) it is the function whose derivatives those are where dy has it.  Only tests call it.
     * Never NULL. */
    double (*surrogate)(const Quantizer *q, const QuantizerRun *run, const double *param, double residual, double x);
    /* The factor by which `finish` multiplies the surrogate's gradient in parameter k.  NULL: 1.  Only tests call
     * it. */
    double (*gradient_scale)(const Quantizer *q, const QuantizerRun *run, int k);
} QuantizerType;

extern const QuantizerType *const quantizer_types[]; /* in the order of quantizers.def, NULL-ended */
const QuantizerType *quantizer_type(const char *name);
bool quantizer_takes(const QuantizerType *type, int bits); /* that it can have so many bits */

/* Whether codes are -1 and 1, of a signed grid of 1 bit: around the zero point 0, which is none of them but what pads
 * them. */
static inline bool grid_is_signs(const QuantParams *qp) { return qp->bits == 1 && qp->qmin == -1 && qp->qmax == 1; }

/* Whether outputs of this type and width are. */
static inline bool quantizer_gives_signs(const QuantizerType *type, int bits)
{
    return bits == QUANT_LEAST_BITS && (type->uses & QUANTIZES_SIGNED) != 0 && type->most_bits == QUANT_LEAST_BITS;
}

/* Whether the fused operations compute it: the nearest code, a gradient of 0 or 1. */
static inline bool quantizer_is_fused(const Quantizer *q) { return q->type->backward == NULL; }

/* The tensor that a quantizer is for. */
typedef struct {
    bool is_weight;
    bool is_signed; /* activations: false for what leaves a ReLU */
    int channels;   /* weights: how many outputs they have */
    int axis;       /* weights: of their shape, the axis that the outputs run along: 0, or the last one (depthwise) */
    int inputs;     /* weights: how many each output has; 0: no matter, they have no groups */
    bool in_floats; /* weights: their layer computes in floats, where any scales will do */
} QuantizedTensor;

/* A quantizer of the kind that `spec` asks for, with its parameters in `params`.  NULL when params refuses one, or when
 * the type is not for such a tensor (STATUS_CONFIG's sentence, without the layer's name). */
Quantizer *quantizer_create(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec,
                            QuantizedTensor tensor);

/* For `create`: a parameter "<q's name>.<suffix>" of this many values, the next of q->param; NULL when it is
 * refused. */
Param *quantizer_param(Quantizer *q, ParamSet *params, Arena *arena, const char *suffix, int values, ParamRule rule);

/* The first range of activations, lo <= 0 <= hi. */
void quantizer_start(Quantizer *q, float lo, float hi);

/* Sets the scale of activations, which are ready, from outside, and the parameters with it. */
void quantizer_set_scale(Quantizer *q, float scale);

#endif
