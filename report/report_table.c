/* The table of `compare` on the page. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/report_parts.h"

const Metric *row_metric(const CompareRow *row) { return row->metric == NULL ? metric_default() : row->metric; }

void metric_name(const Metric *metric, char text[64])
{
    snprintf(text, 64, "%s", metric->label);
    text[0] = (char)toupper((unsigned char)text[0]);
}

void metric_title(const Metric *metric, char text[64])
{
    metric_axis(text, 64, metric);
    text[0] = (char)toupper((unsigned char)text[0]);
}

double row_accuracy(const CompareRow *row)
{
    return row_is_float(row) || isnan(row->accuracy_int8) ? row->accuracy : row->accuracy_int8;
}

/* Of the first float row; NAN without one. */
static double rows_float_accuracy(const CompareRow *row, int rows)
{
    for (int i = 0; i < rows; i++)
        if (row_is_float(&row[i])) return row[i].accuracy;
    return (double)NAN;
}

int row_verdict(const CompareRow *row)
{
    if (row_is_float(row) || !(row->p < 0.05)) return 0;
    return row->drop_range.low + row->drop_range.high > 0 ? -1 : 1;
}

enum { NUMBER_TEXT = 400 };

/* `text`: the size of it in digits. */
static void put_signed(FILE *out, const char *text, double value)
{
    if (isfinite(value) && value < 0 && strtod(text, NULL) != 0) fputs("−", out);
    fputs(isfinite(value) ? text : "–", out);
}

void html_number(FILE *out, const char *format, double value)
{
    char text[NUMBER_TEXT];
    snprintf(text, sizeof text, format, fabs(value));
    put_signed(out, text, value);
}

void html_metric(FILE *out, const Metric *m, double shown)
{
    char text[NUMBER_TEXT];
    metric_print(text, sizeof text, m, fabs(shown));
    put_signed(out, text, shown);
}

void html_count(FILE *out, long value)
{
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%ld", value < 0 ? -value : value);
    if (value < 0) fputs("−", out);
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) fputs("\xe2\x80\x89", out);
        fputc(digits[i], out);
    }
}

static void put_range(FILE *out, const Metric *m, Interval range)
{
    fputs("<small>", out);
    html_metric(out, m, m->factor * range.low);
    fputs(" to ", out);
    html_metric(out, m, m->factor * range.high);
    fputs("</small>", out);
}

static void put_accuracy(FILE *out, const CompareRow *r)
{
    const Metric *m = row_metric(r);
    fputs("<td>", out);
    html_metric(out, m, m->factor * row_accuracy(r));
    if (r->seeds > 1 && isfinite(r->accuracy_std)) {
        fputs(" <span>± ", out);
        html_metric(out, m, m->factor * r->accuracy_std);
        fputs("</span>", out);
    }
    if (r->accuracy_range.high != 0) put_range(out, m, r->accuracy_range);
    fputs("</td>", out);
}

static void put_drop(FILE *out, const CompareRow *r, double float_accuracy)
{
    if (row_is_float(r)) {
        fputs("<td>–</td><td>–</td>", out);
        return;
    }
    const int verdict = row_verdict(r);
    fprintf(out, "<td%s>", verdict < 0 ? " class=\"worse\"" : verdict > 0 ? " class=\"better\"" : "");
    if (verdict != 0)
        fprintf(out, "<b role=\"img\" aria-label=\"%s than float\">%s</b> ", verdict < 0 ? "worse" : "better",
                verdict < 0 ? "▼" : "▲");
    const Metric *m = row_metric(r);
    html_metric(out, m, metric_drop(m, float_accuracy, row_accuracy(r)));
    if (!isnan(r->p)) put_range(out, m, r->drop_range);
    fputs("</td><td>", out);
    if (r->p < 0.001)
        fputs("&lt; 0.001", out);
    else
        html_number(out, r->p < 0.1 ? "%.3f" : "%.2f", r->p);
    fputs("</td>", out);
}

/* star: mark it where the machine was busy. */
static void put_latency(FILE *out, const Latency *l, bool star)
{
    fputs("<td>", out);
    if (l->repeats == 0) {
        fputs("–</td>", out);
        return;
    }
    const char *format = l->least_us < 1000 ? "%.1f" : "%.0f";
    html_number(out, format, l->least_us);
    if (star && latency_disturbed(l)) fputs("<sup>*</sup>", out);
    fputs("<small>", out);
    html_number(out, format, l->median_us);
    fputs("</small></td>", out);
}

RowsDisturbed rows_disturbed(const CompareRow *row, int rows)
{
    int disturbed = 0, measured = 0;
    for (int i = 0; i < rows; i++) {
        if (row[i].latency.repeats == 0) continue;
        measured++;
        disturbed += latency_disturbed(&row[i].latency);
    }
    return disturbed == 0 ? NO_ROWS : disturbed < measured ? SOME_ROWS : ALL_ROWS;
}

static void put_row(FILE *out, const CompareRow *row, int rows, int i)
{
    const CompareRow *r = &row[i];
    long float_bytes = 0;
    for (int j = rows - 1; j >= 0; j--)
        if (row_is_float(&row[j])) float_bytes = row[j].size_bytes;
    fprintf(out, "<tr%s><td>%d</td><th scope=\"row\"><i class=\"dot\" style=\"background:var(--c-%s)\"></i>",
            r->leads ? " class=\"best\"" : "", i + 1, kind_colour(r) + 1);
    html_text(out, r->name);
    fputs("</th>", out);
    put_accuracy(out, r);
    put_drop(out, r, rows_float_accuracy(row, rows));
    fprintf(out, "<td>%d / %d", r->weight_bits, r->act_bits);
    if (r->first_last_bits != 0 && r->first_last_bits != r->weight_bits && !row_is_float(r))
        fprintf(out, "<small>ends %d</small>", r->first_last_bits);
    if (r->floats != NULL) {
        fputs("<small>", out);
        html_text(out, r->floats);
        fputs("</small>", out);
    }
    fprintf(out, "</td><td>%.1f<small>", (double)r->size_bytes / 1024);
    html_number(out, "%.2f×", float_bytes > 0 ? (double)r->size_bytes / (double)float_bytes : (double)NAN);
    fputs("</small></td><td>", out);
    html_number(out, "%.1f", r->ram_bytes > 0 ? (double)r->ram_bytes / 1024 : (double)NAN);
    fputs("</td><td>", out);
    if (r->macs > 0)
        html_count(out, r->macs);
    else
        fputs("–", out);
    fputs("</td>", out);
    put_latency(out, &r->latency, rows_disturbed(row, rows) == SOME_ROWS);
    fputs("</tr>\n", out);
}

void table_rows(FILE *out, const CompareRow *row, int rows)
{
    const Metric *metric = rows == 0 ? metric_default() : row_metric(row);
    char title[64], value[96];
    metric_title(metric, title);
    snprintf(value, sizeof value, "%s<small>95 %%</small>", title);
    const char *const head[] = {
        "#",
        "Network",
        value,
        metric->proportion ? "Drop, points<small>95 %</small>" : "Worse by<small>95 %</small>",
        "p",
        "Bits<small>W / A</small>",
        "Size, KiB<small>of float</small>",
        "RAM, KiB",
        "MACs",
        "Time, µs<small>median</small>",
    };
    fputs("<div class=\"wide\"><table class=\"rows\">\n<thead><tr>", out);
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) fprintf(out, "<th scope=\"col\">%s</th>", head[i]);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int i = 0; i < rows; i++) put_row(out, row, rows, i);
    fputs("</tbody></table></div>\n", out);
}
