/* The table of `compare`: for a terminal, as CSV, as HTML. */
#include "train/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { NAME_COLUMNS = 38 };

bool row_is_float(const CompareRow *row) { return strcmp(row->kind, "float") == 0; }

double row_accuracy(const CompareRow *row)
{
    return row_is_float(row) || isnan(row->accuracy_int8) ? row->accuracy : row->accuracy_int8;
}

double rows_float_accuracy(const CompareRow *row, int rows)
{
    for (int i = 0; i < rows; i++)
        if (row_is_float(&row[i])) return row[i].accuracy;
    return (double)NAN;
}

static bool keeps_weights_alike(const CompareRow *a, const CompareRow *b)
{
    const int ends_a = a->ends == 0 ? a->weight_bits : a->ends, ends_b = b->ends == 0 ? b->weight_bits : b->ends;
    return !row_is_float(a) && !row_is_float(b) && a->weight_bits == b->weight_bits && ends_a == ends_b;
}

bool row_is_best(const CompareRow *row, int rows, int i)
{
    int rivals = 0;
    const double mine = row_accuracy(&row[i]);
    for (int j = 0; j < rows; j++) {
        if (j == i || !keeps_weights_alike(&row[i], &row[j])) continue;
        const double other = row_accuracy(&row[j]);
        if (other > mine || isnan(mine)) return false;
        if (other == mine && row[j].size_bytes < row[i].size_bytes) return false;
        if (other == mine && row[j].size_bytes == row[i].size_bytes && j < i) return false;
        rivals++;
    }
    return rivals > 0;
}

/* ---- terminal ---- */

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

static char *line(Arena *arena, const char *name, const char *const cell[6])
{
    static const int columns[6] = {5, 10, 8, 8, 8, 10};
    const char *clipped = text_clip(arena, name, NAME_COLUMNS);
    char *text = arena_printf(arena, "%s%*s", clipped, NAME_COLUMNS - text_columns(clipped), "");
    for (int i = 0; i < 6; i++) text = arena_printf(arena, "%s%s", text, right(arena, cell[i], columns[i]));
    return text;
}

char *report_text_head(Arena *arena)
{
    const char *const cell[6] = {"W/A", "accuracy %", "± spread", "drop pts", "size KiB", "latency µs"};
    return line(arena, "", cell);
}

char *report_text_row(Arena *arena, const CompareRow *row, double float_accuracy)
{
    const double accuracy = row_accuracy(row);
    const double drop = row_is_float(row) ? (double)NAN : 100 * (float_accuracy - accuracy);
    const char *const cell[6] = {
        arena_printf(arena, "%d/%d", row->weight_bits, row->act_bits),
        number(arena, "%.2f", 100 * accuracy),
        row->seeds > 1 ? number(arena, "±%.2f", 100 * row->accuracy_std) : "-",
        number(arena, "%.2f", fabs(drop) < 0.005 ? 0 : drop),
        number(arena, "%.1f", (double)row->size_bytes / 1024),
        number(arena, "%.1f", row->latency_us),
    };
    return line(arena, row->name, cell);
}

/* ---- CSV (RFC 4180) ---- */

static void csv_text(FILE *out, const char *text)
{
    if (text == NULL) return;
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* In the shortest form that reads back to the same double; nothing for what is not a number. */
static void csv_number(FILE *out, double value)
{
    if (!isfinite(value)) return;
    char text[64];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, out);
}

Status report_write_csv(Arena *arena, const CompareRow *row, int rows, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    fputs("name,kind,weight_bits,act_bits,granularity,calibrator,accuracy,accuracy_std,seeds,accuracy_int8,size_bytes,"
          "latency_us,first_last_bits\r\n",
          out);
    for (const CompareRow *r = row; r < row + rows; r++) {
        csv_text(out, r->name);
        fputc(',', out);
        csv_text(out, r->kind);
        fprintf(out, ",%d,%d,", r->weight_bits, r->act_bits);
        csv_text(out, r->granularity);
        fputc(',', out);
        csv_text(out, r->calibrator);
        fputc(',', out);
        csv_number(out, r->accuracy);
        fputc(',', out);
        csv_number(out, r->accuracy_std);
        fprintf(out, ",%d,", r->seeds);
        csv_number(out, r->accuracy_int8);
        fprintf(out, ",%ld,", r->size_bytes);
        csv_number(out, r->latency_us);
        fprintf(out, ",%d\r\n", r->ends);
    }
    return file_commit(&writer);
}

/* ---- HTML ---- */

static void html_number(FILE *out, const char *format, double value) __attribute__((format(printf, 2, 0)));
static void html_number(FILE *out, const char *format, double value)
{
    if (!isfinite(value)) {
        fputs("–", out);
        return;
    }
    if (value < 0) fputs("−", out);
    fprintf(out, format, fabs(value));
}

static void html_row(FILE *out, const CompareRow *row, int rows, int i)
{
    const CompareRow *r = &row[i];
    long float_bytes = 0;
    for (int j = rows - 1; j >= 0; j--)
        if (row_is_float(&row[j])) float_bytes = row[j].size_bytes;
    fprintf(out, "<tr%s><td>%d</td><th scope=\"row\"><i class=\"dot\" style=\"background:%s\"></i>",
            row_is_best(row, rows, i) ? " class=\"best\"" : "", i + 1, kind_colour(r));
    html_text(out, r->name);
    fprintf(out, "</th><td>%d / %d", r->weight_bits, r->act_bits);
    if (r->ends != 0 && r->ends != r->weight_bits && !row_is_float(r)) fprintf(out, " <small>ends %d</small>", r->ends);
    fputs("</td><td>", out);
    html_number(out, "%.2f", 100 * row_accuracy(r));
    if (r->seeds > 1 && isfinite(r->accuracy_std)) fprintf(out, " <small>± %.2f</small>", 100 * r->accuracy_std);
    const double drop = 100 * (rows_float_accuracy(row, rows) - row_accuracy(r));
    fputs("</td><td>", out);
    html_number(out, "%.2f", row_is_float(r) ? (double)NAN : fabs(drop) < 0.005 ? 0 : drop);
    fprintf(out, "</td><td>%.1f</td><td>", (double)r->size_bytes / 1024);
    html_number(out, "%.2f×", float_bytes > 0 ? (double)r->size_bytes / (double)float_bytes : (double)NAN);
    fputs("</td><td>", out);
    html_number(out, r->latency_us < 1000 ? "%.1f" : "%.0f", r->latency_us);
    fputs("</td></tr>\n", out);
}

void table_rows(FILE *out, const CompareRow *row, int rows)
{
    fputs(
        "<div class=\"wide\"><table class=\"rows\">\n<thead><tr><th scope=\"col\">#</th><th scope=\"col\">Network</th>"
        "<th scope=\"col\">Bits W / A</th><th scope=\"col\">Accuracy, %</th><th scope=\"col\">Drop, points</th>"
        "<th scope=\"col\">Size, KiB</th><th scope=\"col\">of float</th><th scope=\"col\">Latency, "
        "µs</th></tr></thead>\n"
        "<tbody>\n",
        out);
    for (int i = 0; i < rows; i++) html_row(out, row, rows, i);
    fputs("</tbody></table></div>\n", out);
}
