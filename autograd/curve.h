/* Curves: activation functions that are no clamp.  On grids one is a table with a code for each of its input's, which
 * is what every target computes; in floats its formula in double, rounded once. */
#ifndef BITFOLD_AUTOGRAD_CURVE_H
#define BITFOLD_AUTOGRAD_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/qparams.h"

typedef enum {
    CURVE_FREE,   /* of its values' own range */
    CURVE_CLOSED, /* from lo to hi, which it reaches: these are the grid's first and last code */
    CURVE_OPEN,   /* from lo to hi, which it does not reach: the codes cut the range into 2^bits steps, as TFLite's
                     LOGISTIC (1/256, -128) and TANH (1/128, 0) demand at 8 bits */
} CurveRange;

typedef struct {
    const char *name;
    const char *doc;           /* its formula, for people */
    const char *formula;       /* C99 of double x, which calls nothing but double_exp_less (double_exp_less.inc) */
    double (*value)(double x); /* finite for every finite x */
    double (*slope)(double x); /* its derivative; at a kink that of either side or between */
    /* y[i] = (float)value((double)x[i]), the same bits on every machine; y may be x. */
    void (*values)(size_t n, const float *x, float *y);
    CurveRange range;
    float lo, hi; /* unless it is free */
} CurveType;

#define CURVE(name, doc, y, slope, range) CURVE_INDEX_##name,
enum {
#include "autograd/curves.def"
    CURVES
};
#undef CURVE
extern const CurveType curve_types[CURVES]; /* in the order of curves.def */
extern const char *const curve_names[];     /* in the same order, NULL-ended */
int curve_index(const CurveType *curve);    /* in that order; -1: it is none of them */
bool curve_has_exp(const CurveType *curve); /* its formula calls double_exp_less */

/* The grid of a curve that is not free: qp->bits, is_signed (lo < 0), qmin and qmax are there; writes qp->scale[0] and
 * the zero point. */
void curve_grid(const CurveType *curve, QuantParams *qp);

/* v = y / s_y before rounding, and the curve's slope, of each code q of grid x: [q + 128]. */
typedef struct {
    float v[256], slope[256];
} CurveValues;
void curve_values(const CurveType *curve, const QuantParams *x, const QuantParams *y, CurveValues *out);

/* table[q + 128] = clamp(rne(curve(s_x (q - z_x)) / s_y) + z_y, qmin, qmax): s_x (q - z_x) in float32, the rest in
 * double.  In every rounding. */
void curve_table(const CurveType *curve, const QuantParams *x, const QuantParams *y, int8_t table[256]);

/* Which curve is this table on these grids; NULL: none.  steps: how near to a tie its values come, in steps of y, at
 * most 1/2; one that computes in float32 gives the same codes where they keep away. */
const CurveType *curve_of_table(const QuantParams *x, const QuantParams *y, const int8_t table[256], double *steps);

#endif
