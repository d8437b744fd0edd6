/* fetch: public data sets, verified. */
#include <stdio.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/fetch.h"

static Status run_fetch(Arena *arena, const Options *o, int *exit_code)
{
    cli_catch_signals();
    const Status status = fetch_run(arena, o->argument[0], o->dir, o->quiet);
    if (status == STATUS_INTERRUPTED) {
        cli_note("bitfold: %s\n", status_message());
        *exit_code = 128 + (cli_stop == 0 ? SIGTERM : (int)cli_stop);
    }
    TRY(status);
    if (!o->json) return STATUS_OK;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", o->argument[0]);
    cJSON_AddStringToObject(json, "folder", o->dir != NULL ? o->dir : file_join(arena, "data", o->argument[0]));
    cli_print_json(arena, json);
    return STATUS_OK;
}

const Verb verb_fetch = {
    "fetch", "mnist|fashion-mnist|cifar10", "Downloads a data set and checks every file of it", "D", 1, 1, run_fetch};
