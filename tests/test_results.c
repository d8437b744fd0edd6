/* The results that every build must give again.  bench/results.csv has the accuracy (of a regression R2), the parameters and the exports of
 * whole trainings, bench/curves.csv the loss of each of their steps.  RESULTS_WRITE=1 (`make results`) writes both anew,
 * so that a change of a result is a change of a file.  The last column, instructions on a Cortex-M4, is
 * tests/interop/instructions.sh's, which runs the C that is left in RESULTS_EXPORTS, a folder for each
 * line. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "train/model_task.h"
#include "train/recipe.h"

enum { STEPS = 50, MOST_SETS = 24, MOST_LINES = 1024 };

typedef struct {
    const char *name, *config;
    int batch;  /* of trainings of STEPS steps */
    bool curve; /* its losses are kept */
    const char *sets[6];
} Network;
static const Network networks[] = {
    {"lenet5", "configs/mnist_sample_lenet.json", 32, true, {NULL}},
    {"resnet8",
     "configs/cifar10_resnet8.json",
     8,
     true,
     {"data.dataset=synthetic", "data.classes=10", "data.synthetic_train=512", "data.synthetic_test=100"}},
    {"kws_dscnn", "configs/kws_dscnn.json", 16, true, {"data.synthetic_train=1024", "data.synthetic_test=100"}},
    {"mobilenetv1_025",
     "configs/vww_mobilenetv1_025.json",
     4,
     false,
     {"data.synthetic_train=256", "data.synthetic_test=50"}},
    {"bars", "configs/regression_bars.json", 32, true, {"data.synthetic_train=1600", "data.synthetic_test=200"}},
};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

