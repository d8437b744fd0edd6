/* Models in C, compiled and run. */
#ifndef BITFOLD_TESTS_SUPPORT_C_PROGRAM_H
#define BITFOLD_TESTS_SUPPORT_C_PROGRAM_H

#include "graph/graph.h"

#define C_STRICT "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wdouble-promotion -Werror"

/* Exports a graph to a file of the folder; `options` as JSON, NULL: none. */
Status c_export(Arena *arena, const char *folder, const Graph *g, const char *name, const char *options);

/* Exports the graphs to the folder and compiles them, strictly and with checks of undefined behaviour, by gcc and by
 * clang, of which one must be there.  On random images every byte of every answer must be the engine's, and every
 * self-test must pass. */
void c_must_answer(Arena *arena, const char *folder, const Graph *const *g, int graphs, const char *options);

/* The self-test of m.c, exported to the folder, passes, and fails once the first digit of the layer "logits"' biases has
 * changed. */
void c_self_test_must_notice(Arena *arena, const char *folder, const Graph *g, const char *options);

#endif
