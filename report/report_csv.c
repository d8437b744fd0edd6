/* The table of `compare` as CSV (RFC 4180). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/report_parts.h"

void csv_text(FILE *out, const char *text)
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

void csv_number(FILE *out, double value)
{
    if (!isfinite(value)) return;
    char text[64];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, out);
}

void csv_numbers(FILE *out, const double *value, int n)
{
    for (int i = 0; i < n; i++) {
        fputc(',', out);
        csv_number(out, value[i]);
    }
}

Status report_write_csv(Arena *arena, const CompareRow *row, int rows, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    const char *m = (rows == 0 ? metric_default() : row_metric(row))->name;
    fprintf(out,
            "name,kind,weight_bits,act_bits,granularity,observer,%s,%s_std,seeds,%s_int8,size_bytes,"
            "first_last_bits,ram_bytes,macs,%s_low,%s_high,drop_low,drop_high,p_value",
            m, m, m, m, m);
    bool failed = false, floats = false;
    for (int i = 0; i < rows; i++) failed |= row[i].error != NULL, floats |= row[i].floats != NULL;
    fprintf(out, "%s%s\r\n", floats ? ",floats" : "", failed ? ",error" : "");
    for (const CompareRow *r = row; r < row + rows; r++) {
        csv_text(out, r->name);
        fputc(',', out);
        csv_text(out, r->kind);
        fprintf(out, ",%d,%d,", r->weight_bits, r->act_bits);
        csv_text(out, r->granularity);
        fputc(',', out);
        csv_text(out, r->observer);
        fputc(',', out);
        csv_number(out, r->accuracy);
        fputc(',', out);
        csv_number(out, r->accuracy_std);
        fprintf(out, ",%d,", r->seeds);
        csv_number(out, r->accuracy_int8);
        fprintf(out, ",%ld,%d,", r->size_bytes, r->first_last_bits);
        if (r->ram_bytes > 0) fprintf(out, "%ld", r->ram_bytes);
        fprintf(out, ",%ld", r->macs);
        const double drop = row_is_float(r) ? (double)NAN : 1;
        const double number[] = {r->accuracy_range.low, r->accuracy_range.high, drop * r->drop_range.low,
                                 drop * r->drop_range.high, r->p};
        for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
            fputc(',', out);
            csv_number(out, r->error == NULL ? number[i] : (double)NAN);
        }
        if (floats) fputc(',', out);
        csv_text(out, r->floats);
        if (failed) fputc(',', out);
        csv_text(out, r->error);
        fputs("\r\n", out);
    }
    return file_commit(&writer);
}
