#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "deploy/onnx/import_onnx.h"
#include "deploy/tflite/tflite_model.h"
#include "tests/random/random.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/random_graph.h"
#include "tests/support/tflite_interpreter.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"

static bool broken(const Net *net, const char *target, const char *why)
{
    printf("net %d: %s: %s\n", net->number, target, why);
    return false;
}

static const char *path_of(const Net *net, const char *name) { return file_join(net->arena, net->folder, name); }

/* bitfold COMMAND of the model in a rounding.  1: done; 0: refused in one sentence, which is counted; -1: broken. */
static int of_model(const Net *net, Tally *tally, Rounding d, const char *command, const char **last)
{
    const char *text = arena_printf(net->arena, "%s --set quant.dialect=%s", command, rounding_names[d]);
    const int code = net_run(net, last, text);
    if (code == 0) return 1;
    const bool refused = code == 1 || code == 2;
    tally->refused += refused;
    if (refused && getenv("REFUSALS") != NULL) printf("net %d: %s refused: %s\n", net->number, tally->name, *last);
    if (!refused) broken(net, command, *last);
    return refused ? 0 : -1;
}

/* n codes of so many bytes each. */
static bool count(const Net *net, Tally *tally, const char *what, const void *a, const void *b, long n, size_t bytes)
{
    long different = 0;
    for (long i = 0; i < n; i++)
        different += memcmp((const char *)a + (size_t)i * bytes, (const char *)b + (size_t)i * bytes, bytes) != 0;
    tally->values += n;
    tally->different += different;
    if (different != 0)
        return broken(net, tally->name, arena_printf(net->arena, "%s: %ld of %ld codes differ", what, different, n));
    return true;
}

/* Floats of another order of sums: within 1e-5 of the largest, or a step of the format. */
static bool count_floats(const Net *net, Tally *tally, const GraphTensor *t, const float *a, const double *b)
{
    static const double steps[FORMATS] = {[FORMAT_FLOAT16] = 0x1p-10, [FORMAT_BFLOAT16] = 0x1p-7};
    const long n = graph_tensor_elements(t);
    double most = 0.0;
    long different = 0;
    for (long i = 0; i < n; i++) most = fmax(most, fabs(b[i]));
    for (long i = 0; i < n; i++) different += !(fabs((double)a[i] - b[i]) <= most * (1e-5 + steps[t->format]));
    tally->values += n;
    tally->different += different;
    if (different == 0) return true;
    return broken(net, tally->name, arena_printf(net->arena, "%s: %ld of %ld floats differ", t->name, different, n));
}

/* The model's integers in a rounding, what they answer to random images, and files for others. */
typedef struct {
    Graph *g;
    Engine *engine;
    const int8_t *images;
    int8_t *logits;     /* the bytes of codes */
    long input, output; /* codes of an image */
    size_t code_bytes;  /* of logits: 1 or 2 */
    const char *path;
} Integers;

static bool has_wide(const Graph *g)
{
    bool any = false;
    for (int t = 0; t < g->tensors; t++) any = any || graph_tensor_is_wide(&g->tensor[t]);
    return any;
}

static int integers(const Net *net, Tally *tally, Rounding d, Integers *out)
{
    const char *last, *name = arena_printf(net->arena, "%s.safetensors", rounding_names[d]);
    const int done =
        of_model(net, tally, d, arena_printf(net->arena, "export run/last.safetensors -o %s", name), &last);
    if (done != 1) return done;
    *out = (Integers){.path = path_of(net, name)};
    if (graph_read(net->arena, out->path, &out->g) != STATUS_OK ||
        engine_create(net->arena, out->g, RANDOM_IMAGES, &out->engine) != STATUS_OK) {
        broken(net, tally->name, status_message());
        return -1;
    }
    if (random_net_is_wide(net->number) != has_wide(out->g)) {
        broken(net, tally->name, "codes of 16 bits where none were asked for, or none where they were");
        return -1;
    }
    out->images = random_images(net->arena, out->g, (uint64_t)net->number, RANDOM_IMAGES);
    out->input = graph_tensor_elements(&out->g->tensor[0]);
    out->output = out->g->classes;
    out->code_bytes = graph_tensor_is_wide(&out->g->tensor[out->g->output]) ? sizeof(int16_t) : sizeof(int8_t);
    out->logits = arena_alloc(net->arena, (size_t)(RANDOM_IMAGES * out->output) * out->code_bytes);
    engine_run(out->engine, out->images, RANDOM_IMAGES, out->logits);
    return 1;
}

/* The layers as they were trained against the engine, in every rounding, on the test images. */
static bool run_verify(const Net *net, Tally *tally)
{
    bool same = true;
    for (int d = 0; d < ROUNDINGS; d++) {
        const char *last;
        const int done = of_model(net, tally, (Rounding)d, "verify run/last.safetensors", &last);
        long values = 0, different = -1;
        const char *numbers = done == 1 ? strstr(last, rounding_names[d]) : NULL;
        if (numbers != NULL) numbers = strchr(numbers, ':');
        if (numbers == NULL || sscanf(numbers, ": %ld codes compared, %ld different", &values, &different) != 2)
            different = done == 0 ? 0 : -1;
        tally->nets += done == 1;
        tally->values += values;
        tally->different += different > 0 ? different : 0;
        if (different != 0) same = broken(net, "verify", last);
    }
    return same;
}

