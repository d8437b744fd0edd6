/* Keys of a config that had other names in earlier versions, which are still read. */
#ifndef BITFOLD_TRAIN_CONFIG_OLD_KEYS_H
#define BITFOLD_TRAIN_CONFIG_OLD_KEYS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

/* SECTION.OLD, now SECTION.NAME. */
typedef struct {
    const char *section, *old, *name;
    bool was_rounding; /* its value was a rounding, and is a target now; of others the values are what they were */
} OldKey;
extern const OldKey config_old_keys[]; /* ended by a section NULL */

/* *with: root with such keys under their new names; root itself if it has none.  STATUS_CONFIG: both are there and
 * contradict. */
Status config_rename_keys(Arena *arena, const cJSON *root, const char *path, const cJSON **with);

/* After an assignment: what it gave takes the place of what was there under the key's other name. */
void config_drop_other_name(cJSON *root, const char *assignment);

/* The key that an assignment gives by its old name; NULL: none. */
const OldKey *config_assigned_old_key(const char *assignment);

#endif
