#include "report/labels.h"

#include <math.h>

static const double TOUCHING = 4, CLOSE = 9, STEP = 6;

typedef struct {
    int n;
    const Box *point;
    Box *label; /* x NAN: not placed (yet) */
    double width, height;
} Plot;

static bool placed(const Box *b) { return !isnan(b->x) && !isnan(b->y); }

/* Distance between the edges of two boxes; 0 where they touch or overlap. */
static double gap(const Box *a, const Box *b)
{
    const double x = fabs(a->x - b->x) - a->half_width - b->half_width;
    const double y = fabs(a->y - b->y) - a->half_height - b->half_height;
    return hypot(fmax(x, 0), fmax(y, 0));
}

static bool overlap(const Box *a, const Box *b)
{
    return fabs(a->x - b->x) < a->half_width + b->half_width && fabs(a->y - b->y) < a->half_height + b->half_height;
}

static Leader make_leader(const Box *point, const Box *label)
{
    const double dx = point->x - label->x, dy = point->y - label->y;
    const double to_side = dx == 0 ? (double)INFINITY : label->half_width / fabs(dx);
    const double to_top = dy == 0 ? (double)INFINITY : label->half_height / fabs(dy);
    const double share = fmin(fmin(to_side, to_top), 1);
    return (Leader){point->x, point->y, label->x + share * dx, label->y + share * dy};
}

/* Twice the area of a triangle, by its sense of rotation. */
static double turn(double ax, double ay, double bx, double by, double cx, double cy)
{
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

static bool cross(const Leader *a, const Leader *b)
{
    return turn(a->x0, a->y0, a->x1, a->y1, b->x0, b->y0) * turn(a->x0, a->y0, a->x1, a->y1, b->x1, b->y1) < 0 &&
           turn(b->x0, b->y0, b->x1, b->y1, a->x0, a->y0) * turn(b->x0, b->y0, b->x1, b->y1, a->x1, a->y1) < 0;
}

/* Clips the share [*from, *to] of a line to where from + share * step is within `half` of the middle. */
static void clip(double start, double step, double half, double *from, double *to)
{
    if (step == 0) {
        if (fabs(start) > half) *to = -1;
        return;
    }
    const double a = (-half - start) / step, b = (half - start) / step;
    *from = fmax(*from, fmin(a, b));
    *to = fmin(*to, fmax(a, b));
}

static bool runs_through(const Leader *l, const Box *b)
{
    double from = 0, to = 1;
    clip(l->x0 - b->x, l->x1 - l->x0, b->half_width, &from, &to);
    clip(l->y0 - b->y, l->y1 - l->y0, b->half_height, &from, &to);
    return from < to;
}

static bool is_free(const Plot *plot, int i, const Box *place)
{
    if (place->x < place->half_width || place->x > plot->width - place->half_width) return false;
    if (place->y < place->half_height || place->y > plot->height - place->half_height) return false;
    for (int j = 0; j < plot->n; j++) {
        if (placed(&plot->point[j]) && overlap(place, &plot->point[j])) return false;
        if (j != i && placed(&plot->label[j]) && overlap(place, &plot->label[j])) return false;
    }
    return true;
}

/* How ill a place serves label i: its distance, and what its leader would run into; beyond `limit` any such number. */
static double cost(const Plot *plot, int i, const Box *place, double limit)
{
    const Leader mine = make_leader(&plot->point[i], place);
    double sum = gap(place, &plot->point[i]);
    for (int j = 0; j < plot->n && sum < limit; j++) {
        if (j == i || !placed(&plot->point[j])) continue;
        const bool same = plot->point[j].x == plot->point[i].x && plot->point[j].y == plot->point[i].y;
        if (!same && runs_through(&mine, &plot->point[j])) sum += 12;
        if (!placed(&plot->label[j])) continue;
        const Leader other = make_leader(&plot->point[j], &plot->label[j]);
        if (cross(&mine, &other)) sum += 60;
        if (runs_through(&mine, &plot->label[j])) sum += 80;
        if (runs_through(&other, place)) sum += 80;
    }
    return sum;
}

static void try_place(const Plot *plot, int i, const Box *place, Box *best, double *least)
{
    if (gap(place, &plot->point[i]) >= *least || !is_free(plot, i, place)) return;
    const double c = cost(plot, i, place, *least);
    if (c < *least) *least = c, *best = *place;
}

static bool crowded(int n, const Box *point, int i)
{
    for (int j = 0; j < n; j++)
        if (j != i && placed(&point[j]) && gap(&point[i], &point[j]) < CLOSE) return true;
    return false;
}

/* The best free place: in rings around the point, to its right first, of one that has others close by far enough for
 * its leader to be seen; where these are full, anywhere. */
static void place_label(const Plot *plot, int i)
{
    enum { DIRECTIONS = 24, RINGS = 40 };
    const Box *point = &plot->point[i];
    Box best = plot->label[i], place = best;
    double least = (double)INFINITY;
    const double nearest = crowded(plot->n, plot->point, i) ? 2 * STEP : 2;
    for (int ring = 0; ring < RINGS && nearest + STEP * ring < least; ring++)
        for (int d = 0; d < DIRECTIONS; d++) {
            const int turn = (d % 2 == 0 ? 1 : -1) * ((d + 1) / 2); /* 0, -1, 1, -2, 2, ... of DIRECTIONS */
            const double angle = turn * 2 * acos(-1.0) / DIRECTIONS, far = nearest + STEP * ring;
            place.x = point->x + cos(angle) * (far + point->half_width + place.half_width);
            place.y = point->y + sin(angle) * (far + point->half_height + place.half_height);
            try_place(plot, i, &place, &best, &least);
        }
    for (place.y = place.half_height; isinf(least) && place.y < plot->height; place.y += place.half_height)
        for (place.x = place.half_width; place.x < plot->width; place.x += place.half_width)
            try_place(plot, i, &place, &best, &least);
    if (isinf(least)) best.x = (double)NAN;
    plot->label[i] = best;
}

int labels_place(int n, const Box *point, Box *label, double width, double height)
{
    enum { SWEEPS = 4 };
    const Plot plot = {n, point, label, width, height};
    for (int i = 0; i < n; i++) label[i].x = label[i].y = (double)NAN;
    /* One after another, then each again, now that the others are known. */
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int i = 0; i < n; i++)
            if (placed(&point[i])) place_label(&plot, i);
    int without = 0;
    for (int i = 0; i < n; i++) without += placed(&point[i]) && !placed(&label[i]);
    return without;
}

bool labels_leader(int n, const Box *point, const Box *label, int i, Leader *leader)
{
    if (!placed(&point[i]) || !placed(&label[i])) return false;
    *leader = make_leader(&point[i], &label[i]);
    return gap(&point[i], &label[i]) > TOUCHING || crowded(n, point, i);
}
