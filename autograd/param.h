/* Parameters: all values one block, all gradients another, so that zeroing is a memset, an optimizer step a flat loop
 * and a checkpoint one write. */
#ifndef BITFOLD_AUTOGRAD_PARAM_H
#define BITFOLD_AUTOGRAD_PARAM_H

#include "autograd/tensor.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/status.h"

typedef enum {
    PARAM_WEIGHT,    /* convolution and dense weights */
    PARAM_BIAS,      /* biases */
    PARAM_NORM,      /* batch norm gamma and beta */
    PARAM_QUANTIZER, /* what a quantizer learns, such as a step size: moved as its rule says */
} ParamKind;

/* How the optimizer moves a PARAM_QUANTIZER, whose scale has nothing to do with the weights'. */
typedef struct {
    double decay;     /* weight decay, in place of the optimizer's */
    double lr_factor; /* on the learning rate */
    float least;      /* the smallest value: what a step would bring below it is this; -INFINITY: any */
} ParamRule;

typedef struct {
    const char *name; /* "conv1.weight" */
    ParamKind kind;
    Shape shape;
    size_t offset; /* of the first element in the set's blocks */
    long count;
    bool frozen;    /* it gets no gradient and no step */
    ParamRule rule; /* of PARAM_QUANTIZER */
    float *x, *dx;  /* set by param_set_place */
} Param;

enum { PARAM_SET_MAX = 4096 };
typedef struct {
    int n;
    Param *param[PARAM_SET_MAX];
    size_t count; /* floats in all; every parameter starts on a 64-byte boundary, the gaps are zero and stay zero */
    float *x, *dx;
} ParamSet;

/* Declares a parameter, which lives in the arena; its values exist after param_set_place.  NULL and STATUS_CONFIG's
 * sentence when the set is full, the name is taken, a length is below 1 or the total passes 2^60. */
Param *param_add(ParamSet *set, Arena *arena, const char *name, ParamKind kind, Shape shape);
/* Makes the blocks of values and gradients, all 0, and points each parameter into them; once, after the last param_add.
 * STATUS_NOMEM. */
Status param_set_place(ParamSet *set, Arena *arena);
void param_set_zero_grad(ParamSet *set);

/* He: normal with variance 2 / fan_in; Xavier: uniform in +-sqrt(6 / (fan_in + fan_out)).  RNG_INIT keyed by the seed
 * and a hash of the parameter's name, so adding a layer leaves the others' start as it was. */
typedef enum { INIT_HE, INIT_XAVIER } InitKind;
void param_init(Param *p, InitKind kind, long fan_in, long fan_out, uint64_t seed);
void param_fill(Param *p, float value);

#endif
