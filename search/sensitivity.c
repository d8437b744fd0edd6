#include "search/sensitivity.h"

#include <math.h>
#include <string.h>

#include "base/timing.h"
#include "quant/quantizer.h"
#include "search/sensitivity_state.h"

enum { PREDICTOR_IMAGES = 256 /* of the sample */, TRACE_DRAWS = 32, EIGEN_PRODUCTS = 20 };
static const double TRACE_TOLERANCE = 0.02, EIGEN_TOLERANCE = 0.02;
static const Measurement unmeasured = {(double)NAN, (double)NAN, (double)NAN};

/* ---- which rows there are --------------------------------------------------------------------------------------------- */

/* Whether a unit has something to choose in this part. */
static bool asked(const FormatGroups *g, FormatPart part, int unit, int format)
{
    if (part == PART_WEIGHTS) return g->layer[unit].has_weights && strcmp(format_choices[format], "int16") != 0;
    const bool codes = !format_is_float(quant_choice_format(format));
    if (part == PART_ACTIVATIONS)
        return !(g->group[unit].fixed && codes && strcmp(format_choices[format], "int8") != 0);
    return g->group[unit].has_weights; /* of an add alone both is no other than its outputs */
}

static void list_rows(Arena *arena, const SensitivityOptions *o, Sensitivity *s)
{
    const FormatGroups *g = &s->groups;
    s->row = ARENA_ARRAY(arena, SensitivityRow, (g->layers + 2 * g->groups) * o->formats.n);
    s->uniform = ARENA_ARRAY(arena, UniformRow, (PART_BOTH + 1) * o->formats.n);
    for (FormatPart part = PART_WEIGHTS; part <= PART_BOTH; part++) {
        if (!o->part[part]) continue;
        for (int unit = 0; unit < (part == PART_WEIGHTS ? g->layers : g->groups); unit++)
            for (int f = 0; f < o->formats.n; f++) {
                if (!asked(g, part, unit, o->formats.at[f])) continue;
                SensitivityRow *row = &s->row[s->rows++];
                *row = (SensitivityRow){.part = part, .format = o->formats.at[f], .unit = unit};
                row->layer = part == PART_WEIGHTS ? g->layer[unit].name : g->group[unit].name;
                row->alone = row->spared = unmeasured;
                for (int k = 0; k < PREDICTORS; k++) row->predicted[k] = (double)NAN;
                row->trace_error = (double)NAN;
            }
        for (int f = 0; f < o->formats.n; f++)
            s->uniform[s->uniforms++] = (UniformRow){part, o->formats.at[f], unmeasured};
    }
}

/* ---- one row ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    const SensitivityJob *job;
    Sensitivity *s;
    Arena *arena; /* of the run */
    int float32;
    const Graph *floats;   /* in float32 */
    const Graph **uniform; /* [s->uniforms] everything in the format; made when it is asked for */
    ModelLoss loss;        /* what follows: of predictors */
    Sample sample;
    double *gradient;
    TraceEstimate *trace; /* [layers] */
    double *eigenvalue;   /* [layers] */
    OutputSample outputs; /* of the unit looked at last */
    Arena *unit_arena;
    int unit_part, unit;
    const char **output_name;
} Run;

/* Everything of the part in `rest`, everything else in float32. */
static FormatChoice choice_of(const Run *r, Arena *arena, FormatPart part, int rest)
{
    return format_choice(arena, &r->s->groups, part == PART_ACTIVATIONS ? r->float32 : rest,
                         part == PART_WEIGHTS ? r->float32 : rest);
}

static Status measure(const Run *r, Arena *arena, const FormatChoice *choice, const Graph **graph, Measurement *m)
{
    Candidate c;
    TRY(judge_make(r->job->judge, arena, &r->s->groups, choice, &c));
    *graph = c.graph;
    return judge_graph(r->job->judge, c.graph, 0, NULL, NULL, m);
}

/* ---- predictors -------------------------------------------------------------------------------------------------------- */

static const Layer *weighted_layer(const Run *r, int layer)
{
    return &r->job->judge->model->layer[r->s->groups.layer[layer].first];
}

