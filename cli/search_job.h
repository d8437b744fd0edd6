/* What the verbs share that ask which layers, and how many bits: a float model, its held-out images, a run directory. */
#ifndef BITFOLD_CLI_SEARCH_JOB_H
#define BITFOLD_CLI_SEARCH_JOB_H

#include "cli/cli.h"
#include "report/report.h"
#include "train/run.h"

typedef struct {
    const Options *o;
    const char *path;   /* of the model */
    const char *folder; /* the run directory */
    Config *config;
    OpenModel open; /* of a float model */
    DataSplits data;
    Judge judge;
    SensitivityJob sensitivity; /* its options are the caller's */
    RunFolder run;
    int *exit_code;
} SearchJob;

/* A format by its name, or an integer one by its bits alone.  STATUS_CONFIG names the option. */
Status format_option(const char *option, const char *name, int *format);

/* Says so where the held-out images are too few to tell whether a tolerance is kept. */
void search_note_tolerance(const SearchJob *job, double tolerance);

/* A number of points, 0 or more. */
Status tolerance_option(const char *text, double *tolerance);

/* A PredictorKind by its name; `besides`: other names that the option takes, for the message. */
Status predictor_option(Arena *arena, const char *option, const char *name, const char *besides, int *kind);

/* "int8,int4,2": names of formats and numbers of bits, each once. */
Status formats_option(Arena *arena, const char *text, IntList *formats);

/* Opens o->argument[0] and its data, says what they are, draws the images, and takes the run directory
 * (runs/NAME-<verb>) with the config in it.  `verb`: for messages.  search_end is to be called whether it fails or not. */
Status search_begin(Arena *arena, const Options *o, const char *verb, int *exit_code, SearchJob *job);

/* The parts of it, for a verb that has more to do between them; job->o and job->exit_code are the caller's.  The config
 * is not written into the folder. */
Status search_open(Arena *arena, const char *path, const char *verb, SearchJob *job);
Status search_take_folder(Arena *arena, const Options *o, const char *folder, SearchJob *job);

/* What formats are chosen for. */
Status search_groups(Arena *arena, const SearchJob *job, FormatGroups *groups);

/* Measures what job->sensitivity asks for, with progress, and writes sensitivity.csv.  On STATUS_INTERRUPTED says how to go
 * on and sets the exit code. */
Status search_sensitivity(Arena *arena, SearchJob *job, Sensitivity *result);

/* Writes report.html into the folder.  subject: what the page is of; its metric is the task's. */
Status search_report(Arena *arena, const SearchJob *job, const char *subject, SearchReport search);

/* The network that was chosen, as `ptq` leaves it in the run directory: config.json with an override for each layer, and
 * the model, which is *model. */
Status search_write_model(Arena *arena, SearchJob *job, const FormatGroups *groups, const FormatChoice *choice,
                          Model **model);

typedef struct {
    RunOutcome run;
    Graph *graph;
    Measurement m; /* on the judge's images */
} SearchTrained;

/* NULL-ended assignments, and one more. */
const char **search_more_sets(Arena *arena, const char *const *sets, const char *set);

/* A TrainHook whose context is the SearchJob: training with progress. */
TrainHook search_train_hook;

/* Quantization-aware training from the float model in chosen formats and with the calibration of job->config, into
 * DIR/qat, which goes on where it is with --resume. */
Status search_train(Arena *arena, SearchJob *job, const FormatGroups *groups, const FormatChoice *choice,
                    SearchTrained *trained);

/* Gives the run directory back (run_folder_end). */
Status search_end(SearchJob *job, Status status);

/* Passes a status on; of STATUS_INTERRUPTED it says how to go on, and sets the exit code. */
Status search_interrupted(const SearchJob *job, Status status);

/* Adds "seconds". */
void search_add_seconds(cJSON *json, const Sensitivity *s);

#endif
