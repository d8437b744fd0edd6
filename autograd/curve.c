#include "autograd/curve.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "autograd/double_exp_less.inc"

#define CURVE(name, doc, formula, derivative, range)                                                                   \
    static double value_##name(double x) { return formula; }                                                           \
    static void values_##name(size_t n, const float *x, float *y)                                                      \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++) y[i] = (float)value_##name((double)x[i]);                                       \
    }                                                                                                                  \
    static double slope_##name(double x)                                                                               \
    {                                                                                                                  \
        const double y = value_##name(x);                                                                              \
        (void)y;                                                                                                       \
        return derivative;                                                                                             \
    }
#include "autograd/curves.def"
#undef CURVE

#define FREE CURVE_FREE, 0, 0
#define CLOSED(lo, hi) CURVE_CLOSED, lo, hi
#define OPEN(lo, hi) CURVE_OPEN, lo, hi
#define CURVE(name, doc, formula, derivative, range)                                                                   \
    {#name, doc, #formula, value_##name, slope_##name, values_##name, range},
const CurveType curve_types[CURVES] = {
#include "autograd/curves.def"
};
#undef CURVE

#define CURVE(name, doc, formula, derivative, range) #name,
const char *const curve_names[] = {
#include "autograd/curves.def"
    NULL};
#undef CURVE

int curve_index(const CurveType *curve)
{
    for (int k = 0; k < CURVES; k++)
        if (curve == &curve_types[k]) return k;
    return -1;
}

bool curve_has_exp(const CurveType *curve) { return strstr(curve->formula, "double_exp_less") != NULL; }

void curve_grid(const CurveType *curve, QuantParams *qp)
{
    const float steps = curve->range == CURVE_OPEN ? (float)(1 << qp->bits) : (float)((1 << qp->bits) - 1);
    qp->scale[0] = (curve->hi - curve->lo) / steps;
    qp->zero_point = qp->is_signed ? 0 : qp->qmin;
}

/* x as the deployed grid has it. */
static double real_of(const QuantParams *x, int q) { return (double)(x->scale[0] * (float)(q - x->zero_point)); }

void curve_values(const CurveType *curve, const QuantParams *x, const QuantParams *y, CurveValues *out)
{
    for (int q = -128; q < 128; q++) {
        const double real = real_of(x, q);
        out->v[q + 128] = (float)(curve->value(real) / (double)y->scale[0]);
        out->slope[q + 128] = (float)curve->slope(real);
    }
}

/* In steps of y, within its codes; y's zero point taken off. */
static double steps_of(const CurveType *curve, const QuantParams *x, const QuantParams *y, int q)
{
    const double v = curve->value(real_of(x, q)) / (double)y->scale[0];
    return fmin(fmax(v, y->qmin - y->zero_point), y->qmax - y->zero_point);
}

void curve_table(const CurveType *curve, const QuantParams *x, const QuantParams *y, int8_t table[256])
{
    for (int q = -128; q < 128; q++) table[q + 128] = (int8_t)((int)rint(steps_of(curve, x, y, q)) + y->zero_point);
}

const CurveType *curve_of_table(const QuantParams *x, const QuantParams *y, const int8_t table[256], double *steps)
{
    for (int k = 0; k < CURVES; k++) {
        int8_t of_curve[256];
        curve_table(&curve_types[k], x, y, of_curve);
        if (memcmp(table, of_curve, sizeof of_curve) != 0) continue;
        *steps = 0.5;
        for (int q = x->qmin; q <= x->qmax; q++) {
            const double v = steps_of(&curve_types[k], x, y, q), off = fabs(fabs(v - rint(v)) - 0.5);
            *steps = fmin(*steps, off);
        }
        return &curve_types[k];
    }
    return NULL;
}
