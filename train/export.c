#include "train/export.h"

#include <math.h>
#include <string.h>

#include "datasets/batch_reader.h"
#include "deploy/lower.h"
#include "train/model_data.h"
#include "train/model_task.h"
#include "graph/engine.h"
#include "graph/graph_check.h"

enum { MEASURE_BATCH = 128 };

/* The model in a rounding: lowered, or its integers as they are. */
static Status in_rounding(Arena *arena, const OpenModel *open, const Graph *integers, Rounding rounding, Graph **out)
{
    if (open->model->layers > 0) return model_lower(arena, open->model, rounding, out);
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = *integers;
    g->rounding = rounding;
    *out = g;
    return graph_check(g);
}

Status export_open(Arena *arena, const char *path, const char *const *sets, const ExporterType *type, ExportModel *m)
{
    *m = (ExportModel){.path = path, .file_suffix = type->extension};
    TRY(graph_open(arena, path, sets, &m->open, &m->graph));
    const Graph *integers = m->graph;
    m->wanted = m->graph->rounding;
    const Rounding rounding = exporter_rounding(type, m->wanted);
    if (rounding != m->wanted) TRY(in_rounding(arena, &m->open, integers, rounding, &m->graph));
    if (rounding == m->open.trained) return STATUS_OK;
    Graph *trained;
    TRY(in_rounding(arena, &m->open, integers, m->open.trained, &trained));
    m->trained = trained;
    return STATUS_OK;
}

/* Outputs as reals; those of codes are counted in steps of their grid. */
static void compare(const GraphTensor *y, const float *a, const float *b, long n, RoundingChange *r)
{
    const float step = graph_tensor_is_float(y) ? 1.0f : y->scale;
    for (long i = 0; i < n; i++) {
        const double off = fabs((double)a[i] - (double)b[i]) / (double)step;
        r->different += a[i] != b[i];
        if (off > r->largest) r->largest = graph_tensor_is_float(y) ? off : rint(off);
    }
    r->logits += n;
}

/* What both scores say, of which `before` has the same task. */
static void judge(const Score score[2], RoundingChange *r)
{
    const ClassAnswers *before = score_answers(&score[0]), *after = score_answers(&score[1]);
    r->images = score[0].n;
    r->metric = score[0].task->metric;
    r->before = score_value(&score[0], r->metric), r->after = score_value(&score[1], r->metric);
    r->answers = before == NULL ? -1 : 0;
    for (int i = 0; before != NULL && i < r->images; i++) r->answers += before->answer[i] != after->answer[i];
}

static Status measure(Arena *arena, const Task *task, const Graph *before, const Graph *after, const Dataset *test,
                      RoundingChange *r)
{
    const Graph *const graph[] = {before, after};
    const GraphTensor *y = &before->tensor[before->output];
    const size_t K = (size_t)before->classes;
    Engine *engine[2];
    Score score[2];
    float *logits[2];
    Dataset some = *test;
    if (some.n > ROUNDING_MAX_IMAGES) some.n = ROUNDING_MAX_IMAGES;
    int8_t *codes = arena_alloc(arena, MEASURE_BATCH * (size_t)graph_tensor_elements(&before->tensor[0]));
    void *out = arena_alloc(arena, MEASURE_BATCH * graph_tensor_bytes(y));
    for (int e = 0; e < 2; e++) {
        TRY(engine_create_planned(arena, graph[e], &engine[e]));
        logits[e] = arena_alloc(arena, sizeof(float) * MEASURE_BATCH * K);
        score[e] = score_begin(arena, task, some.n);
    }
    DatasetBatches b = dataset_batches(arena, &some, MEASURE_BATCH);
    Status status = STATUS_OK;
    while (dataset_next(&b, &status)) {
        graph_quantize_pixels(before, b.pixels, b.n, codes);
        for (int e = 0; e < 2; e++) {
            engine_run(engine[e], codes, b.n, out);
            graph_tensor_reals(y, out, (size_t)b.n * K, logits[e]);
            score_add(&score[e], logits[e], targets_from(test->targets, b.first), b.n);
        }
        compare(y, logits[0], logits[1], (long)b.n * before->classes, r);
    }
    if (status == STATUS_OK) judge(score, r);
    return status;
}

Status export_measure(Arena *arena, const ExportModel *m, RoundingChange *r)
{
    *r = (RoundingChange){0};
    DataSplits data;
    const Config *config = m->open.config;
    if (config->data.dataset == NULL || config->data.dataset[0] == '\0') {
        r->unmeasured = "its data are not known; --set data.dataset and data.dir name them";
        return STATUS_OK;
    }
    const ModelClasses classes = model_classes(m->path, m->open.model);
    if (model_data(arena, config, &classes, false, &data) != STATUS_OK) {
        r->unmeasured = arena_strdup(arena, status_message());
        return STATUS_OK;
    }
    if (data.test.n == 0) {
        r->unmeasured = "its data have none";
        return STATUS_OK;
    }
    const Task task = model_task(config, m->open.model);
    return measure(arena, &task, m->trained, m->graph, &data.test, r);
}

const char *export_change_text(Arena *arena, const ExportModel *m, const RoundingChange *r)
{
    const char *head = arena_printf(arena, "quantized with the rounding %s, written with %s",
                                    rounding_names[m->trained->rounding], rounding_names[m->graph->rounding]);
    if (m->graph->rounding != m->wanted)
        head = arena_printf(arena, "%s, as runtimes of %s files round", head, m->file_suffix);
    if (r->images == 0)
        return arena_printf(
            arena,
            "%s: codes may differ in every layer, and answers with them; not measured, for want of test "
            "images: %s",
            head, r->unmeasured);
    const char *codes = task_types[m->open.config->task.type]->codes;
    if (r->different == 0)
        return arena_printf(arena, "%s: none of %ld %s differs on %d test images", head, r->logits, codes, r->images);
    const char *answers = r->answers < 0 ? "" : arena_printf(arena, "%d answers change; ", r->answers);
    return arena_printf(
        arena, "%s: on %d test images %ld of %ld %s differ (%.2f %%), by at most %.6g; %s%s %s before, %s after", head,
        r->images, r->different, r->logits, codes, 100.0 * (double)r->different / (double)r->logits, r->largest,
        answers, r->metric->label, metric_text(arena, r->metric, r->before), metric_text(arena, r->metric, r->after));
}
