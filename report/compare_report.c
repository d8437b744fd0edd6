/* Gathers what the report shows, out of the models and metrics that the rows left behind (first seed). */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "datasets/batch_reader.h"
#include "quant/histogram_costs.h"
#include "report/compare_state.h"
#include "report/compare_steps.h"

enum { SQNR_IMAGES = 128, WEIGHT_BINS = 64 };

typedef struct {
    Arena *arena;
    const CompareJob *job;
    const RowPlan *plan;
    const CompareResult *result;
    uint64_t seed;
    Model *float_model;
    Report report;
} Gather;

/* ---- curves ------------------------------------------------------------------------------------------------------ */

/* The lines of a row's metrics.jsonl: its curves of every kind, at place n of the report's. */
static Status read_curves(Gather *g, const RowPlan *plan, Curve *const curve[CURVE_KINDS], int n)
{
    const char *running = task_types[g->job->config->task.type]->running->name;
    const char *const key[CURVE_KINDS] = {"loss", running, "validation_loss", "validation", "oscillating", "frozen"};
    const char *path = file_join(g->arena, row_folder(g->arena, g->job, plan, 0), "metrics.jsonl");
    unsigned char *text;
    size_t bytes;
    TRY(file_read(g->arena, path, (size_t)1 << 28, &text, &bytes));
    int lines = 0;
    for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
    double *x[CURVE_KINDS], *y[CURVE_KINDS], *images = ARENA_ARRAY(g->arena, double, lines + 1);
    for (int k = 0; k < CURVE_KINDS; k++) {
        x[k] = ARENA_ARRAY(g->arena, double, lines + 1);
        y[k] = ARENA_ARRAY(g->arena, double, lines + 1);
        curve[k][n] = (Curve){plan->name, 0, x[k], y[k], k <= CURVE_ACCURACY ? images : NULL};
    }
    const char *at = (const char *)text;
    double before = 0;
    for (int i = 0; i < lines; i++) {
        const char *end = strchr(at, '\n');
        cJSON *json;
        TRY(json_parse(at, (size_t)(end - at), path, &json));
        const double step = cJSON_GetNumberValue(json_get(json, "step"));
        const cJSON *seen = json_get(json, "images"); /* without it, by an earlier version: a step like any other */
        images[i] = cJSON_IsNumber(seen) ? seen->valuedouble : (step - before) * g->job->config->train.batch;
        before = step;
        for (int k = 0; k < CURVE_KINDS; k++) {
            const cJSON *value = json_get(json, key[k]);
            if (!cJSON_IsNumber(value)) continue;
            x[k][curve[k][n].n] = step;
            y[k][curve[k][n].n++] = value->valuedouble;
        }
        cJSON_Delete(json);
        at = end + 1;
    }
    return STATUS_OK;
}

static Status gather_curves(Gather *g)
{
    Curve *curve[CURVE_KINDS];
    for (int k = 0; k < CURVE_KINDS; k++) g->report.curve[k] = curve[k] = ARENA_ARRAY(g->arena, Curve, g->result->rows);
    for (int i = 0; i < g->result->rows; i++) {
        if (g->plan[i].kind == MODEL_PTQ || (g->plan[i].kind == MODEL_FLOAT && g->job->from != NULL)) continue;
        TRY(read_curves(g, &g->plan[i], curve, g->report.curves));
        g->report.curves++;
    }
    return STATUS_OK;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static void count_weights(const float *w, long n, double lo, double hi, double *bins)
{
    for (long i = 0; i < n; i++) {
        int b = (int)(((double)w[i] - lo) / (hi - lo) * WEIGHT_BINS);
        bins[b < 0 ? 0 : b >= WEIGHT_BINS ? WEIGHT_BINS - 1 : b]++;
    }
}

/* A quantized row's own weights, before and behind their grid. */
static Status gather_weights(Gather *g, const RowPlan *plan)
{
    Model *m;
    TRY(row_model(g->arena, g->job, plan, 0, &m));
    WeightHistogram *all = ARENA_ARRAY(g->arena, WeightHistogram, m->layers);
    Arena *memory = arena_create();
    Tape *t = tape_create(g->arena, memory);
    int n = 0;
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->weight_q == NULL) continue; /* none, or floats */
        tape_reset(t, false);
        Tensor *w = tape_leaf(t, l->weight->name, l->weight->shape, l->weight->x, NULL);
        const Tensor *q = op_fake_quant_weights(t, w, l->weight_q, NULL);
        double max_magnitude = 1e-9;
        for (long k = 0; k < l->weight->count; k++) max_magnitude = fmax(max_magnitude, fabs((double)w->x[k]));
        double *before = ARENA_ARRAY(g->arena, double, WEIGHT_BINS),
               *after = ARENA_ARRAY(g->arena, double, WEIGHT_BINS);
        count_weights(w->x, l->weight->count, -max_magnitude, max_magnitude, before);
        count_weights(q->x, l->weight->count, -max_magnitude, max_magnitude, after);
        all[n++] = (WeightHistogram){
            l->name, grid_bits(&l->weight_q->qp), WEIGHT_BINS, -max_magnitude, max_magnitude, before, after};
    }
    arena_destroy(memory);
    g->report.weights_row = plan->name;
    g->report.weight_histograms = n;
    g->report.weights = all;
    return STATUS_OK;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* At most so many thresholds of a search, the first and the last among them. */
