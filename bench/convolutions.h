/* A convolution, depthwise convolution or dense layer in each direction, in floats and in integers. */
#ifndef BITFOLD_BENCH_CONVOLUTIONS_H
#define BITFOLD_BENCH_CONVOLUTIONS_H

#include "bench/race.h"
#include "bench/shapes.h"

typedef enum { FORWARD, FORWARD_CODES, BACKWARD_DATA, BACKWARD_WEIGHTS, FORWARD_S8, DIRECTIONS } Direction;
extern const char *const direction_names[DIRECTIONS];

/* Memory for `threads` parts of `images` images each. */
typedef struct Convolution Convolution;
Convolution *convolution_make(Arena *arena, const BenchShape *shape, int threads, int images);
Race convolution_race(Convolution *c, Direction direction);

/* Additions and multiplications of all parts. */
double convolution_operations(const Convolution *c);

#endif
