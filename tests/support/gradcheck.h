/* Gradient checks: what an op's backward says against central differences of its forward.
 *
 * The loss is sum(r * y) with random weights r, so an error in any output shows.  Differences are of fourth order:
 *   f'(x) ~ (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h,
 * whose step can be large enough for a forward in float32.  Inputs must keep 2h away from kinks.
 */
#ifndef BITFOLD_TESTS_SUPPORT_GRADCHECK_H
#define BITFOLD_TESTS_SUPPORT_GRADCHECK_H

#include "autograd/ops.h"

/* A tape with its arenas. */
typedef struct {
    Arena *owner, *step;
    Tape *tape;
} Bench;
Bench bench_make(void); /* recording */
void bench_end(Bench *b);

/* loss = sum r * y; y may be codes.  r must live as long as the tape's step. */
Tensor *weighted_sum(Tape *t, Tensor *y, const float *r);
/* The value of that loss, in double. */
double weighted_sum_value(Tape *t, const Tensor *y, const float *r);

/* The values or codes of y, for reading after backward, which releases y's own. */
Tensor *held(Tape *t, const Tensor *y);

/* A leaf of codes on the grid qp, with or without gradient: what an op that ends on a grid hands on. */
Tensor *leaf_codes(Tape *t, Shape shape, int8_t *codes, const QuantParams *qp, bool needs_grad);

/* Values in [-1, 1) from the tape's arena or any other; see oracle_fill. */
float *random_values(Arena *arena, long n, uint64_t seed);
float *copied_values(Arena *arena, const float *x, long n);
/* The same, scaled by `reach`, moved away from every multiple of `kink` by at least `margin`. */
float *values_off_kinks(Arena *arena, long n, uint64_t seed, float reach, float kink, float margin);
/* Distinct values, `gap` apart, in random order: no two maxima are near each other. */
float *distinct_values(Arena *arena, long n, uint64_t seed, float gap);

enum { GRADCHECK_INPUTS = 4 };
typedef struct {
    const char *name;
    int inputs;
    Shape shape[GRADCHECK_INPUTS];
    float *x[GRADCHECK_INPUTS];      /* changed during the check, and put back */
    bool constant[GRADCHECK_INPUTS]; /* gets no gradient: must stay so */
    Tensor *(*graph)(Tape *t, Tensor *const *in, void *context);
    void *context;
    int samples;      /* elements checked of each input; 0: all */
    float h;          /* 0: 2^-5 */
    double tolerance; /* of the largest gradient of the input; 0: 1e-3 */
} GradCheck;

/* The number of elements that disagree; prints the first of each input. */
int gradcheck(const GradCheck *c);

#endif
