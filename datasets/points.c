#include "datasets/points.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "datasets/reader.h"

Status points_mirror(Arena *arena, const StringList *pairs, const char *const *point, int n, const int **mirror)
{
    *mirror = NULL;
    if (pairs->n == 0) return STATUS_OK;
    int *to = ARENA_ARRAY(arena, int, n);
    for (int p = 0; p < n; p++) to[p] = p;
    if (pairs->n % 2 != 0)
        return status_fail(STATUS_CONFIG,
                           "data.augment.flip_pairs: %d names; must be an even number, two for each pair", pairs->n);
    for (int i = 0; i < pairs->n; i += 2) {
        int pair[2];
        for (int k = 0; k < 2; k++) {
            const char *name = pairs->at[i + k];
            pair[k] = 0;
            while (pair[k] < n && strcmp(point[pair[k]], name) != 0) pair[k]++;
            if (pair[k] == n)
                return status_fail(STATUS_CONFIG, "data.augment.flip_pairs: %s is no point of the data",
                                   json_quote(arena, name));
            if (to[pair[k]] != pair[k] || (k == 1 && pair[0] == pair[1]))
                return status_fail(STATUS_CONFIG, "data.augment.flip_pairs: %s twice; each point has one counterpart",
                                   json_quote(arena, name));
        }
        to[pair[0]] = pair[1], to[pair[1]] = pair[0];
    }
    *mirror = to;
    return STATUS_OK;
}

/* Where the move takes a place: the inverse of what augment_image reads each pixel from. */
static void move_place(const AugmentMove *m, const int hwc[3], float place[2])
{
    const double cx = 0.5 * (hwc[1] - 1), cy = 0.5 * (hwc[0] - 1);
    const double x = (double)place[0] - cx, y = (double)place[1] - cy, cosine = cos(m->angle), sine = sin(m->angle);
    const double px = cosine * x + sine * y, py = cosine * y - sine * x;
    place[0] = (float)((m->mirror ? -px : px) + cx + m->dx);
    place[1] = (float)(py + cy + m->dy);
}

static bool is_inside(const float place[2], const int hwc[2])
{
    return place[0] >= -0.5f && place[1] >= -0.5f && place[0] < (float)hwc[1] - 0.5f && place[1] < (float)hwc[0] - 0.5f;
}

void points_move(const AugmentMove *move, const int hwc[3], const int *mirror, int n, float *target)
{
    for (int p = 0; p < n; p++) {
        float *at = target + (size_t)p * POINT_FLOATS;
        move_place(move, hwc, at);
        if (!is_inside(at, hwc)) at[POINT_VISIBLE] = 0;
    }
    for (int p = 0; p < n && move->mirror && mirror != NULL; p++) {
        float *a = target + (size_t)p * POINT_FLOATS, *b = target + (size_t)mirror[p] * POINT_FLOATS,
              kept[POINT_FLOATS];
        if (mirror[p] <= p) continue;
        memcpy(kept, a, sizeof kept);
        memcpy(a, b, sizeof kept);
        memcpy(b, kept, sizeof kept);
    }
}

void points_resize(const int hw[2], bool crop, const int want_hw[2], int n, float *target)
{
    double size[2] = {hw[1], hw[0]}, first[2] = {0, 0}; /* x, y */
    const double want[2] = {want_hw[1], want_hw[0]};
    if (crop) {
        int from[2], count[2];
        resize_crop(hw, want_hw, from, count);
        for (int i = 0; i < 2; i++) first[i] = from[1 - i], size[i] = count[1 - i];
    }
    for (int p = 0; p < n; p++) {
        float *at = target + (size_t)p * POINT_FLOATS;
        for (int i = 0; i < 2; i++) at[i] = (float)(((double)at[i] + 0.5 - first[i]) * want[i] / size[i] - 0.5);
        if (!is_inside(at, want_hw)) at[POINT_VISIBLE] = 0;
    }
}

const char **points_outputs(Arena *arena, const char *const *point, int n)
{
    const char **name = ARENA_ARRAY(arena, const char *, 2 * n);
    for (int k = 0; k < 2 * n; k++) name[k] = arena_printf(arena, "%s_%c", point[k / 2], "xy"[k % 2]);
    return name;
}
