/* From JSON to a Config: what config_from_json, and who asks it again for a part of the assignments, are made of. */
#ifndef BITFOLD_TRAIN_CONFIG_RESOLVE_H
#define BITFOLD_TRAIN_CONFIG_RESOLVE_H

#include "train/config.h"

/* The config in `root`, to which the assignments have been made; `path` names it and gives the folder. */
Status config_resolve(Arena *arena, const cJSON *root, const char *path, Config *c);

/* Makes an assignment, "a.b=value".  A folder that it gives is one as seen from the working directory, where the user
 * is; made absolute, it holds wherever the config is kept. */
Status config_assign(Arena *arena, cJSON *root, const char *assignment);

/* A config as the file has it with the first `n` of its assignments (config->sets is not NULL). */
Status config_with(Arena *arena, const Config *config, int n, Config **some);

/* That rows is a list of objects with names, and grid a list of lists of objects; NULL: not given. */
Status config_check_rows(const char *path, const cJSON *rows, const cJSON *grid);

#endif
