/* The patches of compare.rows and compare.grid, and what is wrong with them. */
#ifndef BITFOLD_REPORT_COMPARE_PATCH_H
#define BITFOLD_REPORT_COMPARE_PATCH_H

#include "train/checkpoint.h"
#include "train/config_patch.h"

typedef struct {
    const char *name;
    const char *where; /* "compare.rows[1] (\"w4\")" */
    ModelKind kind;
    const cJSON *patch; /* without name and kind */
    Config *config;     /* with the patch applied */
} RowPatch;

typedef struct {
    int n;
    RowPatch *at;
} RowPatches;

enum { COMPARE_MAX_ROWS = 256 };

/* Those of the rows, then those of the grid's product, the first list changing slowest; in the arena.  `copied`: no
 * float network is trained.  STATUS_CONFIG names row and key: kind missing, a key that is the table's own or has no
 * effect on a row of the kind, a row whose patch changes nothing. */
Status compare_patches(Arena *arena, const Config *config, bool copied, RowPatches *patches);

#endif
