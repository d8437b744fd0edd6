/* Run directories: who may write into one, what of it is a run's, and when it goes.
 *
 * Every run writes the marker ".bitfold" first, and holds a lock on it (flock, which the kernel takes back however the
 * run ends) as long as it writes.  The marker tells a directory of ours from one that only has files of such names, and
 * the next run who is in the way; it stays when the run has ended, and says then whether the run began with a model,
 * which a run without a checkpoint must be given to start again.
 */
#ifndef BITFOLD_TRAIN_RUN_FOLDER_H
#define BITFOLD_TRAIN_RUN_FOLDER_H

#include "train/config.h"

typedef enum {
    RUN_NEW,     /* the folder must not exist */
    RUN_REPLACE, /* what an earlier run left there goes */
    RUN_RESUME,  /* it must be the folder of an earlier run, which goes on, or starts again if it had not begun */
} RunMode;

typedef struct {
    RunMode mode;
    bool row;           /* one of a table's: it goes with the table */
    const char *source; /* a model that the run starts from: no folder that it lies in is replaced; NULL: none */
    bool resumable;     /* the verb knows --resume: messages name it */
    int argc;           /* the command, for whom this run is in the way */
    char *const *argv;
} RunTerms;

typedef struct {
    Arena *arena;
    const char *path;
    const char *note;    /* something the user should know; NULL: nothing */
    bool goes_on;        /* RUN_RESUME, and there is a config.json to go on with */
    bool was_from_model; /* the run that is there began with a model, as its marker says */
    bool from_model;     /* so does this one: may be set until it begins; one that goes on: the same */
    /* the rest is run_folder.c's own */
    RunMode mode;
    bool row, open, begun, made_marker;
    int fd, made_folders;
    const char *who; /* the process and its command */
} RunFolder;

/* Whether `path` is the folder or lies in it, whatever names and symbolic links lead there. */
bool run_folder_holds(const char *folder, const char *path);

/* Makes the folder and takes it for this run; changes nothing in it.  STATUS_STATE: it exists (RUN_NEW), is not a
 * run's, or another run holds it, whose process and command the message names. */
Status run_folder_open(Arena *arena, const char *path, const RunTerms *terms, RunFolder *f);

/* From here on the folder is this run's.  What an earlier one left goes (of a run that goes on, only files half
 * written), the resolved config.json is written. */
Status run_folder_begin(RunFolder *f, const Config *config);

/* Gives the folder back; safe if it was never opened.  After a failure (status, which is returned with its message) a
 * folder that holds nothing to go on from (run_files_kept) and nothing but a run's files is removed, unless the run was
 * interrupted, and one that was not begun is as it was. */
Status run_folder_end(RunFolder *f, Status status);

/* The mode that options ask for. */
static inline RunMode run_mode(bool overwrite, bool resume)
{
    return resume ? RUN_RESUME : overwrite ? RUN_REPLACE : RUN_NEW;
}

#endif
