/* Runs the real program, for what only a process shows: exit codes, stdout, stderr, signals, files left behind.
 * The program is $BITFOLD, else build/release/bitfold. */
#ifndef BITFOLD_TESTS_SUPPORT_PROGRAM_H
#define BITFOLD_TESTS_SUPPORT_PROGRAM_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"

typedef struct {
    const char *folder;      /* working directory */
    const char *environment; /* one more "NAME=value", or NULL */
    size_t file_limit_bytes; /* RLIMIT_FSIZE: a disk that is full; 0: none */
} Where;

typedef struct {
    int code;       /* exit code; 128 + n: ended by signal n */
    bool signalled; /* by a signal, that is, not by exit() */
    char *out, *err;
    long peak_kib; /* the most memory it had resident at once */
} Outcome;

/* `command`: the arguments, separated by single spaces. */
Outcome program_run(Arena *arena, const Where *where, const char *command);

/* The same in two halves, to do something meanwhile. */
typedef struct {
    pid_t id;
    int out, err;
} Running;
Running program_start(Arena *arena, const Where *where, const char *command);
Outcome program_wait(Arena *arena, Running running);

/* Runs a command that must succeed (the message shows what it said) and gives its stdout. */
char *program_must(Arena *arena, const char *folder, const char *command);

/* The same with --json: stdout must be exactly one JSON object, ended by a newline.  The caller frees it. */
cJSON *program_json(Arena *arena, const char *folder, const char *command);

/* Runs a command that must end with exit code 1 and say `words` on stderr. */
void program_refuses(Arena *arena, const char *folder, const char *command, const char *words);
/* Every file and folder below `folder`, one a line with its size and CRC, sorted; those below folder/`without` (NULL:
 * none) are left out. */
char *folder_listing(Arena *arena, const char *folder, const char *without);

/* The text with its first `from`, which it must have, as `to`. */
char *text_with(Arena *arena, const char *text, const char *from, const char *to);
/* The number of lines of a text; one without an end counts. */
int line_count(const char *text);

/* A config with every kind of layer and a synthetic data set that trains in a moment: "zoo.json". */
extern const char zoo_config[];
void put_text(const char *folder, const char *name, const char *text);

#endif
