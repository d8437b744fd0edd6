/* Tensors: a shape, values, and, when the values lie on a grid, their codes.
 *
 * Layouts, outermost dimension first: activations [N,H,W,C], convolution weights [O,KH,KW,C/groups], depthwise
 * [1,KH,KW,C*M], dense [O,I].
 */
#ifndef BITFOLD_AUTOGRAD_TENSOR_H
#define BITFOLD_AUTOGRAD_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/qparams.h"

enum { SHAPE_MAX_RANK = 4 };

typedef struct {
    int rank;
    int dim[SHAPE_MAX_RANK];
} Shape;

/* A scale and a shift per channel (the last axis) that are still to be applied; tables of autograd/norm.h. */
typedef struct {
    const float *scale, *shift;
    size_t period;
} DeferredNorm;

typedef struct Tensor {
    const char *name;
    Shape shape;
    float *x;              /* the values; NULL when only codes exist */
    int8_t *codes;         /* the values' codes; NULL when they lie on no grid, or on one of int16 */
    int16_t *wide;         /* the values' int16 codes, with the values in x; NULL otherwise */
    int32_t *sums;         /* int32 codes of the network's output, with the values in x; NULL otherwise */
    const QuantParams *qp; /* the grid of `codes` or `wide`; set together with them */
    const float *sign;     /* quantized weights only: channel c stands for sign[c] * scale * code; NULL: all 1 */
    const DeferredNorm
        *deferred_norm; /* the values are scale * x + shift; NULL: x itself.  For ops that say so alone */
    float *dx;          /* d loss / d x, made by the first consumer that writes to it */
    bool needs_grad;
    bool
        owned; /* x, codes, wide, sums and dx are buffers of the tape (autograd/tape.h), gone when nothing reads them */
    struct Tensor *before; /* the owned tensor that the tape made before this one */
} Tensor;

long shape_elements(Shape s);
bool shape_equal(Shape a, Shape b);
/* "[128,28,28,1]", for messages: shape_text(s).text. */
typedef struct {
    char text[SHAPE_MAX_RANK * sizeof "-2147483648" + sizeof "[]"];
} ShapeText;
ShapeText shape_text(Shape s);

static inline Shape shape_1(int a) { return (Shape){1, {a}}; }
static inline Shape shape_2(int a, int b) { return (Shape){2, {a, b}}; }
static inline Shape shape_4(int a, int b, int c, int d) { return (Shape){4, {a, b, c, d}}; }
static inline long tensor_elements(const Tensor *t) { return shape_elements(t->shape); }

/* The elements of a tensor by its channels, the first axis (outermost) or the last.  In memory they are `runs` runs of
 * `run` elements: a run has all elements of one channel, or one element of each channel. */
typedef struct {
    long n, runs, run;
    int channels;
    bool outermost;
} ChannelView;
ChannelView channel_view(Shape shape, bool outermost);
static inline long channel_at(const ChannelView *v, long i) { return v->outermost ? i / v->run : i % v->run; }
static inline long channel_elements(const ChannelView *v) { return v->n / v->channels; }

#endif