/* Tensor t of image k: the interpreter's against the engine's, whose floats it goes on with. */
static bool interpreted(const Net *net, Tally *tally, const Integers *n, NaiveModel *naive, int k, int t)
{
    const long elements = naive_elements(naive, t);
    const GraphTensor *tensor = &n->g->tensor[t];
    const int8_t *mine = engine_tensor(n->engine, t) + (size_t)k * graph_tensor_bytes(tensor);
    if (graph_tensor_is_float(tensor)) {
        const float *floats = (const void *)mine;
        const bool same = count_floats(net, tally, tensor, floats, naive_floats(naive, t));
        naive_set_floats(naive, t, floats);
        return same;
    }
    const size_t bytes = graph_tensor_is_wide(tensor) ? sizeof(int16_t) : sizeof(int8_t);
    int16_t *wide = arena_alloc(net->arena, sizeof *wide * (size_t)elements);
    int8_t *codes = (void *)wide;
    for (long i = 0; i < elements; i++)
        if (bytes == sizeof *wide)
            wide[i] = (int16_t)naive_codes(naive, t)[i];
        else
            codes[i] = (int8_t)naive_codes(naive, t)[i];
    return count(net, tally, naive_name(naive, t), mine, codes, elements, bytes);
}

/* Every tensor of the exported file by the interpreter that is written from its page. */
static bool run_interpreter(const Net *net, Tally *tally)
{
    bool same = true;
    for (int d = 0; d < ROUNDINGS; d++) {
        Integers n;
        const int done = integers(net, tally, (Rounding)d, &n);
        if (done != 1) {
            same &= done == 0;
            continue;
        }
        NaiveModel *naive = naive_open(n.path);
        if (naive == NULL) return broken(net, tally->name, "the file is not what its page describes");
        for (int k = 0; k < RANDOM_IMAGES; k++) {
            naive_image(naive, n.images + k * n.input);
            for (int i = 0; i < naive_nodes(naive); i++)
                same &= interpreted(net, tally, &n, naive, k, naive_step(naive, i));
        }
        naive_close(naive);
        tally->nets++;
    }
    return same;
}

static bool run_c(const Net *net, Tally *tally)
{
    bool same = true;
    for (int d = ROUNDING_TFLITE_SINGLE; d <= ROUNDING_TFLITE_DOUBLE; d++) {
        Integers n;
        const char *last;
        int done = integers(net, tally, (Rounding)d, &n);
        if (done == 1)
            done = of_model(net, tally, (Rounding)d,
                            "export run/last.safetensors --to c --option prefix=model --option floats=yes -o model.c",
                            &last);
        if (done != 1) {
            same &= done == 0;
            continue;
        }
        if (file_write(net->arena, path_of(net, "in.i8"), n.images, (size_t)(RANDOM_IMAGES * n.input)) != STATUS_OK)
            return broken(net, tally->name, status_message());
        const char *build = arena_printf(
            net->arena,
            "root=$PWD && cd %s && ${CC:-gcc} -std=c99 -O1 -Wall -Wextra -Wpedantic -Wconversion -Werror "
            "-DMODEL_SELF_TEST -I. -I\"$root/tests/interop/mcu\" model.c \"$root/tests/interop/mcu/main.c\" "
            "\"$root/tests/interop/mcu/host_stdio.c\" -o model && ./model in.i8 out.i8 %d >said.txt",
            net->folder, RANDOM_IMAGES);
        const size_t expected = (size_t)(RANDOM_IMAGES * n.output) * n.code_bytes;
        uint8_t *got;
        size_t bytes;
        if (system(build) != 0 || /* NOLINT: a command of this file */
            file_read(net->arena, path_of(net, "out.i8"), SIZE_MAX, &got, &bytes) != STATUS_OK || bytes != expected)
            return broken(net, tally->name, "does not compile or run");
        same &= count(net, tally, rounding_names[d], n.logits, got, RANDOM_IMAGES * n.output, n.code_bytes);
        tally->nets++;
    }
    return same;
}

/* What other runtimes are to run: NUMBER.FORMAT; .in: codes of images; .out, as float32: how many images, scale and zero
 * point of the logits, the codes of the engine's answers. */
