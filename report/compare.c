#include "report/compare.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/lower.h"
#include "graph/plan.h"
#include "report/compare_state.h"
#include "train/model_task.h"

static void mean_and_spread(const double *x, int n, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *spread = n > 1 ? sqrt(squares / (n - 1)) : 0.0;
}

/* Notes a model's answers: its part of how many seeds are right, and of the first seed the classes. */
static void note_answers(Arena *arena, CompareResult *result, int row, int seed, const EvalResult *r)
{
    const Answers *all = &result->answers[row];
    const ClassAnswers *a = score_answers(&r->score);
    ((double *)all->accuracy)[seed] = r->value;
    for (int i = 0; a != NULL && i < r->n; i++) {
        ((uint8_t *)all->right)[i] = (uint8_t)(all->right[i] + a->right[i]);
        if (seed == 0) ((int32_t *)result->answer[row])[i] = a->answer[i];
    }
    if (a != NULL) return;
    double *part = ARENA_ARRAY(arena, double, r->n);
    r->score.task->type->parts(&r->score, r->score.task->metric, part);
    for (int i = 0; i < r->n; i++) ((double *)all->part)[i] += part[i] / all->seeds;
}

static Status test(Arena *arena, const CompareJob *job, const RowPlan *plan, Model *m, const Graph *graph,
                   EngineKind engine, EvalResult *r)
{
    const Task task = model_task(plan->config, m);
    return evaluate(arena, &task, m, graph, &job->data->test, engine, r);
}

/* Makes the model of the k-th seed and measures it; *answers: of the layers' own forward pass, and of the engine. */
static Status run_seed(const CompareJob *job, const RowPlans *plans, CompareResult *result, int i, int k,
                       double answers[2])
{
    const RowPlan *plan = &plans->at[i];
    CompareRow *row = &result->row[i];
    Arena *own = arena_create();
    Model *m;
    Graph *graph = NULL;
    EvalResult r;
    Status status = row_make(own, job, plans, i, k, &m);
    if (status == STATUS_OK) status = test(own, job, plan, m, NULL, m->quant == NULL ? ENGINE_FLOAT : ENGINE_SIM, &r);
    if (status == STATUS_OK) answers[0] = r.value;
    if (status == STATUS_OK && m->quant != NULL) {
        status = model_lower(own, m, (Rounding)m->quant->rounding, &graph);
        if (status == STATUS_OK) status = test(own, job, plan, m, graph, ENGINE_INT8, &r);
        if (status == STATUS_OK) answers[1] = r.value;
    }
    if (status == STATUS_OK) note_answers(own, result, i, k, &r);
    if (status == STATUS_OK && k == 0) {
        row->size_bytes = model_size_bytes(m);
        row->ram_bytes = graph == NULL ? 0 : (long)graph_arena_bytes(graph);
        for (int l = 0; l < m->layers; l++) row->macs += layer_macs(&m->layer[l]);
        status = latency_measure(own, m, graph, &job->data->test, &row->latency);
    }
    arena_destroy(own);
    return status;
}

static void describe_row(const CompareJob *job, const RowPlan *plan, CompareRow *row)
{
    const bool real = plan->kind == MODEL_FLOAT;
    row->metric = task_make(&job->config->task, 0, 0, NULL, (TargetScale){NULL, NULL}).metric;
    row->seeds = compare_seeds(job->config);
    row->name = plan->name;
    row->kind = model_kind_names[plan->kind];
    row->weight_bits = real ? 32 : plan->weight_bits;
    row->act_bits = real ? 32 : plan->act_bits;
    row->floats = real || plan->floats[0] == '\0' ? NULL : plan->floats;
    row->first_last_bits = !real && (plan->own || plan->bits < 8) ? plan->first_last_bits : 0;
    row->granularity = real ? "" : granularity_names[plan->granularity];
    row->observer = plan->kind == MODEL_PTQ ? observer_names[plan->observer] : "";
    row->accuracy = row->accuracy_int8 = row->p = (double)NAN;
}

static Status run_row(const CompareJob *job, const RowPlans *plans, CompareResult *result, int i)
{
    const RowPlan *plan = &plans->at[i];
    CompareRow *row = &result->row[i];
    double accuracy[COMPARE_MAX_SEEDS], integer[COMPARE_MAX_SEEDS], spread;
    describe_row(job, plan, row);
    for (int k = 0; k < row->seeds; k++) {
        double answers[2] = {0};
        if (plan->start >= 0 && result->row[plan->start].error != NULL)
            return status_fail(STATUS_STATE, "%s: not made: \"%s\", which it starts from, failed", plan->name,
                               plans->at[plan->start].name);
        const Status status = run_seed(job, plans, result, i, k, answers);
        if (status != STATUS_OK) return status_prefix(status, "%s", plan->name);
        accuracy[k] = answers[0], integer[k] = answers[1];
    }
    mean_and_spread(accuracy, row->seeds, &row->accuracy, &row->accuracy_std);
    if (plan->kind != MODEL_FLOAT) mean_and_spread(integer, row->seeds, &row->accuracy_int8, &spread);
    return STATUS_OK;
}

