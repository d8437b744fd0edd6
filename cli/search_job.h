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
    FormatGroups groups;        /* what formats are chosen for */
    SensitivityJob sensitivity; /* its options are the caller's */
    RunFolder run;
    double start; /* when the folder was taken: what run.json counts the seconds from */
    int *exit_code;
} SearchJob;

/* A format by its name, or an integer one by its bits alone.  STATUS_CONFIG names the option. */
Status format_option(const char *option, const char *name, int *format);

/* Says so where the held-out images are too few to tell whether a tolerance is kept. */
void search_note_tolerance(const SearchJob *job, double tolerance);

/* A number of points, 0 or more. */
Status tolerance_option(const char *text, double *tolerance);

/* The index of a name; names(i) is the i-th, NULL: there are no more.  `besides`: other names that the option takes, for
 * the message, NULL: none. */
Status choice_option(Arena *arena, const char *option, const char *given, const char *(*names)(int i),
                     const char *besides, int *index);
const char *predictor_name(int i); /* for it: of a PredictorKind */

/* "int8,int4,2": names of formats and numbers of bits, each once. */
Status formats_option(Arena *arena, const char *text, IntList *formats);

/* Opens o->argument[0] and its data, says what they are, draws the images, and takes the run directory
 * (runs/NAME-<verb>) with the config in it.  `verb`: for messages.  search_end is to be called whether it fails or not. */
Status search_begin(Arena *arena, const Options *o, const char *verb, int *exit_code, SearchJob *job);

/* That the config's schemes are those that formats can be chosen for.  STATUS_CONFIG. */
Status search_check_config(const Config *config, const char *verb);

/* The parts of it, for a verb that has more to do between them; job->o and job->exit_code are the caller's.  The config
 * is not written into the folder. */
Status search_open(Arena *arena, const char *path, const char *verb, SearchJob *job);
Status search_take_folder(Arena *arena, const Options *o, const char *folder, SearchJob *job);

/* job->sensitivity.digest: all that the rows follow from which its options ask for. */
Status search_rows_digest(Arena *arena, SearchJob *job);

/* Measures what job->sensitivity asks for, with progress, and writes sensitivity.csv.  On STATUS_INTERRUPTED says how to go
 * on and sets the exit code. */
Status search_sensitivity(Arena *arena, SearchJob *job, Sensitivity *result);

/* Writes report.html into the folder.  subject: what the page is of; its metric is the task's. */
Status search_report(Arena *arena, const SearchJob *job, const char *subject, SearchReport search);

/* Gives job and judge another config, as for another calibration. */
void search_set_config(SearchJob *job, Config *config);

/* The network that was chosen, as `ptq` leaves it in the run directory: config.json with an override for each layer, and
 * the model, which is *model. */
Status search_write_model(Arena *arena, SearchJob *job, const FormatChoice *choice, Model **model);

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
Status search_train(Arena *arena, SearchJob *job, const FormatChoice *choice, SearchTrained *trained);

/* Gives the run directory back (run_folder_end). */
Status search_end(SearchJob *job, Status status);

/* Passes a status on; of STATUS_INTERRUPTED it says how to go on, and sets the exit code. */
Status search_interrupted(const SearchJob *job, Status status);

/* Adds "test": the metric by its name, and "n". */
void search_add_test(cJSON *json, const EvalResult *test);

/* Adds "seconds". */
void search_add_seconds(cJSON *json, const Sensitivity *s);

#endif
