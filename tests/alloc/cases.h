/* What the campaign runs: each verb, on models and data so small that a run takes some 20 ms. */
#ifndef BITFOLD_TESTS_ALLOC_CASES_H
#define BITFOLD_TESTS_ALLOC_CASES_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct {
    const char *name, *command; /* in the prepared folder; writes below out/ */
    bool keeps;                 /* it keeps what it has so far, for --resume */
} AllocCase;

extern const AllocCase alloc_cases[];
extern const int alloc_cases_n;

/* Configs, data, models and pictures that the cases read, in the empty folder. */
void alloc_case_prepare(Arena *arena, const char *folder);

#endif