static Status begin_predictors(Run *r)
{
    const Judge *judge = r->job->judge;
    Sensitivity *s = r->s;
    const int layers = s->groups.layers;
    r->sample = sample_first(&judge->sample, PREDICTOR_IMAGES);
    model_loss_begin(&r->loss, judge->model, &judge->task, &r->sample, r->job->stop);
    const LossSurface *loss = &r->loss.surface;
    r->gradient = ARENA_ARRAY(r->arena, double, loss->n);
    r->trace = ARENA_ARRAY(r->arena, TraceEstimate, layers);
    r->eigenvalue = ARENA_ARRAY(r->arena, double, layers);
    ParamBlock *block = ARENA_ARRAY(r->arena, ParamBlock, layers);
    int blocks = 0;
    for (int i = 0; i < layers; i++)
        if (s->groups.layer[i].has_weights) block[blocks++] = weight_block(weighted_layer(r, i));
    if (r->job->begin != NULL) r->job->begin(r->job->context, "predictors: first and second derivatives of the loss");
    double start = timing_seconds();
    TRY(loss->gradient(loss->context, r->gradient));
    s->predicting[PREDICT_FIRST_ORDER] += timing_seconds() - start;
    start = timing_seconds();
    TraceEstimate *trace = ARENA_ARRAY(r->arena, TraceEstimate, layers);
    TRY(hessian_traces(loss, block, blocks, judge->config->seed, TRACE_DRAWS / 2, TRACE_DRAWS, TRACE_TOLERANCE, trace));
    s->predicting[PREDICT_TRACE] += timing_seconds() - start;
    start = timing_seconds();
    for (int i = 0, b = 0; i < layers; i++) {
        if (!s->groups.layer[i].has_weights) continue;
        EigenEstimate e;
        TRY(hessian_eigenvalue(loss, block[b], judge->config->seed, EIGEN_PRODUCTS, EIGEN_TOLERANCE, &e));
        r->eigenvalue[i] = e.value;
        r->trace[i] = trace[b++];
    }
    s->predicting[PREDICT_EIGENVALUE] += timing_seconds() - start;
    return STATUS_OK;
}

/* The layers of a row's unit. */
static const int *layers_of(const FormatGroups *g, const SensitivityRow *row, int *n)
{
    *n = row->part == PART_WEIGHTS ? 1 : g->group[row->unit].layers;
    return row->part == PART_WEIGHTS ? &row->unit : g->group[row->unit].layer;
}

/* The outputs that a unit changes, in floats: kept for its other formats. */
static Status look_at_outputs(Run *r, const SensitivityRow *row)
{
    if (r->unit_part == (int)(row->part == PART_WEIGHTS) && r->unit == row->unit) return STATUS_OK;
    arena_reset(r->unit_arena);
    int n;
    const int *of = layers_of(&r->s->groups, row, &n);
    Model *m = r->job->judge->model;
    int *layer = ARENA_ARRAY(r->unit_arena, int, n);
    r->output_name = ARENA_ARRAY(r->unit_arena, const char *, n);
    for (int k = 0; k < n; k++) {
        layer[k] = r->s->groups.layer[of[k]].last;
        r->output_name[k] = m->layer[layer[k]].name;
    }
    r->unit_part = row->part == PART_WEIGHTS, r->unit = row->unit;
    return output_sample(r->unit_arena, m, &r->job->judge->task, &r->sample, r->sample.n, layer, n, &r->outputs);
}

/* Adds what the change of one layer's weights predicts. */
static Status add_weights(const Run *r, const Graph *graph, int layer, double *d, double sum[PREDICTORS],
                          double *trace_variance)
{
    const Layer *l = weighted_layer(r, layer);
    const ParamBlock block = weight_block(l);
    TRY(weight_change(l, r->floats, graph, d + block.first));
    double squares = 0.0;
    for (long i = block.first; i < block.first + block.count; i++) {
        squares += d[i] * d[i];
        sum[PREDICT_FIRST_ORDER] += fabs(r->gradient[i] * d[i]);
    }
    const double factor = squares / (double)block.count;
    sum[PREDICT_TRACE] += factor * r->trace[layer].mean;
    *trace_variance += pow(factor * r->trace[layer].error, 2.0);
    sum[PREDICT_EIGENVALUE] += squares * r->eigenvalue[layer];
    return STATUS_OK;
}

static Status predict_weights(Run *r, Arena *arena, const Graph *graph, SensitivityRow *row, double sum[PREDICTORS])
{
    double *d = ARENA_ARRAY(arena, double, r->loss.surface.n), trace_variance = 0.0;
    int n;
    const int *of = layers_of(&r->s->groups, row, &n);
    for (int k = 0; k < n; k++)
        if (r->s->groups.layer[of[k]].has_weights) TRY(add_weights(r, graph, of[k], d, sum, &trace_variance));
    row->trace_error = sqrt(trace_variance);
    const double start = timing_seconds();
    TRY(hessian_form(&r->loss.surface, d, &sum[PREDICT_SECOND_ORDER]));
    sum[PREDICT_SECOND_ORDER] *= 0.5;
    r->s->predicting[PREDICT_SECOND_ORDER] += timing_seconds() - start;
    return STATUS_OK;
}

