/* Where the labels of a plot's points go, so that none lies on another or on a point. */
#ifndef BITFOLD_REPORT_LABELS_H
#define BITFOLD_REPORT_LABELS_H

#include <stdbool.h>

#include "base/arena.h"

/* Centre and half of width and height in pixels, y up or down. */
typedef struct {
    double x, y, half_width, half_height;
} Box;

/* A line from the middle of a point to the edge of its label. */
typedef struct {
    double x0, y0, x1, y1;
} Leader;

/* Places label[i], whose half width and height the caller has set, for point[i], inside [0, width] x [0, height]: free
 * of every point and of every other label, near its own point, its leader if possible across no other leader, label or
 * point.  A point whose x or y is NAN has no label.  Returns how many found no room; these have x = NAN.  The same
 * input gives the same places.  Cost: O(n^2) for each of some hundred places tried. */
int labels_place(int n, const Box *point, Box *label, double width, double height);

/* Whether label i needs a leader to be told from its neighbours': it stands apart from its point, or that has others
 * close by; and the leader. */
bool labels_leader(int n, const Box *point, const Box *label, int i, Leader *leader);

#endif
