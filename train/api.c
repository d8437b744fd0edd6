/* The installed interface (include/bitfold.h) on top of the rooms. */
#include "include/bitfold.h"

#include "base/parallel.h"
#include "base/plain_locale.h"
#include "train/export.h"
#include "train/model_task.h"
#include "train/run.h"
#include "train/test_data.h"
#include "graph/engine.h"

_Static_assert((int)BITFOLD_INTERRUPTED == (int)STATUS_INTERRUPTED, "bitfold_status repeats Status");

const char *bitfold_message(void) { return status_message(); }
const char *bitfold_version(void) { return BITFOLD_VERSION; }
void bitfold_set_threads(int threads) { parallel_set_threads(threads); }

static bitfold_status run(Status (*verb)(Arena *, const RunRequest *, RunOutcome *), const char *path,
                          const char *const *settings, const char *out, double *accuracy)
{
    const locale_t locale = plain_locale_enter();
    Arena *arena = arena_create();
    const RunRequest request = {.path = path, .sets = settings, .out = out};
    RunOutcome outcome;
    const Status status = verb(arena, &request, &outcome);
    if (status == STATUS_OK && accuracy != NULL) *accuracy = outcome.test.value;
    arena_destroy(arena);
    plain_locale_leave(locale);
    return (bitfold_status)status;
}

bitfold_status bitfold_train(const char *config_or_model, const char *out, double *accuracy)
{
    return run(run_train, config_or_model, NULL, out, accuracy);
}

bitfold_status bitfold_train_with(const char *config_or_model, const char *const *settings, const char *out,
                                  double *accuracy)
{
    return run(run_train, config_or_model, settings, out, accuracy);
}

bitfold_status bitfold_ptq(const char *model, const char *const *settings, const char *out, double *accuracy)
{
    return run(run_ptq, model, settings, out, accuracy);
}

bitfold_status bitfold_qat(const char *model_or_config, const char *const *settings, const char *out, double *accuracy)
{
    return run(run_qat, model_or_config, settings, out, accuracy);
}

bitfold_status bitfold_evaluate(const char *model, const char *data, const char *const *settings, double *accuracy)
{
    const locale_t locale = plain_locale_enter();
    Arena *arena = arena_create();
    OpenModel open;
    Graph *graph;
    TestData test;
    EvalResult r = {0};
    Status status = any_open(arena, model, settings, &open, &graph);
    if (status == STATUS_OK) status = test_data(arena, &open, model, data, NULL, &test);
    if (status == STATUS_OK) {
        const Task task = model_task(open.config, open.model);
        status = evaluate(arena, &task, open.model, graph, test.set, graph == NULL ? ENGINE_FLOAT : ENGINE_INT8, &r);
    }
    if (status == STATUS_OK && accuracy != NULL) *accuracy = r.value;
    arena_destroy(arena);
    plain_locale_leave(locale);
    return (bitfold_status)status;
}

bitfold_status bitfold_export(const char *model, const char *format, const char *file)
{
    const locale_t locale = plain_locale_enter();
    Arena *arena = arena_create();
    const ExporterType *type;
    ExportModel m;
    Status status = exporter_named(arena, "format", format, &type);
    if (status == STATUS_OK) status = export_open(arena, model, NULL, type, &m);
    if (status == STATUS_OK) status = exporter_write(type, arena, m.graph, file, NULL);
    arena_destroy(arena);
    plain_locale_leave(locale);
    return (bitfold_status)status;
}

struct bitfold_model {
    Arena *arena, *scratch;
    OpenModel open;
    Graph *graph;
    Engine *engine;
};

bitfold_status bitfold_open(const char *path, bitfold_model **out)
{
    const locale_t locale = plain_locale_enter();
    Arena *arena = arena_create();
    bitfold_model *m = ARENA_ARRAY(arena, bitfold_model, 1);
    m->arena = arena;
    m->scratch = arena_create();
    Status status = graph_open(arena, path, NULL, &m->open, &m->graph);
    if (status == STATUS_OK) status = engine_create_planned(arena, m->graph, &m->engine);
    if (status == STATUS_OK)
        *out = m;
    else
        bitfold_close(m);
    plain_locale_leave(locale);
    return (bitfold_status)status;
}

void bitfold_close(bitfold_model *m)
{
    if (m == NULL) return;
    arena_destroy(m->scratch);
    arena_destroy(m->arena);
}

void bitfold_shape(const bitfold_model *m, int *rows, int *columns, int *channels, int *classes)
{
    const GraphTensor *image = &m->graph->tensor[0];
    *rows = image->h, *columns = image->w, *channels = image->c, *classes = m->graph->classes;
}

const char *bitfold_class_name(const bitfold_model *m, int index)
{
    const char **names = m->graph->class_names;
    return names == NULL || index < 0 || index >= m->graph->classes ? NULL : names[index];
}

void bitfold_run(bitfold_model *m, const unsigned char *pixels, int images, float *logits)
{
    const size_t K = (size_t)m->graph->classes, n = (size_t)images;
    arena_reset(m->scratch);
    engine_run_pixels(m->engine, m->scratch, pixels, images, logits);
    const TargetScale *scale = &m->graph->scale;
    for (size_t i = 0; scale->mean != NULL && i < n * K; i++)
        logits[i] = scale->mean[i % K] + scale->std[i % K] * logits[i];
}
