#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/field.h"

typedef struct {
    char letter; /* what Verb.options lists; upper case: every verb has it */
    const char *name, *value, *doc;
    size_t offset;
    enum { TEXT, FLAG, NUMBER, LIST, SEED } kind;
    int min, max;
} Option;

static const Option option_table[] = {
    {'e', "engine", "ENGINE", "float, sim (the layers' own forward) or int8 (the integer engine)",
     offsetof(Options, engine), TEXT, 0, 0},
    {'p', "split", "SPLIT", "train, validation or test (default)", offsetof(Options, split), TEXT, 0, 0},
    {'E', "data", "DIR",
     "instead of the config's data: all pictures of DIR, a subfolder for each class, by the names of the model's "
     "classes; or files of the kind the config's data are",
     offsetof(Options, data), TEXT, 0, 0},
    {'0', "against", "MODEL",
     "hold MODEL's answers against this other model's instead of the labels: how far a quantized network is from float",
     offsetof(Options, against), TEXT, 0, 0},
    {'t', "to", "FORMAT", "safetensors, onnx, tflite, c (default: what FILE's extension says)", offsetof(Options, to),
     TEXT, 0, 0},
    {'O', "option", "KEY=VALUE", "an option of the format; may be repeated", offsetof(Options, options), LIST, 0, 0},
    {'F', "float", NULL, "the float network instead of the integers", offsetof(Options, floats), FLAG, 0, 0},
    {'o', "output", "FILE", "where to write; also -o", offsetof(Options, output), TEXT, 0, 0},
    {'d', "dump", "DIR", "each layer's codes of the first image, as .npy and as a C array", offsetof(Options, dump),
     TEXT, 0, 0},
    {'a', "dump", "DIR",
     "what went in and what came out, as raw files described by DIR/tensors.json: pixels.u8, labels.i32, input.i8 and "
     "the logits' codes (float: input.f32 and the logits)",
     offsetof(Options, dump), TEXT, 0, 0},
    {'l', "layers", NULL, "--dump: every layer's codes too", offsetof(Options, layers), FLAG, 0, 0},
    {'n', "images", "N", "only N images of the split: the first, of a folder of pictures spread over the classes",
     offsetof(Options, images), NUMBER, 1, INT_MAX},
    {'D', "dir", "DIR", "where the data set goes (default data/NAME)", offsetof(Options, dir), TEXT, 0, 0},
    {'m', "mode", "MODE", "float (default) or qat: training steps; int8: the integer engine", offsetof(Options, mode),
     TEXT, 0, 0},
    {'b', "batch", "N", "images a step (default: the config's; int8: 1)", offsetof(Options, batch), NUMBER, 1, 65536},
    {'k', "steps", "K", "steps to time (default 20; int8: about a second)", offsetof(Options, steps), NUMBER, 1,
     1000000},
    {'u', "steps", "N", "how many rates are tried, a step each (default 200)", offsetof(Options, steps), NUMBER, 20,
     100000},
    {'f', "frozen", NULL,
     "qat: time the later phase, batch norm and ranges frozen, the deployment's integers; default: the first phase, "
     "batch statistics and observers on",
     offsetof(Options, frozen), FLAG, 0, 0},
    {'i', "interleave", NULL,
     "one measurement for each line on standard input, a JSON line after each: to take turns with another program",
     offsetof(Options, interleave), FLAG, 0, 0},
    {'g', "target", "TARGET",
     "inspect: what the model costs there: c (exported C: flash, RAM, instructions by layer); workflow: where it is to "
     "run (quant.target; default c)",
     offsetof(Options, target), TEXT, 0, 0},
    {'Y', "formats", "LIST", "formats to try, with commas between them (default int8,int4,int2)",
     offsetof(Options, formats), TEXT, 0, 0},
    {'Z', "parts", "LIST", "of weights, activations, both (default: all three)", offsetof(Options, parts), TEXT, 0, 0},
    {'L', "tolerance", "X", "by how much the metric may be worse than float's: points of accuracy",
     offsetof(Options, tolerance), TEXT, 0, 0},
    {'B', "format", "FORMAT", "what layers get (default int8)", offsetof(Options, format), TEXT, 0, 0},
    {'K', "keep", "FORMAT", "what those that bear it worst keep (default float32)", offsetof(Options, keep), TEXT, 0,
     0},
    {'R', "order", "NAME",
     "what tells how badly a layer bears a format: loss (search: also kl, its default for classes), as it is measured, "
     "or a "
     "predictor",
     offsetof(Options, order), TEXT, 0, 0},
    {'G', "method", "NAME", "how formats are found: exact (default), lagrange, greedy, binary, pareto, learned",
     offsetof(Options, method), TEXT, 0, 0},
    {'z', "minimize", "COST", "with --tolerance, what is to be small: flash (default), cycles, bops, latency",
     offsetof(Options, minimize), TEXT, 0, 0},
    {'H', "macs", "X",
     "at most so many multiplications of one image: a share of what it takes, as 0.5 (so of --flash, --ram and "
     "--cycles, "
     "too), or a number, as 6M",
     offsetof(Options, macs), TEXT, 0, 0},
    {'h', "score", "NAME",
     "what a channel is worth: taylor (default; the loss it is thought to change), l1 of its weights, gamma of batch "
     "norm",
     offsetof(Options, score), TEXT, 0, 0},
    {'1', "steps", "N", "remove them in N steps, the budgets getting smaller (default 1)", offsetof(Options, steps),
     NUMBER, 1, 1000},
    {'v', "epochs", "N", "train so many epochs after each step (default 0: none)", offsetof(Options, epochs), NUMBER, 0,
     100000},
    {'N', "flash", "BYTES", "at most so much flash for weights, biases and tables; 32K is 32 KiB",
     offsetof(Options, flash), TEXT, 0, 0},
    {'U', "ram", "BYTES", "at most so large an arena", offsetof(Options, ram), TEXT, 0, 0},
    {'C', "cycles", "N", "at most so many instructions on a Cortex-M4; 5M is five million", offsetof(Options, cycles),
     TEXT, 0, 0},
    {'P', "bops", "N", "at most so many bit operations", offsetof(Options, bops), TEXT, 0, 0},
    {'y', "latency", "TIME", "at most so long for one image on this machine, one thread: 500us, 0.5ms",
     offsetof(Options, latency), TEXT, 0, 0},
    {'q', "qat", NULL, "then train the network that was found, into DIR/qat", offsetof(Options, qat), FLAG, 0, 0},
    {'W', "entries", "LIST", "a codebook in place of a scheme: rising numbers, commas between",
     offsetof(Options, entries), TEXT, 0, 0},
    {'I', "scheme", "SCHEME", "symmetric (default), affine, absmax or zeropoint", offsetof(Options, scheme), TEXT, 0,
     0},
    {'V', "bits", "N", "bits of a code, 2 to 8 (default 8)", offsetof(Options, bits), NUMBER, 2, 8},
    {'X', "axis", "K", "a grid for each index along axis K (default: one for the tensor)", offsetof(Options, axis),
     TEXT, 0, 0},
    {'j', "points", "N", "points of a side of the plane, odd (default 15)", offsetof(Options, points), NUMBER, 3, 101},
    {'2', "prompt", "TEXT", "what the text begins with", offsetof(Options, prompt), TEXT, 0, 0},
    {'3', "bytes", "N", "how many bytes follow (default 200)", offsetof(Options, bytes), NUMBER, 1, 1000000},
    {'4', "temperature", "X",
     "0 (default): always the likeliest byte; else drawn of the softmax of the scores over X, by --seed",
     offsetof(Options, temperature), TEXT, 0, 0},
    {'M', "markdown", NULL, "as a page for docs/", offsetof(Options, markdown), FLAG, 0, 0},
    {'S', "schema", NULL, "as a JSON Schema", offsetof(Options, schema), FLAG, 0, 0},
    {'r', "out", "DIR",
     "the run directory (default runs/NAME; train MODEL: runs/NAME-tuned, qat: runs/NAME-qat, ptq: runs/NAME-ptq and "
     "so on)",
     offsetof(Options, out), TEXT, 0, 0},
    {'w', "overwrite", NULL, "replace a run directory that exists", offsetof(Options, overwrite), FLAG, 0, 0},
    {'c', "resume", NULL, "continue the run in --out from its last checkpoint", offsetof(Options, resume), FLAG, 0, 0},
    {'A', "allow-changed", NULL,
     "--resume: go on with another config, other data or kernels than the run began with; run.json notes it",
     offsetof(Options, allow_changed), FLAG, 0, 0},
    {'s', "set", "a.b.c=VALUE", "override any key of the config; may be repeated", offsetof(Options, sets), LIST, 0, 0},
    {'x', "seed", "N", "the same as --set seed=N", offsetof(Options, sets), SEED, 0, 0},
    {'T', "threads", "N", "threads (default: all cores); no result depends on it, times do", offsetof(Options, threads),
     NUMBER, 1, 256},
    {'J', "json", NULL, "one JSON object on stdout", offsetof(Options, json), FLAG, 0, 0},
    {'Q', "quiet", NULL, "no progress", offsetof(Options, quiet), FLAG, 0, 0},
};
enum { OPTIONS = (int)(sizeof option_table / sizeof option_table[0]), HELP = 1000 };

