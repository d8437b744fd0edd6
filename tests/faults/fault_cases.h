/* The verbs that write, and what each writes. */
#ifndef BITFOLD_TESTS_FAULTS_FAULT_CASES_H
#define BITFOLD_TESTS_FAULTS_FAULT_CASES_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct {
    const char *name;
    const char
        *before; /* what makes folder r as it is before the run: commands separated by "; "; NULL: there is none */
    const char *command; /* writes into r */
    const char *resume;  /* the option that goes on with an interrupted run; NULL: the verb has none */
    const char *again;   /* the option that does it again; "" if it needs none */
} FaultCase;

extern const FaultCase fault_cases[]; /* ended by a NULL name */

/* What all cases start from: a config, models of each kind, ONNX files, pictures, a mirror for fetch; and in bin the
 * tools that the program may start. */
void fault_base(Arena *arena, const char *folder);

/* One command of the program, which must succeed. */
void fault_must(Arena *arena, const char *folder, const char *command);

/* The program's command line and environment in `folder`. */
char **fault_argv(Arena *arena, const char *command);
char **fault_environment(Arena *arena, const char *folder);

#endif
