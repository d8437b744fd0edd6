/* Several tables of `compare` side by side: each a network, or the same one trained otherwise. */
#ifndef BITFOLD_REPORT_JOINT_H
#define BITFOLD_REPORT_JOINT_H

#include "report/report.h"
#include "search/cost.h"

typedef struct {
    CompareRow row;                               /* what compare.csv and run.json tell of it */
    bool costed;                                  /* it is quantized, and can be written as C */
    Cost cost;                                    /* of the first seed's network, as exported C */
    double weight_bytes, bias_bytes, other_bytes; /* what flash is made of; other: multipliers and tables */
    bool front;                                   /* no row of the page is at least as good with less flash */
} JointRow;

typedef struct {
    const char *name, *folder; /* the config's name; the run directory of the table */
    const char *dataset;
    int images; /* of the test set; 0: not known */
    int rows;
    JointRow *row;
} JointNetwork;

typedef struct Joint {
    const Metric *metric;
    int networks;
    JointNetwork *network;
} Joint;

/* Reads the tables in `folder[n]`, and of each quantized row the model of its first seed.  Networks of one name get
 * their folder's in brackets.  STATUS_STATE: a folder without compare.csv; STATUS_FORMAT: a table that is none;
 * STATUS_CONFIG: tables of different metrics.  A row whose model is not there has no costs. */
Status joint_read(Arena *arena, int n, char *const *folder, Joint *joint);

/* Every row of every network, with its costs; RFC 4180. */
Status joint_write_csv(Arena *arena, const Joint *joint, const char *path);

#endif
