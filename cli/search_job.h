/* What the verbs share that ask which layers, and how many bits: a float model, its held-out images, a run directory. */
#ifndef BITFOLD_CLI_SEARCH_JOB_H
#define BITFOLD_CLI_SEARCH_JOB_H

#include "cli/cli.h"
#include "search/partial.h"
#include "train/run_folder.h"

typedef struct {
    const Options *o;
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

/* Opens o->argument[0] and its data, says what they are, draws the images, and takes the run directory
 * (runs/NAME-<verb>) with the config in it.  `verb`: for messages.  search_end is to be called whether it fails or not. */
Status search_begin(Arena *arena, const Options *o, const char *verb, int *exit_code, SearchJob *job);

/* Measures what job->sensitivity asks for, with progress, and writes sensitivity.csv.  On STATUS_INTERRUPTED says how to go
 * on and sets the exit code. */
Status search_sensitivity(Arena *arena, SearchJob *job, Sensitivity *result);

/* Writes report.html into the folder.  partial: what of it there is to show; NULL: nothing. */
Status search_report(Arena *arena, const SearchJob *job, const Sensitivity *sensitivity, const Partial *partial,
                     const PartialOptions *options);

/* Gives the run directory back (run_folder_end). */
Status search_end(SearchJob *job, Status status);

/* Adds "seconds". */
void search_add_seconds(cJSON *json, const Sensitivity *s);

#endif
