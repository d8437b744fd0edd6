/* Weights that oscillate: in quantization-aware training a weight whose best value lies between two codes crosses the
 * border between them again and again, until the learning rate is 0 (Nagel 2022, 2203.11086).
 *
 * c is the code of a weight in a step, m the `momentum`.  A code that changes against the way of its last change has
 * oscillated, o = 1, else o = 0:
 *   f <- m o + (1 - m) f       frequency of its oscillations
 *   e <- m c + (1 - m) e       mean code
 * Freezing: where f exceeds the threshold of the step the code becomes rne(e), the nearest level of a set, and stays.
 * The scale goes on learning.  Dampening: adds lambda sum (w^ - clip(w, s n, s p))^2 to the loss, w^ = s c taken as a
 * constant, so dw += 2 lambda (w - w^) inside the grid. */
#ifndef BITFOLD_QUANT_OSCILLATION_H
#define BITFOLD_QUANT_OSCILLATION_H

#include "quant/quantizer_type.h"

typedef struct {
    bool track;
    double momentum;
    double freeze,
        freeze_end;   /* thresholds of the first and the last step; freeze 0: none; freeze_end < 0: as freeze */
    double dampening; /* lambda of the last step; 0: none */
} OscillationConfig;
extern const Field oscillation_fields[];

static inline bool oscillation_asked(const OscillationConfig *c)
{
    return c->track || c->freeze > 0.0 || c->dampening > 0.0;
}

/* Of the weights of one layer.  A code is that of w, whatever the sign of its channel: times the sign it is the
 * quantizer's. */
struct Oscillation {
    long n;
    bool started;      /* `code` is that of an earlier step */
    int8_t *code;      /* of the last step */
    int8_t *direction; /* -1, 1: the way of its last change; 0: it has not changed yet */
    float *frequency;  /* f */
    float *mean;       /* e */
    int8_t *now;       /* codes of this step, as they were quantized */
    double lambda;     /* of this step */
    double squares;    /* sum (w - w^)^2 inside the grid, of this step's backward pass */
};

/* Has the weights of q, n of them, watched and, where frozen, held (q->frozen_codes).  STATUS_CONFIG, without the
 * layer's name: what is asked cannot be done with such weights. */
Status oscillation_attach(Arena *arena, const OscillationConfig *config, Quantizer *q, long n);

/* What stays of training: codes, OSCILLATION_FREE where a weight has none of its own. */
enum { OSCILLATION_FREE = -128 };
int8_t *oscillation_no_codes(Arena *arena, long n);

/* After a step of training number `step` of `steps`, counted from 0, whose codes are in `now`. */
void oscillation_update(Quantizer *q, const OscillationConfig *config, long step, long steps);

/* Of step `step`: the threshold of freezing, from freeze to freeze_end, and lambda, from 0 to dampening, both along half
 * a cosine. */
double oscillation_threshold(const OscillationConfig *config, long step, long steps);
double oscillation_lambda(const OscillationConfig *config, long step, long steps);

/* Of all weights watched: how many, how many of them oscillate (f > 0.005) and are not frozen, and how many are; the
 * dampening loss of the last step. */
typedef struct {
    long weights, oscillating, frozen;
    double dampening;
} OscillationCount;
void oscillation_count(const Quantizer *q, OscillationCount *count);

#endif
