/* Runs a program and lets one of its file system calls fail, come short, or be the last thing it does.
 *
 * A tracer (ptrace, with a seccomp filter so that only these calls stop) sees what the kernel sees: the calls inside
 * stdio as well.  Only calls of the program itself count, of all its threads, from the first one that names a file of
 * the working directory on: what the loader does before main is not the program's.
 */
#ifndef BITFOLD_TESTS_FAULTS_TRACER_H
#define BITFOLD_TESTS_FAULTS_TRACER_H

#include <stdbool.h>

#include "base/arena.h"

typedef enum {
    FAULT_NONE,
    FAULT_KILL,  /* SIGKILL before the call */
    FAULT_ERROR, /* the call does nothing (close: closes) and gives `error` */
    FAULT_SHORT, /* a write takes half of what it was given */
} FaultKind;

typedef struct {
    FaultKind kind;
    long at;      /* the call, from 1 */
    bool forever; /* and all that follow, but what is written for the user: it is the disk that fails */
    int error;
    unsigned classes; /* calls of other classes are let through; they count all the same */
} Fault;

/* Classes of calls, for faults that only some can have. */
enum {
    CALL_SPACE = 1,     /* needs space on the disk: create, write, rename, make a folder */
    CALL_CHANGE = 2,    /* changes something, CALL_SPACE or not; also sync, lock, close */
    CALL_READ = 4,      /* reads or looks */
    CALL_WRITE = 8,     /* write itself */
    CALL_INTERRUPT = 16 /* may be interrupted by a signal */
};

typedef struct {
    int code; /* exit code, or 128 + signal */
    bool signalled;
    long calls;                   /* that counted */
    const unsigned char *classes; /* of each of them */
    const char *hit; /* the name of the call number `at`; NULL: it has no such class, or was never reached */
    char *err;       /* standard error */
} Traced;

/* `argv`: a NULL-ended command line, argv[0] a path; `environment`: NULL-ended, replaces this process's. */
Traced traced_run(Arena *arena, const char *folder, char *const *argv, char *const *environment, const Fault *fault);

/* Whether this machine permits it. */
bool traced_possible(void);

#endif
