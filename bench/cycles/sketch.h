/* Small networks, as JSON of their layers: random geometries, always the same for a number. */
#ifndef BITFOLD_BENCH_CYCLES_SKETCH_H
#define BITFOLD_BENCH_CYCLES_SKETCH_H

#include "base/arena.h"

typedef struct {
    const char *name; /* of the family */
    int networks;
    void (*sketch)(void *sketch); /* sketch.c's own */
} SketchFamily;
enum { SKETCH_FAMILIES = 15 };
extern const SketchFamily sketch_families[SKETCH_FAMILIES];

/* "input": [h, w, c], "layers": [...] of network `number` of a family.  Each kernel that the family is about is called
 * twice or more: one that is called once is compiled into its caller, with other instructions. */
const char *sketch_network(Arena *arena, const SketchFamily *family, int number);

#endif