/* What is wrong with the row alone, the others can do without; a machine that is full, or a user who stops, is not. */
static bool is_of_the_row(Status status)
{
    return status != STATUS_OK && status != STATUS_INTERRUPTED && status != STATUS_IO && status != STATUS_NOMEM;
}

/* A row that failed, as it stands in the table. */
static void fail_row(Arena *arena, const RowPlan *plan, Status status, CompareResult *result, int i)
{
    const char *message = arena_strdup(arena, status_message());
    const size_t n = strlen(plan->name);
    CompareRow *row = &result->row[i];
    row->size_bytes = row->ram_bytes = row->macs = 0, row->latency = (Latency){0};
    row->error = strncmp(message, plan->name, n) == 0 && message[n] == ':' ? message + n + 2 : message;
    if (result->failed++ == 0) result->status = status, result->message = message;
}

/* What a table cannot go on with is told before any of its rows does. */
static Status check_rows(const CompareJob *job, const RowPlans *plans)
{
    CompareJob quiet = *job;
    quiet.note = NULL;
    for (int i = 0; i < plans->n * compare_seeds(job->config); i++) {
        Arena *own = arena_create();
        RowState state;
        const RowPlan *plan = &plans->at[i % plans->n];
        Status status = row_find(own, &quiet, plans, i % plans->n, i / plans->n, &state);
        long left;
        if (status == STATUS_OK && state.last != NULL && row_is_trained(job, plan))
            status = row_check_training(own, job, &state, &left);
        arena_destroy(own);
        if (status != STATUS_OK) return status_prefix(status, "%s", plan->name);
    }
    return STATUS_OK;
}

static Status run_rows(Arena *arena, const CompareJob *job, const RowPlans *plans, CompareResult *result)
{
    const int images = job->data->test.n, seeds = compare_seeds(job->config);
    result->row = ARENA_ARRAY(arena, CompareRow, plans->n);
    result->answers = ARENA_ARRAY(arena, Answers, plans->n);
    result->answer = ARENA_ARRAY(arena, const int32_t *, plans->n);
    for (int i = 0; i < plans->n; i++) {
        result->answers[i] = (Answers){.images = images, .seeds = seeds, .accuracy = ARENA_ARRAY(arena, double, seeds)};
        if (job->data->test.targets.width > 0)
            result->answers[i].part = ARENA_ARRAY(arena, double, images);
        else
            result->answers[i].right = ARENA_ARRAY(arena, uint8_t, images);
        result->answer[i] = ARENA_ARRAY(arena, int32_t, images);
        const Status status = run_row(job, plans, result, i);
        if (is_of_the_row(status))
            fail_row(arena, &plans->at[i], status, result, i);
        else
            TRY(status);
        result->rows++;
        if (job->row != NULL) job->row(job->context, &result->row[i], &result->row[0]);
        if (job->stop != NULL && *job->stop != 0)
            return status_fail(STATUS_INTERRUPTED, "stopped after row %d of %d", i + 1, plans->n);
    }
    return STATUS_OK;
}

/* The rows that have a result, for the page. */
static CompareResult rows_made(Arena *arena, const RowPlans *plans, const CompareResult *all, RowPlan *made)
{
    CompareResult r = {.row = ARENA_ARRAY(arena, CompareRow, all->rows),
                       .answers = ARENA_ARRAY(arena, Answers, all->rows),
                       .answer = ARENA_ARRAY(arena, const int32_t *, all->rows)};
    for (int i = 0; i < all->rows; i++) {
        if (all->row[i].error != NULL) continue;
        r.row[r.rows] = all->row[i], r.answers[r.rows] = all->answers[i], r.answer[r.rows] = all->answer[i];
        made[r.rows++] = plans->at[i];
    }
    return r;
}

Status compare_run(Arena *arena, const CompareJob *request, CompareResult *result)
{
    *result = (CompareResult){0};
    CompareJob own = *request;
    const CompareJob *job = &own;
    own.arena = arena;
    RowPlans plans;
    TRY(compare_rows(arena, job->config, job->data, job->from != NULL, &plans));
    TRY(provenance_data(arena, job->data, &own.data_text));
    if (job->resume) TRY(check_rows(job, &plans));
    if (job->begin != NULL) TRY(job->begin(job->context));
    TRY(run_rows(arena, job, &plans, result));
    compare_judge(arena, result->row, result->answers, result->rows);
    TRY(report_write_csv(arena, result->row, result->rows, file_join(arena, job->folder, "compare.csv")));
    if (result->row[0].error != NULL) return STATUS_OK; /* nothing can be held against float */
    RowPlan *made = ARENA_ARRAY(arena, RowPlan, plans.n);
    const CompareResult shown = rows_made(arena, &plans, result, made);
    return compare_report(arena, job, made, &shown, result);
}