static bool keep(const Net *net, const char *format, const char *file, const Integers *n)
{
    if (net->keep == NULL) return true;
    Arena *a = net->arena;
    const char *to = arena_printf(a, "%s/%d.%s", net->keep, net->number, format);
    const GraphTensor *y = &n->g->tensor[n->g->output];
    const long count = RANDOM_IMAGES * n->output;
    enum { HEAD = 3 };
    float *answers = ARENA_ARRAY(a, float, HEAD + count);
    answers[0] = RANDOM_IMAGES, answers[1] = y->scale, answers[2] = (float)y->zero_point;
    for (long i = 0; i < count; i++) answers[HEAD + i] = n->logits[i];
    uint8_t *model;
    size_t bytes;
    if (file_read(a, file, SIZE_MAX, &model, &bytes) == STATUS_OK && file_write(a, to, model, bytes) == STATUS_OK &&
        file_write(a, arena_printf(a, "%s.in", to), n->images, (size_t)(RANDOM_IMAGES * n->input)) == STATUS_OK &&
        file_write(a, arena_printf(a, "%s.out", to), answers, sizeof *answers * (size_t)(HEAD + count)) == STATUS_OK)
        return true;
    return broken(net, format, status_message());
}

/* Of each tensor of the file that is one of the graph, in floats: the engine's for image k. */
static const float *const *known_floats(const Net *net, const Integers *n, const TfliteModel *m, int k)
{
    const float **known = ARENA_ARRAY(net->arena, const float *, m->tensors);
    for (int t = 0; t < n->g->tensors; t++)
        for (int i = 0; graph_tensor_is_float(&n->g->tensor[t]) && i < m->tensors; i++)
            if (strcmp(m->tensor[i].name, n->g->tensor[t].name) == 0)
                known[i] = (const float *)(const void *)engine_tensor(n->engine, t) +
                           k * graph_tensor_elements(&n->g->tensor[t]);
    return known;
}

/* The file's operators by the interpreter that knows nothing of our graphs. */
static bool run_tflite(const Net *net, Tally *tally)
{
    const Rounding d = ROUNDING_XNNPACK;
    Integers n;
    if (random_net_is_wide(net->number)) return true; /* the interpreter knows int8 alone */
    const char *last, *path = path_of(net, "model.tflite");
    int done = integers(net, tally, d, &n);
    if (done == 1) done = of_model(net, tally, d, "export run/last.safetensors -o model.tflite", &last);
    if (done != 1) return done == 0;
    TfliteModel *m;
    uint8_t *file;
    size_t bytes;
    if (file_read(net->arena, path, SIZE_MAX, &file, &bytes) != STATUS_OK ||
        tflite_check(net->arena, file, bytes, path, &m) != STATUS_OK)
        return broken(net, tally->name, status_message());
    const bool floats = random_net_in_floats(net->number);
    bool same = keep(net, floats ? "floats.tflite" : "tflite", path, &n);
    for (int k = 0; k < RANDOM_IMAGES; k++) {
        int8_t **value = tflite_run_knowing(net->arena, m, d, n.images + k * n.input, known_floats(net, &n, m, k));
        same &= count(net, tally, "logits", n.logits + k * n.output, value[m->output[0]], n.output, 1);
    }
    tally->nets++;
    return same;
}

/* QDQ in both forms, read back: the same integers. */
static bool run_onnx(const Net *net, Tally *tally)
{
    static const char *const forms[] = {"int8", "uint8"};
    const Rounding d = ROUNDING_ONNXRUNTIME;
    bool same = true;
    Integers n;
    if (random_net_in_floats(net->number)) return true; /* such files are not imported */
    if (random_net_is_wide(net->number)) return true;   /* nor are such written */
    int done = integers(net, tally, d, &n);
    if (done != 1) return done == 0;
    for (int i = 0; i < 2; i++) {
        const char *last, *path = path_of(net, arena_printf(net->arena, "%s.onnx", forms[i]));
        done = of_model(net, tally, d,
                        arena_printf(net->arena,
                                     "export run/last.safetensors --option input=codes --option layout=nhwc "
                                     "--option activations=%s -o %s.onnx",
                                     forms[i], forms[i]),
                        &last);
        if (done != 1) {
            same &= done == 0;
            continue;
        }
        ImportedModel imported;
        Engine *engine;
        if (import_onnx(net->arena, path, &imported) != STATUS_OK || imported.graph == NULL)
            return broken(net, tally->name, status_message());
        imported.graph->rounding = d;
        if (graph_check(imported.graph) != STATUS_OK ||
            engine_create(net->arena, imported.graph, RANDOM_IMAGES, &engine) != STATUS_OK)
            return broken(net, tally->name, status_message());
        int8_t *logits = arena_alloc(net->arena, (size_t)(RANDOM_IMAGES * n.output));
        engine_run(engine, n.images, RANDOM_IMAGES, logits);
        same &= count(net, tally, forms[i], n.logits, logits, RANDOM_IMAGES * n.output, 1);
        same &= keep(net, arena_printf(net->arena, "%s.onnx", forms[i]), path, &n);
        tally->nets++;
    }
    return same;
}

const Target random_targets[] = {{"verify", run_verify},
                                 {"second interpreter", run_interpreter},
                                 {"C", run_c},
                                 {"TFLite, read back", run_tflite},
                                 {"ONNX, read back", run_onnx},
                                 {NULL, NULL}};