/* graph: the unit alone in the format; uniform: everything. */
static Status predict(Run *r, Arena *arena, const Graph *graph, const Graph *uniform, SensitivityRow *row)
{
    double start = timing_seconds();
    TRY(look_at_outputs(r, row));
    OutputChange local, cumulative;
    TRY(output_change(r->job->judge, graph, &r->outputs, r->output_name, &local));
    const double shared = (timing_seconds() - start) / 3;
    r->s->predicting[PREDICT_LOCAL_SQNR] += shared;
    r->s->predicting[PREDICT_FIRST_ORDER] += shared;
    r->s->predicting[PREDICT_FISHER] += shared;
    start = timing_seconds();
    TRY(output_change(r->job->judge, uniform, &r->outputs, r->output_name, &cumulative));
    r->s->predicting[PREDICT_CUMULATIVE_SQNR] += timing_seconds() - start;

    double sum[PREDICTORS] = {0};
    if (row->part != PART_ACTIVATIONS) TRY(predict_weights(r, arena, graph, row, sum));
    row->predicted[PREDICT_LOCAL_SQNR] = local.sqnr;
    row->predicted[PREDICT_CUMULATIVE_SQNR] = cumulative.sqnr;
    row->predicted[PREDICT_FISHER] = local.fisher;
    row->predicted[PREDICT_FIRST_ORDER] =
        sum[PREDICT_FIRST_ORDER] + (row->part == PART_WEIGHTS ? 0.0 : local.first_order);
    for (int k = PREDICT_SECOND_ORDER; k < PREDICTORS && row->part != PART_ACTIVATIONS; k++) row->predicted[k] = sum[k];
    return STATUS_OK;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

/* The graph with everything in a row's format, and what it is worth. */
static Status make_uniform(const Run *r, const SensitivityRow *row, const Graph **graph)
{
    Sensitivity *s = r->s;
    int i = 0;
    while (s->uniform[i].part != row->part || s->uniform[i].format != row->format) i++;
    Measurement *all = &s->uniform[i].all;
    if (r->uniform[i] == NULL && (r->job->options.predict || isnan(all->loss))) {
        const FormatChoice c = choice_of(r, r->arena, row->part, row->format);
        Candidate candidate;
        TRY(judge_make(r->job->judge, r->arena, &s->groups, &c, &candidate));
        r->uniform[i] = candidate.graph;
        if (isnan(all->loss)) TRY(judge_graph(r->job->judge, candidate.graph, 0, NULL, NULL, all));
    }
    *graph = r->uniform[i];
    return STATUS_OK;
}

static Status measure_row(const Run *r, Arena *arena, SensitivityRow *row, const Graph **alone)
{
    const FormatGroups *g = &r->s->groups;
    FormatChoice c = choice_of(r, arena, row->part, r->float32);
    format_choice_set(g, &c, row->part, row->unit, row->format);
    TRY(measure(r, arena, &c, alone, &row->alone));
    if (!r->job->options.leave_out) return STATUS_OK;
    const Graph *spared;
    c = choice_of(r, arena, row->part, row->format);
    format_choice_set(g, &c, row->part, row->unit, r->float32);
    return measure(r, arena, &c, &spared, &row->spared);
}

static Status run_row(Run *r, SensitivityRow *row)
{
    Arena *own = arena_create();
    const double start = timing_seconds();
    const Graph *alone = NULL, *uniform = NULL;
    Status status = make_uniform(r, row, &uniform);
    if (status == STATUS_OK) status = measure_row(r, own, row, &alone);
    r->s->measuring += timing_seconds() - start;
    if (status == STATUS_OK && r->job->options.predict) status = predict(r, own, alone, uniform, row);
    arena_destroy(own);
    return status;
}

static Status run_rows(Run *r)
{
    const SensitivityJob *job = r->job;
    Sensitivity *s = r->s;
    FormatChoice c = choice_of(r, r->arena, PART_BOTH, r->float32);
    Candidate floats;
    TRY(judge_make(job->judge, r->arena, &s->groups, &c, &floats));
    r->floats = floats.graph;
    if (job->options.predict && s->taken < s->rows) TRY(begin_predictors(r));
    const double start = timing_seconds();
    for (int i = s->taken; i < s->rows; i++) {
        if (job->stop != NULL && *job->stop != 0)
            return status_fail(STATUS_INTERRUPTED, "stopped after %d of %d rows", i, s->rows);
        TRY(run_row(r, &s->row[i]));
        TRY(sensitivity_state_write(job, s, i + 1));
        const int made = i + 1 - s->taken;
        if (job->progress != NULL)
            job->progress(job->context, s, i + 1, (timing_seconds() - start) / made * (s->rows - i - 1));
    }
    return STATUS_OK;
}

Status sensitivity_run(Arena *arena, const SensitivityJob *job, Sensitivity *s)
{
    *s = (Sensitivity){.groups = job->groups, .floats = job->judge->floats, .images = job->judge->sample.n};
    list_rows(arena, &job->options, s);
    TRY(sensitivity_state_read(arena, job, s));
    Run r = {.job = job,
             .s = s,
             .arena = arena,
             .float32 = name_find(format_choices, "float32"),
             .uniform = ARENA_ARRAY(arena, const Graph *, s->uniforms),
             .unit = -1,
             .unit_arena = arena_create()};
    const Status status = run_rows(&r);
    if (r.loss.own != NULL) model_loss_end(&r.loss);
    arena_destroy(r.unit_arena);
    return status;
}
