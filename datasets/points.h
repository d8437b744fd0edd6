/* Points in pictures: where they go when a picture is resized or changed at random. */
#ifndef BITFOLD_DATASETS_POINTS_H
#define BITFOLD_DATASETS_POINTS_H

#include "datasets/augment.h"

/* Which of n points each becomes when a picture is mirrored, by names that stand in pairs; *mirror is NULL where there
 * are none, and each point stays what it is.  STATUS_CONFIG: a name is no point's or stands twice, or one is left. */
Status points_mirror(Arena *arena, const StringList *pairs, const char *const *point, int n, const int **mirror);

/* Where n points, [n, POINT_FLOATS] as Targets has them, lie after augment_image has moved their picture so:
 *     (x, y) = M (R(-angle) ((x, y) - centre)) + centre + (dx, dy)
 * Points that lie outside of the picture then are not visible; with `mirror` (NULL: none) those of a pair have changed
 * places when the picture was mirrored.  What is known of no place stays so. */
void points_move(const AugmentMove *move, const int hwc[3], const int *mirror, int n, float *target);

/* The same when a picture of hw pixels is resized, or its centre, as Resizer does:
 *     x = (x + 1/2 - first column) W / columns - 1/2 */
void points_resize(const int hw[2], bool crop, const int want_hw[2], int n, float *target);

/* The outputs of a network for n points: "nose_x", "nose_y", ... */
const char **points_outputs(Arena *arena, const char *const *point, int n);

#endif
