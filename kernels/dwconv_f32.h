/* What whoever computes depthwise convolutions of floats to the same bits has to know. */
#ifndef BITFOLD_KERNELS_DWCONV_F32_H
#define BITFOLD_KERNELS_DWCONV_F32_H

#include "kernels/kernels.h"

/* The order in which dwconv_f32_forward adds the cells of a window: column after column, or else row after row. */
bool dwconv_f32_by_columns(const ConvGeom *g);

#endif
