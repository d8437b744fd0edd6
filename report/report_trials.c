#include "report/report_trials.h"

#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "report/report_parts.h"

static const char *format_name(const SearchSpace *space, const int *choice, int unit)
{
    return format_choices[space->formats.at[choice[unit]]];
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

char *trial_weights(Arena *arena, const SearchSpace *space, const int *choice)
{
    char *text = arena_strdup(arena, "");
    for (int f = 0; f < space->formats.n; f++) {
        int n = 0;
        for (int i = 0; i < space->s->groups.layers; i++) n += space->chooses[i] && choice[i] == f;
        if (n == 0) continue;
        text = arena_printf(arena, "%s%s%d %s", text, text[0] == '\0' ? "" : ", ", n,
                            format_choices[space->formats.at[f]]);
    }
    return text;
}

char *search_table(Arena *arena, const SearchOptions *options, const Trials *trials, const SearchResult *result)
{
    const Metric *metric = trials->judge->task.metric;
    const bool timed = trials->space->timed;
    int n;
    const int *front = search_front(arena, options, trials, result, &n);
    char *text =
        arena_printf(arena, "float32: %s %s on %d images\n\n  %10s %10s %10s %10s%s  %8s  %8s  weights\n",
                     metric->label, metric_text(arena, metric, trials->judge->floats.value), trials->judge->sample.n,
                     "flash", "RAM", "cycles", "BOPs", timed ? "    latency" : "", metric->brief, "change");
    for (int i = 0; i < n; i++) {
        const Trial *t = &trials->at[front[i]];
        const bool chosen = front[i] == result->best;
        text = arena_printf(
            arena, "%s%c %10s %10s %10s %10s%s  %8s  %+8.2f  %s\n", text, chosen ? '>' : ' ',
            cost_text(arena, COST_FLASH, t->cost.of[COST_FLASH]), cost_text(arena, COST_RAM, t->cost.of[COST_RAM]),
            cost_text(arena, COST_CYCLES, t->cost.of[COST_CYCLES]), cost_text(arena, COST_BOPS, t->cost.of[COST_BOPS]),
            timed ? arena_printf(arena, " %10s", cost_text(arena, COST_LATENCY, t->cost.of[COST_LATENCY])) : "",
            metric_number(arena, metric, t->m.value), 0.0 - t->drop, trial_weights(arena, trials->space, t->choice));
    }
    return arena_printf(arena, "%s%d networks tried, %d of them on the front\n", text, trials->n, n);
}

/* ---- files ----------------------------------------------------------------------------------------------------------- */

Status search_write_csv(const Trials *trials, const SearchResult *result, const char *path)
{
    const SearchSpace *space = trials->space;
    FileWriter writer;
    TRY(file_begin(trials->arena, path, &writer));
    FILE *out = writer.stream;
    for (int k = 0; k < space_costs(space); k++) fprintf(out, "%s%s", k == 0 ? "" : ",", cost_types[k].key);
    fprintf(out, ",%s,loss,kl,drop,predicted,front,chosen", trials->judge->task.metric->name);
    for (int u = 0; u < space->units; u++) {
        if (!space->chooses[u]) continue;
        fputc(',', out);
        csv_text(out, arena_printf(trials->arena, "%s %s", u < space->s->groups.layers ? "weights" : "activations",
                                   space_unit_name(space, u)));
    }
    fputs("\r\n", out);
    for (int i = 0; i < trials->n; i++) {
        const Trial *t = &trials->at[i];
        for (int k = 0; k < space_costs(space); k++)
            fprintf(out, k == COST_LATENCY ? "%s%.2f" : "%s%.0f", k == 0 ? "" : ",", t->cost.of[k]);
        csv_numbers(out, (const double[]){t->m.value, t->m.loss, t->m.kl, t->drop, t->predicted}, 5);
        fprintf(out, ",%d,%d", result->front[i], i == result->best);
        for (int u = 0; u < space->units; u++)
            if (space->chooses[u]) fprintf(out, ",%s", format_name(space, t->choice, u));
        fputs("\r\n", out);
    }
    return file_commit(&writer);
}

static void why_unit(FILE *out, const SearchSpace *space, const int *choice, int unit)
{
    const FormatGroups *g = &space->s->groups;
    const bool weights = unit < g->layers;
    fprintf(out, "%s of %s: %s\n", weights ? "weights" : "outputs", space_unit_name(space, unit),
            format_name(space, choice, unit));
    for (int f = 0; f < space->formats.n; f++) {
        const double loss = *space_loss(space, unit, f);
        if (!isfinite(loss)) continue;
        fprintf(out, "  %c %-12s loses %.6f", f == choice[unit] ? '>' : ' ', format_choices[space->formats.at[f]],
                loss);
        if (weights) {
            const int group = space->decides[unit];
            const Cost *c = space_cost(space, unit, f, group < 0 ? 0 : choice[g->layers + group]);
            fprintf(out, ", takes %.0f bytes of flash, %.0f cycles, %.0f BOPs", c->of[COST_FLASH], c->of[COST_CYCLES],
                    c->of[COST_BOPS]);
            if (space->timed) fprintf(out, ", %.2f us", c->of[COST_LATENCY]);
        }
        fputc('\n', out);
    }
}

Status search_write_why(Arena *arena, const SearchOptions *options, const Trials *trials, const SearchResult *result,
                        const char *path)
{
    const SearchSpace *space = trials->space;
    const Trial *best = &trials->at[result->best];
    const Metric *metric = trials->judge->task.metric;
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    fprintf(out,
            "Why config.json gives each layer the format it does.  Method: %s; %d networks measured on %d held-out "
            "images.\n",
            search_methods[options->method]->name, trials->n, trials->judge->sample.n);
    fprintf(out,
            "The network: %s %s, %+.2f against float32; %.0f bytes of flash, %.0f of RAM, %.0f cycles, %.0f BOPs.\n",
            metric->label, metric_text(arena, metric, best->m.value), 0.0 - best->drop, best->cost.of[COST_FLASH],
            best->cost.of[COST_RAM], best->cost.of[COST_CYCLES], best->cost.of[COST_BOPS]);
    fprintf(out, "\"loses\" is %s, of that layer alone in the format, everything else in float32.\n\n",
            space->measure == LOSS_KL     ? "KL(float || quantized) of the answers"
            : space->measure == LOSS_LOSS ? "the loss added"
                                          : predictors[space->measure - LOSS_PREDICTOR].name);
    for (int u = 0; u < space->units; u++)
        if (space->chooses[u]) why_unit(out, space, best->choice, u);
    return file_commit(&writer);
}
