/* Kernels that are bound by memory: pools, and passes over the elements. */
#ifndef BITFOLD_BENCH_PASSES_H
#define BITFOLD_BENCH_PASSES_H

#include "bench/race.h"

typedef struct Passes Passes;
extern const int pass_count;

/* Activations of 32x32x16, as many as `bytes` bytes of floats hold, in `threads` parts. */
Passes *passes_make(Arena *arena, int threads, size_t bytes);
const char *pass_name(int pass);
Race pass_race(Passes *p, int pass);
double pass_bytes(const Passes *p, int pass); /* read and written by all parts */

#endif