enum { SHOWN_COSTS = 96 };

static void add_search(Gather *g, const Quantizer *q, int kind, ActivationHistogram *to)
{
    const Histogram *h = &q->observer.hist;
    const int levels = observer_levels(&q->goal), room = HISTOGRAM_BINS + 1;
    HistogramCosts all = {0, ARENA_ARRAY(g->arena, double, room), ARENA_ARRAY(g->arena, double, room)};
    if (h->bins < 2) return;
    if (kind == 0)
        histogram_entropy_costs(h, levels, &all);
    else
        histogram_mse_costs(h, levels, &all);
    const int n = all.n < SHOWN_COSTS ? all.n : SHOWN_COSTS;
    double *at = ARENA_ARRAY(g->arena, double, n + 1), *cost = ARENA_ARRAY(g->arena, double, n + 1);
    for (int i = 0; i < n; i++) {
        const int k = n == 1 ? 0 : (int)((long)i * (all.n - 1) / (n - 1));
        at[i] = all.threshold[k], cost[i] = all.cost[k];
    }
    to->search[kind].n = n, to->search[kind].at = at, to->search[kind].cost = cost;
}

/* One histogram of |x| per quantizer on the calibration images, and each observer's threshold on it. */
static Status gather_activations(Gather *g)
{
    const CompareConfig *c = &g->job->config->compare;
    Config *config = ARENA_ARRAY(g->arena, Config, 1);
    *config = *g->job->config;
    config->seed = g->seed;
    config->quant = ptq_quant_config(g->arena, &config->quant);
    config->quant.activations.bits = c->ptq_bits.n > 0 ? c->ptq_bits.at[0] : 8;
    while (strcmp(observer_choices[config->quant.activations.observer], "percentile") != 0)
        config->quant.activations.observer = (config->quant.activations.observer + 1) % 7;
    config->ptq.steps = (IntList){1, ARENA_ARRAY(g->arena, int, 1)}; /* the first step, which calibrates */
    Model *m;
    TRY(quantize_from(g->arena, config, &config->quant, g->float_model, g->job->data, &m));
    ActivationHistogram *all = ARENA_ARRAY(g->arena, ActivationHistogram, m->quantizers);
    int n = 0;
    for (int i = 0; i < m->quantizers; i++) {
        const Quantizer *q = m->quantizer[i];
        if (q->is_weight || q->observer.hist.width <= 0.0) continue;
        const Histogram *h = &q->observer.hist;
        double *count = ARENA_ARRAY(g->arena, double, h->bins),
               *threshold = ARENA_ARRAY(g->arena, double, c->observers.n);
        const char **names = ARENA_ARRAY(g->arena, const char *, c->observers.n);
        for (int b = 0; b < h->bins; b++) count[b] = (double)h->count[b];
        for (int k = 0; k < c->observers.n; k++) {
            float lo, hi;
            observer_types[c->observers.at[k]]->range(&q->observer, &q->goal, &lo, &hi);
            names[k] = observer_names[c->observers.at[k]];
            threshold[k] = fmax(fabs((double)lo), fabs((double)hi));
        }
        all[n] = (ActivationHistogram){q->name,        q->qp.bits, h->bins,   h->width,         count,
                                       c->observers.n, names,      threshold, {{0, NULL, NULL}}};
        for (int k = 0; k < 2; k++) add_search(g, q, k, &all[n]);
        n++;
    }
    g->report.activation_histograms = n;
    g->report.activations = all;
    return STATUS_OK;
}

/* ---- noise ------------------------------------------------------------------------------------------------------- */