static bool accepts(const Verb *verb, const Option *o)
{
    return strchr("TJQ", o->letter) != NULL || strchr(verb->options, o->letter) != NULL;
}

static void help(const Verb *verb)
{
    cli_print("usage: bitfold %s %s [OPTION...]\n\n%s.\n\n", verb->name, verb->arguments, verb->doc);
    for (int i = 0; i < OPTIONS; i++) {
        const Option *o = &option_table[i];
        if (!accepts(verb, o)) continue;
        char head[64];
        snprintf(head, sizeof head, "--%s%s%s", o->name, o->value == NULL ? "" : " ", o->value == NULL ? "" : o->value);
        cli_print("  %-20s %s\n", head, o->doc);
    }
}

static int usage_fail(const Verb *verb, const char *problem, const char *given, const char *rule)
{
    if (rule == NULL)
        cli_note("bitfold %s: %s%s; see bitfold %s --help\n", verb->name, problem, given, verb->name);
    else
        cli_note("bitfold %s: %s%s; %s (bitfold %s --help)\n", verb->name, problem, given, rule, verb->name);
    return EXIT_USAGE;
}

static int take_number(const Verb *verb, const Option *o, const char *text, int *to)
{
    char *end;
    errno = 0;
    const long v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < o->min || v > o->max) {
        cli_note("bitfold %s: --%s: \"%s\"; must be an integer, %d to %d\n", verb->name, o->name, text, o->min, o->max);
        return EXIT_USAGE;
    }
    *to = (int)v;
    return -1;
}

