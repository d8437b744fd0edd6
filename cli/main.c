#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/batch_share.h"
#include "base/cluster.h"
#include "base/field.h"
#include "base/parallel.h"
#include "cli/cli.h"
#include "quant/target.h"
#include "train/config_old_keys.h"
#include "train/follow.h"
#include "train/shared_job.h"
#include "cli/options.h"
#include "include/bitfold.h"
#include "kernels/kernels.h"

static void usage(void (*print)(const char *format, ...))
{
    print("bitfold %s: trains small CNNs with quantization in the loop and ships the integers it trained\n\n"
          "usage: bitfold VERB [ARGUMENT...] [OPTION...]\n\n",
          BITFOLD_VERSION);
    for (int i = 0; verbs[i] != NULL; i++)
        print("  %-9s %-24s %s\n", verbs[i]->name, verbs[i]->arguments, verbs[i]->doc);
    print("\nbitfold VERB --help tells the options of a verb. A CONFIG is a JSON file, a MODEL a .safetensors "
          "file that a\n"
          "verb wrote (its config.json lies next to it), or the run directory with it.\n");
}

static const Verb *find_verb(const char *name)
{
    for (int i = 0; verbs[i] != NULL; i++)
        if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[32];
    int n = 0;
    for (; verbs[n] != NULL; n++) names[n] = verbs[n]->name;
    names[n] = NULL;
    const char *nearest = nearest_name(name, names);
    cli_note("bitfold: \"%s\" is no verb; %s%s%s\n", name, nearest == NULL ? "see " : "did you mean \"",
             nearest == NULL ? "bitfold --help" : nearest, nearest == NULL ? "" : "\"?");
    return EXIT_USAGE;
}

/* What was printed may still wait in the buffer: a full disk shows only now. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) return code;
    cli_note("bitfold: standard output: cannot write: %s\n", strerror(errno));
    return code == EXIT_OK ? EXIT_FAIL : code;
}

/* At the end of a parallel region libgomp's threads either spin for milliseconds, and then next to another busy process
 * a step takes ten times as long, or sleep at once, and then short steps spend a third of their time on waking.  In
 * between: a spin of some ten microseconds.  libgomp reads its environment before main, so the program starts itself
 * once more with the variable set, unless the user chose. */
static const char *const SPINS = "2000";
static void wait_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL) return;
    if (setenv("GOMP_SPINCOUNT", SPINS, 1) == 0) execv("/proc/self/exe", argv);
}

/* A standard stream that is closed would leave its number to the first file opened, and what is printed would go into
 * that file. */
static bool open_standard_streams(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) fd = dup(fd);
    if (fd < 0) return false;
    close(fd);
    return true;
}

/* Assignments to keys that have another name now. */
static void note_old_keys(const Options *o)
{
    for (int i = 0; o->sets != NULL && o->sets[i] != NULL; i++) {
        const OldKey *key = config_assigned_old_key(o->sets[i]);
        if (key == NULL) continue;
        const char *value = strchr(o->sets[i], '=');
        const int rounding = value == NULL ? -1 : name_find(rounding_names, value + 1);
        if (key->was_rounding && rounding >= 0)
            cli_note("note: quant.dialect is the old name of quant.target: here quant.target=%s\n",
                     target_of((Rounding)rounding)->name);
        else if (!key->was_rounding)
            cli_note("note: %s.%s is the old name of %s.%s\n", key->section, key->old, key->section, key->name);
    }
}

/* Whether the processes that were started together have something to share. */
static Status check_ranks(const Verb *verb)
{
    static const char *const shared[] = {"train", "qat", NULL};
    const int ranks = cluster_ranks();
    if (ranks > 1 && name_find(shared, verb->name) < 0)
        return status_fail(STATUS_INVALID,
                           "%s: started as %d processes; must be started as one: train and qat alone "
                           "share their work",
                           verb->name, ranks);
    if (!batch_share_divides(ranks))
        return status_fail(STATUS_INVALID, "%s: started as %d processes; must be 1, 2, 4, 8 or 16 of them", verb->name,
                           ranks);
    return STATUS_OK;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        usage(cli_note);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        cli_print("bitfold %s\n", BITFOLD_VERSION);
        return finish(EXIT_OK);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(cli_print);
        return finish(EXIT_OK);
    }
    const Verb *verb = find_verb(argv[1]);
    if (verb == NULL) return unknown_verb(argv[1]);
    Arena *arena = arena_create();
    Options options;
    int code = options_parse(arena, verb, argc, argv, &options);
    if (code < 0) {
        const char *error = NULL;
        code = EXIT_OK;
        Status status = STATUS_OK;
        if (!kernels_select(NULL, &error))
            status = status_fail(STATUS_STATE, "BITFOLD_ISA=%s: %s", getenv("BITFOLD_ISA"), error);
        if (options.threads > 0) parallel_set_threads(options.threads);
        if (!options.quiet) note_old_keys(&options);
        if (status == STATUS_OK) status = check_ranks(verb);
        if (status == STATUS_OK) status = cli_find_model(arena, verb, &options);
        if (status == STATUS_OK) status = verb->run(arena, &options, &code);
        if (status != STATUS_OK && code == EXIT_OK) {
            cli_note("bitfold: %s\n", status_message());
            code = status == STATUS_INVALID ? EXIT_USAGE : EXIT_FAIL;
        }
    }
    arena_destroy(arena);
    return finish(code);
}

int main(int argc, char **argv)
{
    if (!open_standard_streams()) return EXIT_FAIL; /* and nowhere to say why */
    wait_briefly(argv);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is then an error of write(), like a full disk */
    cluster_begin();
    int code = EXIT_OK;
    if (cluster_rank() == 0) {
        code = run(argc, argv);
        shared_job_end();
    } else {
        signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN); /* which launchers send to all: rank 0 decides */
        train_follow();
    }
    cluster_end();
    return code;
}
