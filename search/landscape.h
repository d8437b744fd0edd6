/* The loss of a float network around its weights: along the line to the values that its codes stand for, and on a plane.
 *
 *     line    L(w + t (Q(w) - w)),     t from -1 to 2;  t = 1: all weights are those of the codes
 *     plane   L(w + a d + b e),        a and b from -radius to radius
 *
 * d and e are two random directions, normalized by filter (Li et al. 2018, 1712.09913): of normal numbers, each filter
 * scaled to the length of the model's own; biases and batch norm do not move.  The numbers are keyed by the seed alone, so
 * models of one network are looked at in the same directions.  Everything is computed in floats, with the running statistics
 * of batch norm: the weights alone move. */
#ifndef BITFOLD_SEARCH_LANDSCAPE_H
#define BITFOLD_SEARCH_LANDSCAPE_H

#include "search/model_loss.h"

enum { LANDSCAPE_LINE = 31, LANDSCAPE_AT_CODES = 20 }; /* points of the line; that of t = 1 */

typedef struct {
    const char *name, *kind; /* the path it was given by; "float", "ptq", "qat" */
    bool quantized;          /* it has a line */
    double loss;             /* L(w) */
    double *line;            /* [LANDSCAPE_LINE] */
    double *plane;           /* [points][points], a along the rows */
} LandscapeModel;

typedef struct {
    int points; /* of a side of the plane, odd: the middle is w */
    double radius;
    int images;
    int models;
    LandscapeModel *model;
} Landscape;

/* t of point i of the line. */
static inline double landscape_t(int i) { return -1.0 + 3.0 * i / (LANDSCAPE_LINE - 1); }
/* a, or b, of point i of a side. */
static inline double landscape_at(const Landscape *l, int i) { return l->radius * (2.0 * i / (l->points - 1) - 1.0); }
/* What the loss rises by on average on the plane's points whose distance from the middle is nearest to `radius` (of all
 * points those within half a step of it). */
double landscape_rise(const Landscape *l, const LandscapeModel *m, double radius);

typedef struct {
    Model *model; /* any but one of integers alone; its weights are moved, and the same bits again when this returns */
    const Task *task;
    const Sample *sample;
    uint64_t seed;
    const volatile sig_atomic_t *stop;
    void (*progress)(void *context, int done, int points); /* NULL: nobody is told */
    void *context;
} LandscapeJob;

/* Fills m->loss, plane and, if m->quantized, line.  Fails as the forward pass does, or STATUS_INTERRUPTED.  What is not
 * finite is infinity. */
Status landscape_make(Arena *arena, const LandscapeJob *job, const Landscape *l, LandscapeModel *m);

#endif