static Status gather_sqnr(Gather *g, const RowPlan *plan, Tape *float_tape, LayerSqnr *out)
{
    Model *m, *f = g->float_model;
    TRY(row_model(g->arena, g->job, plan, 0, &m));
    Arena *memory = arena_create();
    Tape *t = tape_create(g->arena, memory);
    const Dataset *test = &g->job->data->test;
    const ForwardMode mode = {
        .arithmetic = ARITHMETIC_INT, .rounding = (Rounding)m->quant->rounding, .keep_outputs = true};
    const int images = test->n < SQNR_IMAGES ? test->n : SQNR_IMAGES;
    const uint8_t *pixels;
    Status status =
        dataset_read(test, 0, images, arena_alloc(memory, (size_t)images * dataset_image_bytes(test)), &pixels);
    if (status == STATUS_OK && model_forward(m, t, &mode, pixels, images) == NULL)
        status = status_fail(t->status, "%s", t->message);
    double *db = ARENA_ARRAY(g->arena, double, m->layers);
    const char **names = ARENA_ARRAY(g->arena, const char *, m->layers);
    int n = 0;
    for (int i = 0; i < m->layers && status == STATUS_OK; i++) {
        if (m->layer[i].out_q == NULL) continue; /* pools and flatten add no rounding step of their own to speak of */
        const float *y = tensor_values(float_tape, f->out[i]), *q = tensor_values(t, m->out[i]);
        double signal = 0, noise = 0;
        for (long k = 0; k < tensor_elements(f->out[i]); k++) {
            const double d = (double)y[k] - (double)q[k];
            signal += (double)y[k] * (double)y[k];
            noise += d * d;
        }
        db[n] = 10.0 * log10(fmax(signal, 1e-30) / fmax(noise, 1e-30));
        names[n++] = m->layer[i].name;
    }
    *out = (LayerSqnr){plan->name, n, names, db};
    arena_destroy(memory);
    return status;
}

/* Of the rows that start from the float row; those with a float network of their own would be held against another. */
static Status gather_sqnrs(Gather *g)
{
    LayerSqnr *all = ARENA_ARRAY(g->arena, LayerSqnr, g->result->rows);
    Arena *memory = arena_create();
    Tape *t = tape_create(g->arena, memory);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    const Dataset *test = &g->job->data->test;
    const int images = test->n < SQNR_IMAGES ? test->n : SQNR_IMAGES;
    const uint8_t *pixels;
    Status status =
        dataset_read(test, 0, images, arena_alloc(memory, (size_t)images * dataset_image_bytes(test)), &pixels);
    if (status == STATUS_OK && model_forward(g->float_model, t, &mode, pixels, images) == NULL)
        status = status_fail(t->status, "%s", t->message);
    int n = 0;
    for (int i = 1; i < g->result->rows && status == STATUS_OK; i++)
        if (g->plan[i].start == 0 || g->plan[i].progressive) status = gather_sqnr(g, &g->plan[i], t, &all[n++]);
    arena_destroy(memory);
    g->report.sqnrs = n;
    g->report.sqnr = all;
    return status;
}

static ReportFacts gather_facts(const Gather *g)
{
    const Config *c = g->job->config;
    const char *seeds = "";
    for (int k = 0; k < compare_seeds(c); k++)
        seeds = arena_printf(g->arena, "%s%s%llu", seeds, k > 0 ? ", " : "", (unsigned long long)compare_seed(c, k));
    return report_facts(g->arena, c, g->job->data, model_parameters(g->float_model), seeds);
}

/* The rows that failed. */
static void gather_failures(Gather *g, const CompareResult *all)
{
    CompareRow *failure = ARENA_ARRAY(g->arena, CompareRow, all->failed);
    for (int i = 0; i < all->rows; i++)
        if (all->row[i].error != NULL) failure[g->report.failures++] = all->row[i];
    g->report.failure = failure;
}

Status compare_report(Arena *arena, const CompareJob *job, const RowPlan *plan, const CompareResult *result,
                      const CompareResult *all)
{
    Gather g = {.arena = arena, .job = job, .plan = plan, .result = result, .seed = compare_seed(job->config, 0)};
    char *config;
    TRY(config_text(arena, job->config, job->folder, &config));
    g.report = (Report){.title = job->config->name,
                        .command = job->command,
                        .config_text = config,
                        .rows = result->rows,
                        .row = result->row};
    TRY(row_model(arena, job, &plan[0], 0, &g.float_model));
    gather_failures(&g, all);
    g.report.facts = gather_facts(&g);
    g.report.running = task_types[job->config->task.type]->running;
    g.report.classes = g.float_model->classes;
    g.report.class_name = g.float_model->class_names;
    TRY(gather_curves(&g));
    TRY(compare_layers(arena, job, plan, result->rows, &g.report));
    int shown = 0; /* of the quantized rows: QAT of the fewest bits tells most about weights */
    for (int i = 1; i < result->rows; i++)
        if (plan[i].kind != MODEL_FLOAT && (shown == 0 || plan[i].kind > plan[shown].kind ||
                                            (plan[i].kind == plan[shown].kind && plan[i].bits < plan[shown].bits)))
            shown = i;
    compare_confusions(arena, job, result, shown, &g.report);
    TRY(compare_points(arena, job, plan, result->rows, &g.report));
    if (shown > 0) TRY(gather_weights(&g, &plan[shown]));
    TRY(gather_activations(&g));
    TRY(gather_sqnrs(&g));
    TRY(compare_steps(arena, job, plan, result->rows, &g.report));
    return report_write(arena, &g.report, file_join(arena, job->folder, "report.html"));
}
