/* The least steps of activation grids.
 *
 * A nearly dead layer, one whose outputs have hardly any range, gets a grid so fine that no integer arithmetic carries
 * it: sums rescaled to it leave int32, or an addition cannot combine it with its other input.  What cannot be computed
 * is kept from happening while the grids are being found, so that what is trained can be shipped.
 */
#ifndef BITFOLD_DEPLOY_GRID_FLOOR_H
#define BITFOLD_DEPLOY_GRID_FLOOR_H

#include "layers/model.h"

/* Raises the scale of each activation quantizer that stands in the way of `rounding` to the least one that does not,
 * with some room (a factor of 4) for what training may still move; Quantizer.dead_range then tells what it spanned
 * before.  A layer whose outputs were all zero, and whose scale is in the way, takes its reader's scale instead.  A
 * model that can be lowered and, in the roundings of float multipliers, is within the runtimes' limits
 * (graph_check_runtime) stays as it is, to the bit.  STATUS_UNSUPPORTED, naming a quantizer, if scales still stand in
 * the way after every layer could have had its turn. */
Status model_floor_grids(Model *m, Rounding rounding);

/* "layer "x": ..." of each layer whose grid was raised, NULL-ended, in the arena. */
const char **model_floor_notes(Arena *arena, const Model *m);

#endif
