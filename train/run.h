/* Whole runs, as the verbs and the library start them: read, train or calibrate, leave a run directory. */
#ifndef BITFOLD_TRAIN_RUN_H
#define BITFOLD_TRAIN_RUN_H

#include "train/provenance.h"
#include "train/recipe.h"
#include "train/run_folder.h"

typedef struct {
    const char *path;        /* a config (ptq: none), or a model to start from: its file or run directory */
    const char *const *sets; /* assignments, NULL-ended; NULL: none */
    const char *out;         /* run directory; NULL: runs/<name> */
    bool overwrite, resume;
    const char *suffix; /* the run's name has it at its end; NULL: the verb's */
    bool row;           /* the run directory lies in another run's and goes with it */
    bool allow_changed; /* resume: also with another config, other data or kernels than the run began with */
    int argc;           /* the command, for run.json */
    char *const *argv;
    TrainHook *train;                              /* runs the training loop; NULL: train_run */
    void (*note)(void *context, const char *text); /* something the user should know; NULL: not told */
    void (*warn)(void *context, const char *text); /* something that is likely a mistake; NULL: not told */
    void (*data)(void *context, const char *line); /* what was read; NULL: not told */
    void *context;
} RunRequest;

typedef struct {
    const Config *config;
    const char *folder, *model_path;
    Provenance provenance;  /* of what is trained */
    const Checkpoint *last; /* what a resumed run goes on from, read once; NULL: it begins */
    bool same_but_epochs;   /* ... whose config is that in its folder, but for the epochs at most */
    const char *change;     /* ... and what it goes on with that is other, as it was allowed to; NULL: nothing */
    RunFolder run;          /* what `folder` is held by; given back when the run ends */
    Model *model;
    EngineKind engine; /* int8 for quantized models */
    EvalResult test;   /* of the task, by that engine, on the test split */
} RunOutcome;

/* Tells the user `text`; NULL: there is nothing to tell. */
static inline void run_note(const RunRequest *request, const char *text)
{
    if (request->note != NULL && text != NULL) request->note(request->context, text);
}

/* Float, from a config or from a model's parameters (train/transfer.h).  A resumed run needs neither when the folder is
 * given: `path` may be the run directory itself. */
Status run_train(Arena *arena, const RunRequest *request, RunOutcome *outcome);
Status run_ptq(Arena *arena, const RunRequest *request, RunOutcome *outcome); /* from a float model */
/* From a model of any kind, whose weights and batch norm it takes, or a .json config.  A resumed run that is given
 * other epochs, and nothing else that is other, goes on with them: so does run_train. */
Status run_qat(Arena *arena, const RunRequest *request, RunOutcome *outcome);

#endif
