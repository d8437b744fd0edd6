/* Settings that were given and do nothing, or that a verb replaces: said rather than passed over. */
#ifndef BITFOLD_TRAIN_CONFIG_NOTES_H
#define BITFOLD_TRAIN_CONFIG_NOTES_H

#include "train/config.h"

typedef enum { USE_TRAIN, USE_PTQ, USE_QAT, USE_QAT_SCRATCH, USE_COMPARE } ConfigUse;

/* A sentence for each key of config->given that has no effect in this use, naming it and what has the effect instead;
 * NULL-ended, in the arena. */
const char **config_notes(Arena *arena, const Config *config, ConfigUse use);

#endif
