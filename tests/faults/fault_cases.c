#include "tests/faults/fault_cases.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/faults/tracer.h"
#include "tests/support/data_files.h"

#define TRAIN "train c.json --quiet --threads 1 --out r"
#define QAT "qat float/last.safetensors --quiet --threads 1 --out r"
#define PTQ "ptq float/last.safetensors --quiet --threads 1 --out r"
#define SEARCH(verb, asked) verb " float/last.safetensors --images 8 --quiet --threads 1 --out r " asked
#define COMPARE "compare c.json --quiet --threads 1 --out r"
#define OTHER "ptq other/last.safetensors --quiet --out r --set quant.dialect=tflite-single"

const FaultCase fault_cases[] = {
    {"train", NULL, TRAIN, "--resume", "--overwrite"},
    {"train-over", "train c.json --quiet --out r --seed 9", TRAIN " --overwrite", NULL, "--overwrite"},
    {"train-over-table", "compare float/last.safetensors --quiet --out r", TRAIN " --overwrite", NULL, "--overwrite"},
    {"qat", NULL, QAT, "--resume", "--overwrite"},
    {"qat-scratch", NULL, "qat c.json --quiet --threads 1 --out r", "--resume", "--overwrite"},
    {"ptq", NULL, PTQ, NULL, "--overwrite"},
    {"ptq-over", OTHER, PTQ " --overwrite", NULL, "--overwrite"},
    {"compare", NULL, COMPARE, "--resume", "--overwrite"},
    {"compare-over", "compare c.json --quiet --out r --seed 9", COMPARE " --overwrite", NULL, "--overwrite"},
    {"sensitivity", NULL, SEARCH("sensitivity", "--formats 4"), "--resume", "--overwrite"},
    {"partial", NULL, SEARCH("partial", "--format 2 --tolerance 0"), "--resume", "--overwrite"},
    {"search", NULL, SEARCH("search", "--flash 800 --formats 8,4 --qat"), "--resume", "--overwrite"},
    {"search-learned", NULL, SEARCH("search", "--flash 800 --method learned"), "--resume", "--overwrite"},
    {"prune", NULL, SEARCH("prune", "--macs 0.7 --steps 2 --epochs 1"), NULL, "--overwrite"},
    {"distillation", NULL, QAT " --set qat.teacher=float", "--resume", "--overwrite"},
    {"workflow", NULL, "workflow c.json --tolerance 100 --flash 800 --images 8 --quiet --threads 1 --out r", "--resume",
     "--overwrite"},
    {"import-float", NULL, "import f.onnx -o r", NULL, "--overwrite"},
    {"import-int8", NULL, "import q.onnx -o r", NULL, "--overwrite"},
    {"import-over", OTHER, "import q.onnx -o r --overwrite", NULL, "--overwrite"},
    {"export-c", "export other8/model.safetensors -o r/m.c", "export p/model.safetensors -o r/m.c", NULL, ""},
    {"export-safetensors", "export other8/model.safetensors -o r/m.safetensors",
     "export p/model.safetensors -o r/m.safetensors", NULL, ""},
    {"export-tflite", "export other8/model.safetensors -o r/m.tflite", "export p/model.safetensors -o r/m.tflite", NULL,
     ""},
    {"export-onnx", "export other8/model.safetensors -o r/m.onnx", "export p/model.safetensors -o r/m.onnx", NULL, ""},
    {"export-float", "export other/last.safetensors --float -o r/m.onnx",
     "export float/last.safetensors --float -o r/m.onnx", NULL, ""},
    {"eval-dump", NULL, "eval p/model.safetensors --threads 1 --images 4 --dump r --layers", NULL, ""},
    {"predict-dump", NULL, "predict p/model.safetensors a.png --threads 1 --dump r", NULL, ""},
    {"fetch", NULL, "fetch mnist --quiet --dir r", NULL, ""},
    {.name = NULL},
};

