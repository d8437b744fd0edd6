/* Patches of a config: objects that say what is other, as the rows of a table are made of them. */
#ifndef BITFOLD_TRAIN_CONFIG_PATCH_H
#define BITFOLD_TRAIN_CONFIG_PATCH_H

#include "train/config.h"

/* A patch has the config's own keys: an object is merged into the object of that name, anything else, a list too, takes
 * the place of what is there.  A key may also be a path as an assignment has it, "quant.weights.bits" or
 * "model.layers.conv1.units"; keys apply in order. */

/* The resolved config with a patch applied.  `where` names the patch: "compare.rows[1] (\"w4\")".  Paths and what was
 * given stay those of `config`.  STATUS_CONFIG: "FILE: WHERE: KEY: ...", of a key that is not known, or a value or a
 * combination that a config refuses. */
Status config_patch(Arena *arena, const Config *config, const cJSON *patch, const char *where, Config **patched);

/* Of a patched config that failed later: the message "FILE: ..." becomes "FILE: WHERE: ...". */
Status config_patch_failed(Arena *arena, const Config *config, const char *where, Status status);

/* Calls `visit` for each key of a patch that has a value, by its dotted path, in order, until one fails. */
typedef Status PatchVisitor(void *context, const char *key, const cJSON *value);
Status config_patch_keys(Arena *arena, const cJSON *patch, PatchVisitor *visit, void *context);

/* Whether JSON of a config has anything at a dotted path; what lies in a list is not looked for. */
bool config_has_key(const cJSON *config, const char *key);

#endif
