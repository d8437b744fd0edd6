#include "report/report_sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "report/report_parts.h"
#include "search/sensitivity_rank.h"

enum { BAR = 24 };

static char *row_line(Arena *arena, const Sensitivity *s, const SensitivityRow *row, const Metric *metric, double most,
                      int width)
{
    char bar[BAR + 1];
    const double cost = sensitivity_cost(s, row);
    const int full = most > 0.0 && cost > 0.0 ? (int)lround(BAR * cost / most) : 0;
    memset(bar, '#', (size_t)full);
    bar[full] = '\0';
    return arena_printf(arena, "%-*s  %-12s %8s  %+10.4f  %s\n", width, row->layer, format_choices[row->format],
                        metric_number(arena, metric, row->alone.value), cost, bar);
}

static char *correlation_lines(Arena *arena, const Sensitivity *s)
{
    char *text = arena_printf(arena, "\nrank correlation with the loss added\n%-30s", "");
    for (int k = 0; k < PREDICTORS; k++) text = arena_printf(arena, "%s %15s", text, predictors[k].name);
    text = arena_printf(arena, "%s\n", text);
    for (int i = 0; i < s->uniforms; i++) {
        const UniformRow *u = &s->uniform[i];
        text = arena_printf(arena, "%s%-17s %-12s", text, format_part_names[u->part], format_choices[u->format]);
        for (int k = 0; k < PREDICTORS; k++) {
            const double rho = sensitivity_correlation(arena, s, (PredictorKind)k, (int)u->part, u->format);
            text = isnan(rho) ? arena_printf(arena, "%s %15s", text, "") : arena_printf(arena, "%s %15.2f", text, rho);
        }
        text = arena_printf(arena, "%s\n", text);
    }
    return text;
}

char *sensitivity_table(Arena *arena, const Sensitivity *s, const Metric *metric)
{
    int width = 8;
    double most = 0.0;
    bool predicted = false;
    for (int i = 0; i < s->rows; i++) {
        const int columns = text_columns(s->row[i].layer);
        if (columns > width) width = columns;
        most = fmax(most, sensitivity_cost(s, &s->row[i]));
        predicted |= !isnan(s->row[i].predicted[PREDICT_FISHER]);
    }
    char *text = arena_printf(arena, "float32: %s %s, loss %.4f, on %d images\n", metric->label,
                              metric_text(arena, metric, s->floats.value), s->floats.loss, s->images);
    for (int i = 0; i < s->rows; i++) {
        const SensitivityRow *row = &s->row[i];
        if (i == 0 || row->part != s->row[i - 1].part)
            text = arena_printf(arena, "%s\n%s alone\n%-*s  %-12s %8s  %10s\n", text, format_part_names[row->part],
                                width, "layer", "format", metric->brief, "loss");
        text = arena_printf(arena, "%s%s", text, row_line(arena, s, row, metric, most, width));
    }
    return predicted ? arena_printf(arena, "%s%s", text, correlation_lines(arena, s)) : text;
}

Status sensitivity_write_csv(Arena *arena, const Sensitivity *s, const Metric *metric, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    const char *m = metric->name;
    fprintf(out, "layer,part,format,%s,loss,kl,%s_spared,loss_spared,kl_spared", m, m);
    for (int k = 0; k < PREDICTORS; k++) fprintf(out, ",%s", predictors[k].name);
    fputs(",trace_error\r\n", out);
    for (int i = 0; i < s->rows; i++) {
        const SensitivityRow *row = &s->row[i];
        csv_text(out, row->layer);
        fprintf(out, ",%s,%s", format_part_names[row->part], format_choices[row->format]);
        const double number[] = {row->alone.value,  row->alone.loss,  row->alone.kl,
                                 row->spared.value, row->spared.loss, row->spared.kl};
        csv_numbers(out, number, (int)(sizeof number / sizeof number[0]));
        csv_numbers(out, row->predicted, PREDICTORS);
        csv_numbers(out, &row->trace_error, 1);
        fputs("\r\n", out);
    }
    return file_commit(&writer);
}

Status partial_write_csv(Arena *arena, const Partial *partial, const Metric *metric, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    fprintf(out, "kept,layer,%s,loss,kl,drop\r\n", metric->name);
    for (int i = 0; i < partial->steps; i++) {
        const PartialStep *s = &partial->step[i];
        fprintf(out, "%d,", s->kept);
        csv_text(out, s->layer);
        csv_numbers(out, (const double[]){s->m.value, s->m.loss, s->m.kl, s->drop}, 4);
        fputs("\r\n", out);
    }
    return file_commit(&writer);
}