static const char config[] =
    "{\"seed\": 3,\n"
    " \"data\": {\"dataset\": \"synthetic\", \"classes\": 3, \"synthetic_train\": 40, \"synthetic_test\": 12,\n"
    "          \"validation\": 0.2, \"normalize\": {\"mean\": 0.5019607843137255, \"std\": 0.25}},\n"
    " \"model\": {\"input\": [8, 8, 1], \"layers\": [\n"
    "  {\"type\": \"conv2d\", \"name\": \"c\", \"filters\": 4, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},\n"
    "  {\"type\": \"maxpool\", \"name\": \"p\", \"kernel\": 2},\n"
    "  {\"type\": \"flatten\", \"name\": \"f\"},\n"
    "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]},\n"
    " \"train\": {\"epochs\": 2, \"batch\": 16, \"checkpoint_every\": 1},\n"
    " \"ptq\": {\"images\": 16}, \"qat\": {\"epochs\": 2, \"lr\": 0.01},\n"
    " \"compare\": {\"ptq_bits\": 8, \"qat_bits\": [8], \"observers\": \"minmax\", \"granularities\": "
    "\"per_channel\"}}\n";

static void put(const char *folder, const char *name, const char *text) { put_bytes(folder, name, text, strlen(text)); }

/* fetch knows its files by their MD5: here a file is its own digest, and the tools take it at its word. */
static void put_mirror(Arena *arena, const char *folder)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    static const char *const md5[] = {"6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
                                      "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"};
    for (int i = 0; i < 4; i++) put_gzip(folder, arena_printf(arena, "mirror/%s.gz", names[i]), md5[i], strlen(md5[i]));
    put(folder, "bin/md5sum", "#!/bin/sh\n/bin/cat\n");
    put(folder, "bin/curl",
        arena_printf(arena,
                     "#!/bin/sh\nto=\nfor word; do\n  if [ \"$last\" = --output ]; then to=$word; fi\n  last=$word\n"
                     "done\nexec /bin/cp \"%s/mirror/${last##*/}\" \"$to\"\n",
                     folder));
    chmod(file_join(arena, folder, "bin/md5sum"), 0755);
    chmod(file_join(arena, folder, "bin/curl"), 0755);
}

void fault_base(Arena *arena, const char *folder)
{
    uint8_t pixels[64];
    for (int i = 0; i < 64; i++) pixels[i] = (uint8_t)(4 * i);
    put(folder, "c.json", config);
    put_png(folder, "a.png", &(Picture){.w = 8, .h = 8, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
    put_mirror(arena, folder);
    static const char *const commands[] = {
        "train c.json --quiet --out float",
        "train c.json --quiet --out other --seed 9",
        "ptq float/last.safetensors --quiet --out p --set quant.dialect=tflite-single",
        "ptq other/last.safetensors --quiet --out other8 --set quant.dialect=tflite-single",
        "ptq float/last.safetensors --quiet --out o --set quant.dialect=onnxruntime",
        "export float/last.safetensors --float -o f.onnx",
        "export o/model.safetensors -o q.onnx"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) fault_must(arena, folder, commands[i]);
}

char **fault_argv(Arena *arena, const char *command)
{
    const char *program = getenv("BITFOLD");
    char **argv = ARENA_ARRAY(arena, char *, strlen(command) + 3);
    int n = 0;
    argv[n++] = realpath(program == NULL ? "build/release/bitfold" : program, arena_zalloc(arena, 4097));
    char *rest = arena_strdup(arena, command);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0') argv[n++] = word;
    return argv;
}

char **fault_environment(Arena *arena, const char *folder)
{
    char **all = ARENA_ARRAY(arena, char *, 8);
    int n = 0;
    all[n++] = arena_printf(arena, "PATH=%s/bin", folder); /* no gnuplot, which would take most of the time */
    all[n++] = arena_printf(arena, "TMPDIR=%s", folder);
    all[n++] = arena_strdup(arena, "OMP_WAIT_POLICY=passive");
    static const char *const passed[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "BITFOLD_ISA"};
    for (int i = 0; i < 3; i++)
        if (getenv(passed[i]) != NULL) all[n++] = arena_printf(arena, "%s=%s", passed[i], getenv(passed[i]));
    return all;
}

void fault_must(Arena *arena, const char *folder, const char *command)
{
    const Traced t = traced_run(arena, folder, fault_argv(arena, command), fault_environment(arena, folder),
                                &(Fault){.kind = FAULT_NONE});
    if (t.code == 0) return;
    fprintf(stderr, "faults: bitfold %s: exit %d: %s\n", command, t.code, t.err);
    exit(1);
}
