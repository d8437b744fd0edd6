/* The table: float, every post-training variant and quantization-aware training of one config, side by side. */
#ifndef BITFOLD_REPORT_COMPARE_H
#define BITFOLD_REPORT_COMPARE_H

#include "report/compare_rows.h"
#include "report/report.h"
#include "train/run_folder.h"

typedef struct {
    const Config *config;
    const DataSplits *data;
    const Model *from; /* the float row, whatever the seed, of which the others are made; NULL: trained for each seed */
    const char *folder; /* exists; each trained or calibrated model gets a folder of its own in it */
    bool resume;        /* finished models in `folder` are reused, unfinished training goes on */
    /* resume also with other config, data or kernels: what is trained stays, what is calibrated is made again */
    bool allow_changed;
    const volatile sig_atomic_t *stop;
    const char *command;   /* shown in the report */
    const char *data_text; /* compare_run's own: provenance_data; and what rows' models are kept in */
    Arena *arena;
    int argc; /* the command: for run.json, and for whom a row's folder is in the way */
    char *const *argv;
    TrainHook *train;                              /* with progress; `label` says what is trained */
    Status (*begin)(void *context);                /* all is checked, the first row is about to be made; or NULL */
    void (*note)(void *context, const char *text); /* something the user should know */
    /* A row is complete. */
    void (*row)(void *context, const CompareRow *row, const CompareRow *float_row);
    void *context;
} CompareJob;

typedef struct {
    int rows;
    CompareRow *row;        /* row[0] is float */
    Answers *answers;       /* of each row to the test images */
    const int32_t **answer; /* [rows][images] the class that the first seed's network gives */
    int failed;             /* rows that ended with an error, CompareRow.error */
    Status status;          /* ... and what the first of them failed with; STATUS_OK: none has */
    const char *message;
} CompareResult;

/* Fills accuracy_range, drop_range, p and leads of every row from its answers: each row against row[0], float, the
 * p-values adjusted by Holm's method; and the most accurate of those with weights of as many bits against each of the
 * others, adjusted in the same way, for `leads`. */
void compare_judge(Arena *arena, CompareRow *row, const Answers *answers, int rows);

/* Runs all rows, then writes compare.csv and report.html into the folder.  A row that fails has its error in the table,
 * and the others are made all the same, but for those that start from it; without a float row there is no page.  What
 * is wrong with the table as a whole, a full disk among it, ends it at once: then nothing is written but what rows
 * left. */
Status compare_run(Arena *arena, const CompareJob *job, CompareResult *result);

/* Adds "latency" to the run.json in the folder: of each row the least and the median time, and whether the machine was
 * busy. */
Status compare_note(Arena *arena, const char *folder, const CompareResult *result);

/* ---- shared with compare_report.c -------------------------------------------------------------------------------- */

/* The model that a row left behind for the k-th seed: read once, kept by the plan in `arena`. */
Status row_model(Arena *arena, const CompareJob *job, const RowPlan *plan, int k, Model **model);

/* plan, result: the rows that have one; `all`: those that failed, too. */
Status compare_report(Arena *arena, const CompareJob *job, const RowPlan *plan, const CompareResult *result,
                      const CompareResult *all);

/* Parts of it: what each layer of the rows' models costs, with a column of flash for each distinct width of weights and
 * each row of one's own; which class is taken for which by float, by the most accurate of the others, and by the row
 * `shown`. */
Status compare_layers(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report);
/* Of networks that find points: some test pictures with what each has of them. */
Status compare_points(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report);
void compare_confusions(Arena *arena, const CompareJob *job, const CompareResult *result, int shown, Report *report);

#endif
