/* The models of a table's rows: in which folder each is, whether a resumed table has it, and how it is made. */
#ifndef BITFOLD_REPORT_COMPARE_STATE_H
#define BITFOLD_REPORT_COMPARE_STATE_H

#include "report/compare.h"
#include "train/provenance.h"

/* What is known of the model of a row and seed before it is made. */
typedef struct {
    RowPlan *plan;
    int seed; /* which of the table's */
    Config *config;
    const char *folder;
    const char *digest;     /* of all that the model follows from but data and kernels */
    Provenance provenance;  /* what it would be made of now */
    const Checkpoint *last; /* a resumed table has it already; NULL: it must be made */
    bool changed;           /* a resumed table has it, of another config */
} RowState;

/* The folder of the row's k-th seed, in the table's. */
const char *row_folder(Arena *arena, const CompareJob *job, const RowPlan *plan, int k);

/* Whether the row's model is trained, not calibrated or copied. */
bool row_is_trained(const CompareJob *job, const RowPlan *plan);

/* Whether a resumed table has the model, made of what it would be made of now.  One of another config counts as not
 * there, which a note tells, unless job->allow_changed lets a training go on.  STATUS_STATE: of other data or
 * kernels. */
Status row_find(Arena *arena, const CompareJob *job, const RowPlans *plans, int row, int k, RowState *s);

/* Whether the training of a row that is there can go on from its checkpoint, and how many steps are left. */
Status row_check_training(Arena *arena, const CompareJob *job, const RowState *s, long *left);

/* Trains, calibrates or finds the model; afterwards its file is complete. */
Status row_make(Arena *arena, const CompareJob *job, const RowPlans *plans, int row, int k, Model **model);

#endif
