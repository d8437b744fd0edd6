/* The convolutions, depthwise convolutions and dense layers of the networks in configs/, and a few larger ones. */
#ifndef BITFOLD_BENCH_SHAPES_H
#define BITFOLD_BENCH_SHAPES_H

#include "kernels/kernels.h"

typedef struct {
    const char *name;
    ConvGeom g;
    bool depthwise;
} BenchShape;

extern const BenchShape bench_shapes[];
extern const int bench_shape_count;

#endif