typedef struct {
    const char *name;
    ModelKind kind;
    bool curve;
    const char *sets[3];
} Variant;
static const Variant variants[] = {
    {"float", MODEL_FLOAT, true, {NULL}}, /* the others start from it */
    {"ptq W8A8", MODEL_PTQ, false, {NULL}},
    {"qat W8A8", MODEL_QAT, true, {NULL}},
    {"qat W4A4", MODEL_QAT, false, {"quant.weights.bits=4", "quant.activations.bits=4"}},
    {"qat W2A2", MODEL_QAT, false, {"quant.weights.bits=2", "quant.activations.bits=2"}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static Arena *arena;
static const char *folder;

/* ---- the files --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *path, *head;
    int unchecked; /* columns at the end of a line that this program neither makes nor compares */
    int lines, read;
    const char *line[MOST_LINES], *file[MOST_LINES];
} Table;
static Table results = {.path = "bench/results.csv",
                        .head = "network,steps,kernels,variant,accuracy,parameters,c,tflite,onnx,flash_bytes,"
                                "ram_bytes,m4_instructions",
                        .unchecked = 1},
             curves = {.path = "bench/curves.csv", .head = "network,variant,step,loss"};

static void read_table(Table *t)
{
    unsigned char *data;
    size_t bytes;
    t->line[t->lines++] = t->head;
    if (file_read(arena, t->path, 1 << 20, &data, &bytes) != STATUS_OK) return;
    for (char *line = strtok((char *)data, "\n"); line != NULL && t->read < MOST_LINES; line = strtok(NULL, "\n"))
        t->file[t->read++] = line;
}

static void add_line(Table *t, const char *line)
{
    ck_assert_int_lt(t->lines, MOST_LINES);
    t->line[t->lines++] = line;
}

/* Bytes of a line of the file that are compared. */
static size_t compared(const Table *t, const char *line)
{
    const char *end = line + strlen(line);
    for (int i = 0; i < t->unchecked && end != line; i++)
        while (end > line && *--end != ',') {
        }
    return (size_t)(end - line);
}

/* The columns of a line in the file that this program does not make, with their comma: those of an equal line. */
static const char *kept(const Table *t, const char *line)
{
    for (int i = 1; i < t->read; i++) {
        const size_t n = compared(t, t->file[i]);
        if (n == strlen(line) && strncmp(line, t->file[i], n) == 0) return t->file[i] + n;
    }
    return t->unchecked > 0 ? ",-" : "";
}

static void write_table(const Table *t)
{
    FILE *f = fopen(t->path, "w");
    ck_assert_msg(f != NULL, "%s: cannot be written", t->path);
    fprintf(f, "%s\n", t->head);
    for (int i = 1; i < t->lines; i++) fprintf(f, "%s%s\n", t->line[i], kept(t, t->line[i]));
    ck_assert_int_eq(fclose(f), 0);
}

static void check_table(const Table *t)
{
    for (int i = 0; i < t->lines || i < t->read; i++) {
        const char *got = i < t->lines ? t->line[i] : "(nothing)", *want = i < t->read ? t->file[i] : "(nothing)";
        const size_t n = i == 0 || i >= t->read ? strlen(want) : compared(t, want);
        ck_assert_msg(strlen(got) == n && strncmp(got, want, n) == 0,
                      "%s, line %d: this build gives\n    %s\nthe file has\n    %s\n(if that is meant: make results)",
                      t->path, i + 1, got, want);
    }
}

static void finish_table(const Table *t)
{
    if (getenv("RESULTS_WRITE") != NULL)
        write_table(t);
    else
        check_table(t);
}

/* ---- one training ------------------------------------------------------------------------------------------------ */

typedef struct {
    const Network *network;
    const Variant *variant;
    bool whole; /* the config's own epochs */
    const Config *config;
    DataSplits data;
    Model *model;
} Training;

static void keep_loss(void *context, const TrainProgress *p)
{
    static double before; /* the progress has the epoch's mean, of batches of one size */
    const Training *t = context;
    const double sum = p->loss * (double)p->step, loss = sum - (p->step == 1 ? 0.0 : before);
    before = sum;
    if (!t->network->curve || !t->variant->curve || t->whole) return;
    add_line(&curves, arena_printf(arena, "%s,%s,%ld,%.7g", t->network->name, t->variant->name, p->step, loss));
}

static void configure(Training *t)
{
    const char *sets[MOST_SETS] = {NULL};
    int n = 0;
    for (int i = 0; t->network->sets[i] != NULL; i++) sets[n++] = t->network->sets[i];
    for (int i = 0; t->variant->sets[i] != NULL; i++) sets[n++] = t->variant->sets[i];
    if (!t->whole) {
        sets[n++] = arena_printf(arena, "train.batch=%d", t->network->batch);
        sets[n++] = arena_printf(arena, "data.train_limit=%d", t->network->batch * STEPS);
        sets[n++] = "train.epochs=1";
        sets[n++] = "qat.epochs=1";
    }
    Config *config;
    Status status = config_read(arena, t->network->config, sets, &config);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    t->config = config;
    status = experiment_data(arena, config, &t->data);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
}

static void train(Training *t, const Model *from)
{
    const Config *c = t->config;
    Status status = STATUS_OK;
    if (t->variant->kind == MODEL_FLOAT) {
        status = experiment_model(arena, c, NULL, &t->data, &t->model);
        if (status == STATUS_OK) model_init(t->model, c->seed);
    } else {
        const QuantConfig *quant = &c->quant;
        QuantConfig *observed = ARENA_ARRAY(arena, QuantConfig, 1);
        *observed = ptq_quant_config(arena, quant);
        status = quantize_from(arena, c, t->variant->kind == MODEL_PTQ ? observed : quant, from, &t->data, &t->model);
    }
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    if (t->variant->kind == MODEL_PTQ) return;
    const TrainJob job = {.config = c,
                          .data = &t->data,
                          .model = t->model,
                          .kind = t->variant->kind,
                          .progress = keep_loss,
                          .progress_context = t};
    TrainResult result;
    status = train_run(arena, &job, &result);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    if (!t->whole) ck_assert_int_eq(result.steps, STEPS);
}

/* ---- its line ---------------------------------------------------------------------------------------------------- */

static unsigned long parameters_crc(const Model *m)
{
    unsigned long crc = crc32(0, NULL, 0);
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        crc = crc32(crc, (const Bytef *)p->name, (uInt)strlen(p->name));
        crc = crc32(crc, (const Bytef *)p->x, (uInt)(sizeof(float) * (size_t)p->count));
    }
    for (int i = 0; i < m->layers; i++) {
        if (m->layer[i].norm == NULL) continue;
        const uInt bytes = (uInt)(sizeof(float) * (size_t)m->layer[i].gamma->count);
        crc = crc32(crc, (const Bytef *)m->layer[i].norm->mean, bytes);
        crc = crc32(crc, (const Bytef *)m->layer[i].norm->var, bytes);
    }
    for (int i = 0; i < m->quantizers; i++) {
        const QuantParams *q = &m->quantizer[i]->qp;
        crc = crc32(crc, (const Bytef *)q->scale, (uInt)(sizeof(float) * (size_t)q->n));
        crc = crc32(crc, (const Bytef *)&q->zero_point, sizeof q->zero_point);
    }
    return crc;
}

/* The CRC of the file that an exporter writes into the folder `to` for a rounding; "refused" where the format cannot hold
 * the graph. */
