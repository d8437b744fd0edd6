/* fetch: public data sets, verified. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/fetch.h"

static Status run_fetch(Arena *arena, const Options *o, int *exit_code)
{
    cli_catch_signals();
    const Status status = fetch_run(arena, o->argument[0], o->dir, o->quiet);
    if (status == STATUS_INTERRUPTED) {
        fprintf(stderr, "bitfold: %s\n", status_message());
        *exit_code = 128 + (cli_stop == 0 ? SIGTERM : (int)cli_stop);
    }
    return status;
}

const Verb verb_fetch = {"fetch", "mnist|fashion-mnist|cifar10", "Downloads a data set and checks every file of it", "D", 1, 1,
                         run_fetch};
