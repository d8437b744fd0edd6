/* What the report says of layers and classes, out of the models and answers of the rows (first seed). */
#include <string.h>

#include "deploy/lower.h"
#include "graph/node.h"
#include "graph/plan.h"
#include "report/compare.h"
#include "report/report_parts.h"

enum { FLASH_COLUMNS = 8 };

/* "W4 ends 8"; a row of one's own may have other widths in every layer. */
static const char *width_name(Arena *arena, const RowPlan *p)
{
    if (p->own) return p->name;
    if (p->bits == 8 || p->first_last_bits == 0 || p->first_last_bits == p->bits)
        return arena_printf(arena, "W%d", p->bits);
    return arena_printf(arena, "W%d ends %d", p->bits, p->first_last_bits);
}

/* The rows whose flash is shown: of each width of weights the last, which is a trained one where there is one.  Widest
 * first. */
static int choose_columns(Arena *arena, const RowPlan *plan, int rows, int *column, const char **name)
{
    int n = 0;
    for (int i = 1; i < rows; i++) {
        if (plan[i].kind == MODEL_FLOAT) continue;
        const char *this = width_name(arena, &plan[i]);
        int k = 0;
        while (k < n && strcmp(name[k], this) != 0) k++;
        if (k == FLASH_COLUMNS) continue;
        if (k == n) n++;
        column[k] = i, name[k] = this;
    }
    return n;
}

/* The activations alive while the layer's nodes run, the most of them. */
static long layer_ram(const Graph *g, const Plan *plan, const Layer *l)
{
    size_t most = 0;
    for (int i = 0; i < g->nodes; i++) {
        if (strcmp(g->node[i].name, l->name) != 0 || node_type(&g->node[i])->shows_input) continue;
        const size_t bytes = plan->node[i].alive_bytes;
        most = bytes > most ? bytes : most;
    }
    return (long)most;
}

/* Rows of one's own may have another network: what its layers take is no column of this table. */
static bool same_layers(const Model *m, const LayerCost *cost, int layers)
{
    for (int i = 0; i < m->layers && i < layers; i++)
        if (strcmp(m->layer[i].name, cost[i].name) != 0) return false;
    return m->layers == layers;
}

Status compare_layers(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report)
{
    int column[FLASH_COLUMNS];
    const char **name = ARENA_ARRAY(arena, const char *, FLASH_COLUMNS);
    const int columns = choose_columns(arena, plan, rows, column, name);
    Model *m = NULL;
    LayerCost *cost = NULL;
    int layers = 0, n = 0;
    for (int k = 0; k < columns; k++) {
        TRY(row_model(arena, job, &plan[column[k]], 0, &m));
        if (cost != NULL && !same_layers(m, cost, layers)) continue;
        if (cost == NULL) {
            Graph *g;
            TRY(model_lower(arena, m, (Rounding)m->quant->rounding, &g));
            const Plan places = plan_make(arena, g, &plan_of_engine);
            cost = ARENA_ARRAY(arena, LayerCost, m->layers);
            layers = m->layers;
            for (int i = 0; i < m->layers; i++) {
                const Layer *l = &m->layer[i];
                cost[i] = (LayerCost){l->name,
                                      l->type->name,
                                      l->out.h,
                                      l->out.w,
                                      l->out.c,
                                      l->weight == NULL ? 0 : l->weight->count,
                                      layer_macs(l),
                                      layer_ram(g, &places, l),
                                      ARENA_ARRAY(arena, long, columns)};
            }
        }
        for (int i = 0; i < m->layers; i++) ((long *)cost[i].flash_bytes)[n] = layer_size_bytes(&m->layer[i]);
        name[n++] = name[k];
    }
    report->layers = layers;
    report->layer = cost;
    report->flash_columns = n;
    report->flash_column = name;
    return STATUS_OK;
}

void compare_confusions(Arena *arena, const CompareJob *job, const CompareResult *result, int shown, Report *report)
{
    const Dataset *test = &job->data->test;
    if (test->targets.width > 0) return;
    int best = 0, row[3] = {0}, rows = 1;
    for (int i = 1; i < result->rows; i++)
        if (best == 0 || row_accuracy(&result->row[i]) > row_accuracy(&result->row[best])) best = i;
    if (best > 0) row[rows++] = best;
    if (shown > 0 && shown != best) row[rows++] = shown;
    Confusion *all = ARENA_ARRAY(arena, Confusion, rows);
    for (int k = 0; k < rows; k++) {
        long *count = ARENA_ARRAY(arena, long, report->classes * report->classes);
        for (int i = 0; i < test->n; i++) count[test->targets.label[i] * report->classes + result->answer[row[k]][i]]++;
        all[k] = (Confusion){result->row[row[k]].name, count};
    }
    report->confusions = rows;
    report->confusion = all;
}
