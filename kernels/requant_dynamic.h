/* Grids that are found at run time, one for each image: dynamic quantization. */
#ifndef BITFOLD_KERNELS_REQUANT_DYNAMIC_H
#define BITFOLD_KERNELS_REQUANT_DYNAMIC_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

enum { DYNAMIC_BITS = 8 };

/* The grid of a range, as ONNX's DynamicQuantizeLinear finds it; its codes are uint8, these are the same less 128:
 *   scale = (max(hi, 0) - min(lo, 0)) / 255,  zero point = rne(clip(0 - min(lo, 0) / scale, 0, 255)) - 128
 * each operation in float32, rne half to even.  lo <= hi.  A scale that is 0 becomes 1, as in ONNX Runtime: the range is
 * 0, or so small that float32 has no scale for it.  Of a range that is not finite the scale is infinite. */
QuantizeGrid dynamic_grid(float lo, float hi);

/* codes[n] = x on the grid of its own range, q = clip(rne(x / scale) + zero point); returns the grid.  n > 0.  Values that
 * are not finite make the scale infinite. */
QuantizeGrid dynamic_quantize(size_t n, const float *x, int8_t *codes);

#endif
