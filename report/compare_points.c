/* Where the networks of a table have the points of some test pictures, and how far they are from where float has them
 * (first seed). */
#include "datasets/batch_reader.h"
#include "deploy/lower.h"
#include "report/compare.h"
#include "train/evaluate.h"
#include "train/model_task.h"

enum { PICTURES = 6 };

typedef struct {
    Arena *arena;
    const Dataset *test;
    Targets float_answers; /* what float has of all test pictures; none before it was asked */
} Gather;

static Status gather_row(Gather *g, const CompareJob *job, const RowPlan *plan, const PointPictures *of,
                         PointAnswers *to)
{
    Model *m;
    Graph *graph = NULL;
    TRY(row_model(g->arena, job, plan, 0, &m));
    if (m->quant != NULL) TRY(model_lower(g->arena, m, (Rounding)m->quant->rounding, &graph));
    const Task task = model_task(plan->config, m);
    const size_t K = (size_t)task.outputs;
    float *outputs = arena_alloc(g->arena, (size_t)g->test->n * K * sizeof *outputs);
    Targets answers;
    TRY(evaluate_answers(g->arena, &task, m, graph, g->test, graph == NULL ? ENGINE_FLOAT : ENGINE_INT8, &answers,
                         outputs));
    if (g->float_answers.value == NULL) g->float_answers = answers;
    Score score = score_begin(g->arena, &task, g->test->n);
    score_add(&score, outputs, g->float_answers, g->test->n);
    float *at = ARENA_ARRAY(g->arena, float, 2 * of->points * of->pictures);
    for (int i = 0; i < of->pictures * of->points; i++)
        task.type->point(&task, outputs + (size_t)(i / of->points) * K, i % of->points, &at[2 * i], &at[2 * i + 1]);
    *to = (PointAnswers){plan->name, at, score_value(&score, task.metric)};
    return STATUS_OK;
}

Status compare_points(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report)
{
    const Dataset *test = &job->data->test;
    if (task_types[job->config->task.type]->point == NULL) return STATUS_OK;
    Gather g = {.arena = arena, .test = test};
    PointPictures *of = ARENA_ARRAY(arena, PointPictures, 1);
    *of = (PointPictures){.pictures = test->n < PICTURES ? test->n : PICTURES,
                          .points = test->targets.points,
                          .h = test->h,
                          .w = test->w,
                          .c = test->c,
                          .label = test->targets.value,
                          .rows = rows};
    uint8_t *buffer = arena_alloc(arena, (size_t)of->pictures * dataset_image_bytes(test));
    TRY(dataset_read(test, 0, of->pictures, buffer, &of->pixels));
    PointAnswers *row = ARENA_ARRAY(arena, PointAnswers, rows);
    for (int i = 0; i < rows; i++) TRY(gather_row(&g, job, &plan[i], of, &row[i]));
    of->row = row;
    report->points = of;
    return STATUS_OK;
}
