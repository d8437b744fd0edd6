#include "search/partial.h"

#include <math.h>
#include <stdlib.h>

#include "search/sensitivity_rank.h"

typedef struct {
    int group;
    double cost; /* high: it bears the format badly */
} Ranked;

static int worst_first(const void *a, const void *b)
{
    const Ranked *p = a, *q = b;
    if (p->cost != q->cost) return p->cost < q->cost ? 1 : -1;
    return (p->group > q->group) - (p->group < q->group);
}

static double cost_of(const Sensitivity *s, const SensitivityRow *row, int order)
{
    if (order < 0 || isnan(row->predicted[order])) return sensitivity_cost(s, row);
    return predictors[order].of_quality ? -row->predicted[order] : row->predicted[order];
}

/* The groups that have something to choose, the worst first; a group without weights is its outputs. */
static Ranked *rank(Arena *arena, const Sensitivity *s, const PartialOptions *o, int *n)
{
    Ranked *ranked = ARENA_ARRAY(arena, Ranked, s->groups.groups);
    *n = 0;
    for (int i = 0; i < s->rows; i++) {
        const SensitivityRow *row = &s->row[i];
        if (row->format != o->format || row->part == PART_WEIGHTS) continue;
        if (s->groups.group[row->unit].has_weights != (row->part == PART_BOTH)) continue;
        ranked[(*n)++] = (Ranked){row->unit, cost_of(s, row, o->order)};
    }
    qsort(ranked, (size_t)*n, sizeof *ranked, worst_first);
    return ranked;
}

Status partial_run(Arena *arena, const Judge *judge, const Sensitivity *s, const PartialOptions *options,
                   void (*step)(void *context, const PartialStep *step), void *context, Partial *partial)
{
    int n;
    const Ranked *ranked = rank(arena, s, options, &n);
    *partial = (Partial){.step = ARENA_ARRAY(arena, PartialStep, n + 1),
                         .choice = format_choice(arena, &s->groups, options->format, options->format)};
    for (int kept = 0; kept <= n && !partial->within; kept++) {
        PartialStep *now = &partial->step[kept];
        *now = (PartialStep){.kept = kept};
        if (kept > 0) {
            now->layer = s->groups.group[ranked[kept - 1].group].name;
            format_choice_set(&s->groups, &partial->choice, PART_BOTH, ranked[kept - 1].group, options->keep);
        }
        TRY(judge_choice(judge, &s->groups, &partial->choice, &now->m, NULL));
        now->drop = judge_drop(judge, &now->m);
        partial->steps++;
        if (step != NULL) step(context, now);
        partial->within = drop_within(now->drop, options->tolerance);
        if (partial->within || now->drop < partial->step[partial->best].drop) partial->best = kept;
    }
    if (partial->within) return STATUS_OK;
    partial->choice = format_choice(arena, &s->groups, options->format, options->format);
    for (int k = 0; k < partial->best; k++)
        format_choice_set(&s->groups, &partial->choice, PART_BOTH, ranked[k].group, options->keep);
    return STATUS_OK;
}
