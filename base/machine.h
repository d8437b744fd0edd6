/* The machine a program runs on, for people to read; nothing that is computed may depend on it. */
#ifndef BITFOLD_BASE_MACHINE_H
#define BITFOLD_BASE_MACHINE_H

#include "base/arena.h"

/* The processor's name as its maker gives it, "AMD EPYC 9R14"; where the system does not say, its architecture,
 * "aarch64". */
char *machine_cpu(Arena *arena);

/* Processors that are switched on, at least 1. */
int machine_cpus(void);

/* Tasks of the whole system that run or wait for a processor at this moment, the caller not counted; -1 where the
 * system does not say. */
int machine_others_running(void);

#endif
