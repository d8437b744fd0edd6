/* The latency of this machine as a cost of a space: what each layer takes in each format, measured once. */
#ifndef BITFOLD_SEARCH_SPACE_LATENCY_H
#define BITFOLD_SEARCH_SPACE_LATENCY_H

#include <signal.h>

#include "search/space.h"

typedef struct {
    const char *path;   /* of the file that keeps the times; of another digest they are measured again */
    const char *digest; /* all that the space follows from */
    const volatile sig_atomic_t *stop;
    const char *machine, *isa; /* found: where the times were measured, which may have been another machine */
    bool measured;             /* found: now, not read */
} LatencyJob;

/* Fills in COST_LATENCY, in microseconds, of an image on one thread of the integer engine: of each layer in each pair of
 * formats the sum over its nodes of the medians of at least 101 runs, the network being in that pair throughout.  Pairs
 * that the engine computes alike, integers of any number of bits up to 8, are measured together and take the same.  A
 * network's latency is the sum over its layers, and of what is no layer's (pixels' codes).  job->path is written at the
 * end.  STATUS_INTERRUPTED: *stop was set. */
Status space_latency(Arena *arena, const Judge *judge, SearchSpace *space, LatencyJob *job);

#endif
