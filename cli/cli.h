/* The command line: one file per verb; the only room that prints or exits. */
#ifndef BITFOLD_CLI_CLI_H
#define BITFOLD_CLI_CLI_H

#include <cjson/cJSON.h>
#include <signal.h>

#include "base/arena.h"
#include "base/status.h"
#include "train/experiment.h"

enum { EXIT_OK = 0, EXIT_FAIL = 1, EXIT_USAGE = 2 };

/* Every option of every verb; a verb accepts those it lists. */
typedef struct {
    const char **sets, **options; /* NULL-ended */
    const char *out;
    bool overwrite, resume, allow_changed, json, quiet;
    const char *engine, *split, *data, *against, *to, *output, *dump, *dir, *mode;
    const char *target, *formats, *parts, *format, *keep, *order, *tolerance;
    const char *scheme, *axis, *entries;
    const char *method, *minimize, *flash, *ram, *cycles, *bops, *latency, *macs, *score;
    const char *prompt, *temperature;
    bool markdown, schema, frozen, interleave, layers, floats, qat;
    int batch, steps, epochs, threads, images, bits, points, bytes;
    bool resumable; /* the verb knows --resume */
    int arguments;
    char **argument;
    int argc; /* the whole command line, for run.json */
    char **argv;
} Options;

typedef struct {
    const char *name, *arguments, *doc;
    const char *options;              /* letters of those it accepts besides the common ones: see option_table */
    int min_arguments, max_arguments; /* max -1: any number */
    Status (*run)(Arena *arena, const Options *o, int *exit_code);
} Verb;

extern const Verb *const verbs[]; /* NULL-ended */

/* Set by SIGINT and SIGTERM once cli_catch_signals was called; the signal's number. */
extern volatile sig_atomic_t cli_stop;
void cli_catch_signals(void);

/* printf to standard output, and to standard error; the only ways to print.  Texts put in by %s are made safe for a
 * terminal (base/text.h). */
void cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_print_lines(const char *text); /* a text of several lines, each as %s prints it */

/* Prints one JSON object on stdout and frees it. */
void cli_print_json(Arena *arena, cJSON *json);

/* Of a verb that takes a MODEL and was given a run directory: puts the model's file in its place, and says which unless
 * --quiet.  --resume leaves it alone: then the directory may be the run that is to go on. */
Status cli_find_model(Arena *arena, const Verb *verb, const Options *o);

/* "warning: text" on stderr, whatever was asked for: what is likely a mistake must not be missed. */
void cli_warn(const char *text);

/* The line about data that was read, unless quiet, and its notes as warnings. */
void cli_show_data(Arena *arena, const Options *o, const DataSplits *data);

/* The command as it would be typed again; words with spaces or quotes are quoted for a shell. */
const char *cli_command(Arena *arena, const Options *o);

/* A line of progress on stderr, UTF-8 and safe for a terminal: there it takes the place of the one before, unless that
 * `stays`; when piped, lines stand below each other. */
void cli_progress(const char *line, bool stays);
void cli_progress_clear(void);

/* The run directory: --out, else runs/<name>. */
const char *cli_run_folder(Arena *arena, const Options *o, const char *name);

/* Trains with progress and metrics; on STATUS_INTERRUPTED says how to resume and sets the exit code. */
Status cli_train(Arena *arena, const Options *o, TrainJob *job, const char *label, TrainResult *result, int *exit_code);

#endif
