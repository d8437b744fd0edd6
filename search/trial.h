/* Networks that a search has tried: made, measured on the judge's images, and what they cost.  Kept as they are made, so
 * that a search that was cut short asks none of them twice. */
#ifndef BITFOLD_SEARCH_TRIAL_H
#define BITFOLD_SEARCH_TRIAL_H

#include <signal.h>

#include "search/space.h"

typedef struct {
    const int *choice; /* [units], of the space */
    double predicted;  /* what space_predict says it loses */
    Cost cost;         /* of the network as it is, conversions included */
    Measurement m;
    double drop; /* of the metric below float's, as it is shown */
} Trial;

struct Trials;
/* Makes the network of a choice: its cost, and, unless m is NULL, what it is worth. */
typedef Status TrialMake(const struct Trials *t, const int *choice, Cost *cost, Measurement *m);
TrialMake trial_make; /* as judge_make does */

typedef struct Trials {
    Arena *arena;
    TrialMake *make;
    const Judge *judge;
    const SearchSpace *space;
    const char *folder; /* for what a method keeps besides */
    const char *path;   /* of the file that keeps them */
    const char *digest; /* all that they follow from; kept ones of another are made again */
    const char *asked;  /* what is searched for, in words */
    bool other;         /* something else was, by whoever wrote the file */
    const volatile sig_atomic_t *stop;
    /* After each network that was made or taken from the file. */
    void (*progress)(void *context, const Trial *trial, int number);
    /* While a method trains: the mean loss of a stretch of steps so far.  NULL: nobody looks. */
    void (*training)(void *context, int stretch, long step, long steps, double loss);
    void *context;
    int n, capacity;
    Trial *at; /* in the order in which they were asked for first */
    int kept;  /* read from the file and not asked for yet */
    Trial *keeps;
} Trials;

/* Reads what the file has. */
Status trials_begin(Trials *t);

/* The network of a choice: its index in `at`.  A failure is t->make's; STATUS_INTERRUPTED: *stop was set. */
Status trials_run(Trials *t, const int *choice, int *index);

#endif
