/* A piece of work for each thread, timed together, after its result agreed with that of the reference variant. */
#ifndef BITFOLD_BENCH_RACE_H
#define BITFOLD_BENCH_RACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

typedef struct {
    int threads;
    void (*prepare)(void *context);       /* for the variant just selected: packs weights; or NULL */
    void (*run)(void *context, int part); /* part 0 .. threads-1 */
    void *context;
    void *out; /* what all parts together write; 0 when a run begins */
    size_t out_bytes;
    bool exact; /* bytes must agree; otherwise floats, up to rounding */
} Race;

/* The variant `isa` against ref. */
bool race_agrees(Arena *arena, const Race *r, const char *isa);
/* Median seconds of a run. */
double race_seconds(const Race *r);

/* Random values. */
float *random_floats(Arena *arena, size_t n, unsigned seed);
signed char *random_codes(Arena *arena, size_t n, unsigned seed);

#endif