static const char *export_crc(Model *m, const char *exporter, Rounding rounding, const char *to)
{
    Graph *graph;
    ck_assert_msg(model_lower(arena, m, rounding, &graph) == STATUS_OK, "%s", status_message());
    const ExporterType *type = exporter_find(exporter);
    const char *path = arena_printf(arena, "%s/model%s", to, type->extension);
    const Status status = exporter_write(type, arena, graph, path, NULL);
    if (status == STATUS_UNSUPPORTED) return "refused";
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    unsigned char *data;
    size_t bytes;
    ck_assert_msg(file_read(arena, path, 1 << 26, &data, &bytes) == STATUS_OK, "%s", status_message());
    return arena_printf(arena, "%08lx", crc32(crc32(0, NULL, 0), data, (uInt)bytes));
}

static void add_result(Training *t, const char *isa)
{
    Graph *graph = NULL;
    EvalResult test;
    const char *c = "-", *tflite = "-", *onnx = "-", *cost = "-,-";
    const char *steps = t->whole ? "all" : arena_printf(arena, "%d", STEPS);
    if (t->model->quant != NULL) {
        const char *to = arena_printf(arena, "%s/%s,%s,%s,%s", folder, t->network->name, steps, isa, t->variant->name);
        ck_assert_msg(file_make_dir(to) == STATUS_OK, "%s", status_message());
        c = export_crc(t->model, "c", ROUNDING_TFLITE_SINGLE, to);
        tflite = export_crc(t->model, "tflite", ROUNDING_XNNPACK, to);
        onnx = export_crc(t->model, "onnx", ROUNDING_ONNXRUNTIME, to);
        ck_assert_int_eq(model_lower(arena, t->model, ROUNDING_TFLITE_SINGLE, &graph), STATUS_OK);
        size_t flash, ram;
        exporter_find("c")->cost(arena, graph, &flash, &ram);
        cost = arena_printf(arena, "%zu,%zu", flash, ram);
        ck_assert_int_eq(model_lower(arena, t->model, (Rounding)t->config->quant.rounding, &graph), STATUS_OK);
    }
    const Task task = model_task(t->config, t->model);
    const Status status =
        evaluate(arena, &task, t->model, graph, &t->data.test, graph == NULL ? ENGINE_FLOAT : ENGINE_INT8, &test);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    add_line(&results, arena_printf(arena, "%s,%s,%s,%s,%s,%08lx,%s,%s,%s,%s", t->network->name, steps, isa,
                                    t->variant->name, metric_number(arena, task.metric, test.value),
                                    parameters_crc(t->model), c, tflite, onnx, cost));
}

static const Model *train_variant(const Network *network, const Variant *variant, bool whole, const Model *from)
{
    Training t = {.network = network, .variant = variant, .whole = whole};
    configure(&t);
    train(&t, from);
    add_result(&t, kernels()->isa);
    return t.model;
}

/* Portable kernels: every machine gives these. */
static void short_trainings(void)
{
    const char *error;
    ck_assert_msg(kernels_select("ref", &error), "%s", error);
    for (int n = 0; n < NETWORKS; n++) {
        const Model *from = NULL;
        for (int v = 0; v < VARIANTS; v++) {
            const Model *m = train_variant(&networks[n], &variants[v], false, from);
            if (v == 0) from = m;
        }
    }
}

/* The demo's accuracies on real data, with kernels that take a few seconds for it. */
static void whole_trainings(void)
{
    const char *error;
    ck_assert_msg(kernels_select("avx2", &error), "%s", error);
    const Model *from = train_variant(&networks[0], &variants[0], true, NULL);
    train_variant(&networks[0], &variants[1], true, from);
    train_variant(&networks[0], &variants[3], true, from);
}

/* Other builds round as this one does, but take minutes; and the kernels are this test's own choice. */
static void skip_where_it_says_nothing_new(void)
{
    const char *mode = getenv("BITFOLD_MODE"), *isa = getenv("BITFOLD_ISA"), *error;
    const char *why = mode != NULL && strcmp(mode, "release") != 0     ? "not a release build"
                      : isa != NULL && getenv("RESULTS_WRITE") == NULL ? "chooses its kernels itself"
                      : !kernels_select("avx2", &error)                ? "this CPU has no AVX2"
                                                                       : NULL;
    if (why == NULL) return;
    puts(why);
    exit(77);
}

START_TEST(results_and_curves)
{
    skip_where_it_says_nothing_new();
    arena = arena_create();
    const char *kept_exports = getenv("RESULTS_EXPORTS");
    folder = kept_exports != NULL ? kept_exports : scratch_folder(arena);
    read_table(&results);
    read_table(&curves);
    short_trainings();
    whole_trainings();
    finish_table(&results);
    finish_table(&curves);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("results", results_and_curves)
