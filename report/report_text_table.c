/* The table of `compare` in a terminal. */
#include <math.h>

#include "report/report_parts.h"

enum { NAME_COLUMNS = 38, LINE_COLUMNS = 100, CELLS = 7 };

/* `text` at the right end of that many columns. */
static char *right(Arena *arena, const char *text, int columns)
{
    const int room = columns - text_columns(text);
    return arena_printf(arena, "  %*s%s", room > 0 ? room : 0, "", text);
}

static char *number(Arena *arena, const char *format, double value) __attribute__((format(printf, 2, 0)));
static char *number(Arena *arena, const char *format, double value)
{
    if (!isfinite(value)) return arena_strdup(arena, "-");
    char text[400];
    snprintf(text, sizeof text, format, value);
    return arena_strdup(arena, text);
}

static char *value(Arena *arena, const Metric *metric, double shown)
{
    if (!isfinite(shown)) return arena_strdup(arena, "-");
    char text[400];
    metric_print(text, sizeof text, metric, shown);
    return arena_strdup(arena, text);
}

/* 416520 as "417k", in at most five columns. */
static char *short_count(Arena *arena, long value)
{
    static const char *const unit[] = {"", "k", "M", "G", "T"};
    double v = (double)value;
    int u = 0;
    while (v >= 999.5 && u < 4) v /= 1000, u++;
    return arena_printf(arena, u == 0 || v >= 99.5 ? "%.0f%s" : v >= 9.95 ? "%.1f%s" : "%.2f%s", v, unit[u]);
}

static char *line(Arena *arena, const char *name, const char *const cell[CELLS])
{
    static const int columns[CELLS] = {6, 5, 8, 8, 7, 5, 7};
    const char *clipped = text_clip(arena, name, NAME_COLUMNS);
    char *text = arena_printf(arena, "%s%*s", clipped, NAME_COLUMNS - text_columns(clipped), "");
    for (int i = 0; i < CELLS; i++) text = arena_printf(arena, "%s%s", text, right(arena, cell[i], columns[i]));
    return text;
}

char *report_text_head(Arena *arena, const Metric *metric)
{
    const bool in_units = metric->unit[0] != '\0';
    const char *const cell[CELLS] = {in_units ? arena_printf(arena, "%s.%s", metric->brief, metric->unit)
                                              : metric->label,
                                     "±",
                                     metric->proportion ? "drop pts" : "worse by",
                                     "size KiB",
                                     "RAM KiB",
                                     "MACs",
                                     "time µs"};
    return line(arena, "", cell);
}

/* In the room of a line's cells; whole in the table's files. */
static char *failed_row(Arena *arena, const CompareRow *row)
{
    const char *name = text_clip(arena, row->name, NAME_COLUMNS);
    const char *error = text_clip(arena, row->error, LINE_COLUMNS - NAME_COLUMNS - 10);
    return arena_printf(arena, "%s%*s  failed: %s", name, NAME_COLUMNS - text_columns(name), "", error);
}

char *report_text_row(Arena *arena, const CompareRow *row, double float_accuracy)
{
    if (row->error != NULL) return failed_row(arena, row);
    const double accuracy = row_accuracy(row);
    const Metric *m = row_metric(row);
    const double drop = row_is_float(row) ? (double)NAN : metric_drop(m, float_accuracy, accuracy);
    const double least = m->any_size ? 0 : 0.5 * pow(10, -m->digits); /* that is not shown as 0 */
    const char *const cell[CELLS] = {
        value(arena, m, m->factor * accuracy),
        row->seeds > 1 ? value(arena, m, m->factor * row->accuracy_std) : "-",
        value(arena, m, fabs(drop) < least ? 0 : drop),
        number(arena, "%.1f", (double)row->size_bytes / 1024),
        row->ram_bytes == 0 ? "-" : number(arena, "%.1f", (double)row->ram_bytes / 1024),
        short_count(arena, row->macs),
        row->latency.repeats == 0 ? "-" : number(arena, "%.1f", row->latency.least_us),
    };
    return line(arena, row->name, cell);
}

char *report_text_foot(Arena *arena, const CompareRow *row, int rows, int images)
{
    int worse = 0, better = 0, tested = 0, disturbed = 0;
    const CompareRow *f = NULL;
    for (int i = 0; i < rows; i++) {
        worse += row_verdict(&row[i])<0, better += row_verdict(&row[i])> 0, tested += !isnan(row[i].p);
        disturbed += row[i].latency.repeats > 0 && latency_disturbed(&row[i].latency);
        if (f == NULL && row_is_float(&row[i])) f = &row[i];
    }
    if (f == NULL || tested == 0) return arena_strdup(arena, "");
    const Metric *m = row_metric(f);
    const bool exact = m->proportion;
    char *text = arena_printf(arena,
                              "%d test images: float is %s to %s (95 %%%s); of %d rows %d %s worse and %d "
                              "better\nthan it beyond chance (5 %%; %s, Holm)",
                              images, metric_number(arena, m, f->accuracy_range.low),
                              metric_text(arena, m, f->accuracy_range.high), exact ? ", Wilson" : "", tested, worse,
                              worse == 1 ? "is" : "are", better,
                              f->seeds > 1 ? "paired over seeds and images"
                              : exact      ? "McNemar's exact test"
                                           : "Student's t paired over images");
    if (f->seeds > 1 && f->seeds < 5 && worse + better == 0)
        text = arena_printf(arena, "%s;\n%d seeds are few: a large difference may be real and not tell from chance",
                            text, f->seeds);
    if (disturbed == 0) return text;
    return arena_printf(arena, "%s;\nthe machine was busy while %d of the times %s taken: upper bounds", text,
                        disturbed, disturbed == 1 ? "was" : "were");
}
