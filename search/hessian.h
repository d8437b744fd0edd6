/* Second derivatives of a loss without the matrix H of them.  Traces and eigenvalues are made of products
 *
 *     H v = (g(x + e v) - g(x - e v)) / 2e,     e = 1e-3 |x| / |v|,
 *
 * central differences of the gradient g (|x| over the parameters that v moves).  The error is of the order of e^2 times
 * the fourth derivative, and where the path from x - e v to x + e v crosses a kink (ReLU) the jump of the gradient there
 * counts in proportion to how far it is crossed.
 */
#ifndef BITFOLD_SEARCH_HESSIAN_H
#define BITFOLD_SEARCH_HESSIAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* A loss as a function of n parameters. */
typedef struct {
    long n;
    float *x; /* [n] where it is looked at; moved by the functions below, and the same bits again when they return */
    /* g[n] = its gradient at x.  Equal x: equal bits. */
    Status (*gradient)(void *context, double *g);
    Status (*value)(void *context, double *value); /* of the loss itself */
    void *context;
} LossSurface;

/* Parameters first .. first + count - 1: those of one layer. */
typedef struct {
    long first, count;
} ParamBlock;

/* product[n] = H v, for v[n] of doubles that are not all 0. */
Status hessian_product(const LossSurface *loss, const double *v, double *product);

/* *form = L(x + v) + L(x - v) - 2 L(x): v' H v with H as it is between x - v and x + v, a mean that weighs most at x and
 * falls in proportion to nothing at the ends; exact where L is a quadratic.  Half of it is what the loss changes by when x
 * moves by v, without the part that changes its sign with v.  Continuous in v also where L has kinks, which differences of
 * gradients are not.  0 for v = 0.  Three evaluations of L. */
Status hessian_form(const LossSurface *loss, const double *v, double *form);

typedef struct {
    double mean;  /* of the draws: the estimate */
    double error; /* its standard error; 0 of one draw */
    int draws;
} TraceEstimate;

/* The traces of the diagonal blocks of H, by Hutchinson's estimator: E[v_b' (H v)_b] over v of +1 and -1 drawn by the seed.
 * One product serves all blocks, so that the blocks beside the diagonal add to the standard error and not to the mean.
 * Stops after `least` draws or more when every standard error is below `tolerance` of the largest trace, or at `most`. */
Status hessian_traces(const LossSurface *loss, const ParamBlock *block, int blocks, uint64_t seed, int least, int most,
                      double tolerance, TraceEstimate *trace);

typedef struct {
    double value;   /* of largest size, with its sign */
    int iterations; /* products made */
    bool converged;
} EigenEstimate;

/* The eigenvalue of largest size of one diagonal block of H, by power iteration from a start drawn by the seed, until the
 * Rayleigh quotient changes by less than `tolerance` of itself, or for `most` products. */
Status hessian_eigenvalue(const LossSurface *loss, ParamBlock block, uint64_t seed, int most, double tolerance,
                          EigenEstimate *largest);

#endif