/* To a NULL-ended list with room for every argument. */
static void append(const char **list, const char *text)
{
    while (*list != NULL) list++;
    *list = text;
}

/* "-0.5" is an argument of a verb that takes numbers: a blank before it hides it from getopt_long, and is taken away
 * again afterwards. */
static void hide_negative(Arena *arena, const Verb *verb, int argc, char **argv)
{
    if (strncmp(verb->arguments, "NUMBER", 6) != 0) return;
    for (int i = 2; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1] != '\0' && strchr("0123456789.", argv[i][1]) != NULL)
            argv[i] = arena_printf(arena, " %s", argv[i]);
}

int options_parse(Arena *arena, const Verb *verb, int argc, char **argv, Options *options)
{
    *options = (Options){
        .resumable = strchr(verb->options, 'c') != NULL, .argc = argc, .argv = ARENA_ARRAY(arena, char *, argc + 1)};
    memcpy(options->argv, argv,
           sizeof *argv * (size_t)argc); /* as typed: getopt_long moves the arguments to the end, after the options */
    options->sets = ARENA_ARRAY(arena, const char *, argc + 1);
    options->options = ARENA_ARRAY(arena, const char *, argc + 1);
    struct option table[OPTIONS + 2] = {{0}};
    const char *names[OPTIONS + 2];
    int n = 0;
    for (int i = 0; i < OPTIONS; i++) {
        if (!accepts(verb, &option_table[i])) continue;
        names[n] = option_table[i].name;
        table[n++] = (struct option){option_table[i].name,
                                     option_table[i].value != NULL ? required_argument : no_argument, NULL, 256 + i};
    }
    names[n] = "help";
    names[n + 1] = NULL;
    table[n] = (struct option){"help", no_argument, NULL, HELP};
    opterr = 0;
    optind = 2;
    hide_negative(arena, verb, argc, argv);
    const bool has_output = strchr(verb->options, 'o') != NULL;
    for (int c; (c = getopt_long(argc, argv, has_output ? ":ho:" : ":h", table, NULL)) != -1;) {
        if (c == 'h' || c == HELP) {
            help(verb);
            return EXIT_OK;
        }
        if (c == 'o') {
            options->output = optarg;
            continue;
        }
        if (c == ':') return usage_fail(verb, argv[optind - 1], "", "must have a value behind it");
        if (c == '?') {
            const char *given = argv[optind - 1], *nearest = nearest_name(given + strspn(given, "-"), names);
            return usage_fail(verb, "unknown option ", given,
                              nearest == NULL ? NULL : arena_printf(arena, "did you mean --%s?", nearest));
        }
        const Option *o = &option_table[c - 256];
        char *at = (char *)options + o->offset;
        int code = -1;
        switch (o->kind) {
        case TEXT:
            *(const char **)at = optarg;
            break;
        case FLAG:
            *(bool *)at = true;
            break;
        case NUMBER:
            code = take_number(verb, o, optarg, (int *)at);
            break;
        case LIST:
            append(*(const char ***)at, optarg);
            break;
        case SEED:
            append(*(const char ***)at, arena_printf(arena, "seed=%s", optarg));
            break;
        }
        if (code >= 0) return code;
    }
    if (options->allow_changed && !options->resume)
        return usage_fail(verb, "--allow-changed", "", "must stand beside --resume");
    options->argument = argv + optind;
    options->arguments = argc - optind;
    for (int i = optind; i < argc; i++) argv[i] += argv[i][0] == ' ' && argv[i][1] == '-';
    if (options->overwrite && options->resume)
        return usage_fail(verb, "--overwrite and --resume", "",
                          "one replaces the run, the other goes on with it: choose");
    if (options->arguments < verb->min_arguments)
        return usage_fail(verb, "missing ", verb->arguments, "it is required");
    if (verb->max_arguments >= 0 && options->arguments > verb->max_arguments)
        return usage_fail(verb, "too many arguments at ", options->argument[verb->max_arguments], NULL);
    return -1;
}
