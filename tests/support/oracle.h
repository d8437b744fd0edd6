/* Double-precision and exact-integer references, written as the definitions are: seven loops, no cleverness.
 *
 * Where a float kernel is compared, `magnitude` (NULL: not wanted) receives the sum of the absolute values of the
 * terms: a rounding error is a small multiple of FLT_EPSILON times that.
 */
#ifndef BITFOLD_TESTS_SUPPORT_ORACLE_H
#define BITFOLD_TESTS_SUPPORT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* The geometry with oh, ow filled in by the formula of kernels.h. */
ConvGeom oracle_geom(ConvGeom g);

size_t oracle_input_count(const ConvGeom *g, int images);  /* images*h*w*c */
size_t oracle_output_count(const ConvGeom *g, int images); /* images*oh*ow*o */
size_t oracle_weight_count(const ConvGeom *g);             /* o*kh*kw*c/groups */

/* Convolution, any groups; weights [O,KH,KW,C/groups], or [KH,KW,O] when `depthwise` (groups = c).  All outputs are
 * overwritten, not added to. */
void oracle_conv_forward(const ConvGeom *g, bool depthwise, int images, const float *x, const float *w, double *y,
                         double *magnitude);
void oracle_conv_backward_data(const ConvGeom *g, bool depthwise, int images, const float *dy, const float *w,
                               double *dx, double *magnitude);
void oracle_conv_backward_weights(const ConvGeom *g, bool depthwise, int images, const float *x, const float *dy,
                                  double *dw, double *magnitude);
void oracle_conv_s8(const ConvGeom *g, bool depthwise, int images, const int8_t *x, int zx, const int8_t *w,
                    int64_t *acc);

/* Pools over windows clipped to the image; argmax is the index in the image of the first largest, -1 for none. */
void oracle_maxpool(const ConvGeom *g, int images, const float *x, double *y, int32_t *argmax);
void oracle_avgpool(const ConvGeom *g, int images, const float *x, double *y, int *count);

/* The number of values outside want +- (tolerance * magnitude + tiny); prints the first. */
size_t oracle_differences(size_t n, const float *got, const double *want, const double *magnitude, double tolerance);

/* Values in [-1, 1) and codes in [-128, 127] from a seed. */
void oracle_fill(size_t n, uint64_t seed, float *x);
void oracle_fill_codes(size_t n, uint64_t seed, int8_t *q);

#endif
