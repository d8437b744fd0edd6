/* Unstructured pruning: weights that become 0 while a network is trained, and stay 0 (Zhu & Gupta 2017, arXiv 1710.01878).
 *
 * From step t0 = begin to t1 = end, shares of all steps, of each layer's weights the share
 *     s(t) = target (1 - (1 - (t - t0) / (t1 - t0))^3)
 * is 0: the smallest in size, those of equal size in their order.  In the pattern 2:4 it is so many of each four weights that
 * follow each other along the input's channels, 2 in the end.  A weight that is 0 is what has been removed: it stays 0, so that
 * nothing besides the weights is to be kept. */
#ifndef BITFOLD_COMPRESS_SPARSITY_H
#define BITFOLD_COMPRESS_SPARSITY_H

#include "base/field.h"
#include "layers/model.h"

typedef enum { SPARSITY_FREE, SPARSITY_2_4 } SparsityPattern;

typedef struct {
    double target; /* 0: none */
    int pattern;   /* SparsityPattern */
    double begin, end;
    int every; /* steps from one removal to the next */
    StringList except;
} SparsityConfig;
extern const Field sparsity_fields[];

/* Weights of which some are 0: those of conv2d and dense layers (CHANNELS_OWN) that no pattern of `except` names and that
 * are not frozen; in the pattern 2:4 where the number of channels they read is a multiple of 4. */
typedef struct {
    const SparsityConfig *config;
    Model *m;
    bool *sparse; /* [layers] */
    bool *kept;   /* [parameters] before a step: not 0 */
    bool grows;   /* by the schedule; otherwise what is 0 stays 0, nothing else */
} Sparsity;

/* In the arena; NULL: the config asks for none.  STATUS_CONFIG, naming `where`: a pattern of `except` that names no layer, a
 * begin that is not before the end, or a 2:4 target that is not 0.5. */
Status sparsity_watch(Arena *arena, const SparsityConfig *config, Model *m, bool grows, const char *where,
                      Sparsity **sparsity);

/* s(t). */
double sparsity_share(const SparsityConfig *config, long step, long steps);

/* Around the update of step `step` of `steps`, counted from 0.  NULL does nothing. */
void sparsity_before_step(Sparsity *sparsity, long step, long steps);
void sparsity_after_step(Sparsity *sparsity);

/* The share of the watched weights that is 0; -1: NULL. */
double sparsity_measured(const Sparsity *sparsity);

#endif
