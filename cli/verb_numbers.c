/* numbers: a number in every float format. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "cli/cli.h"

typedef struct {
    const char *format;
    double value;
    uint64_t bits;
    int width, exponent;
    double step; /* to the next value away from 0; 0 where there is none */
    long double error;
} Row;

static Row row_of_double(double x)
{
    Row row = {.format = "float64", .value = x, .width = 64, .exponent = 11};
    memcpy(&row.bits, &x, sizeof x);
    if (isfinite(x) && fabs(x) < 0x1.fffffffffffffp1023) row.step = nextafter(fabs(x), (double)INFINITY) - fabs(x);
    return row;
}

static Row row_of(Format f, double x)
{
    const int width = 8 * (int)format_bytes(f);
    const uint32_t bits = format_encode_double(f, x);
    const float value = format_decode(f, bits);
    Row row = {.format = format_names[f],
               .value = (double)value,
               .bits = bits,
               .width = width,
               .exponent = format_exponent_bits(f)};
    if (isfinite(value) && fabsf(value) < format_largest(f))
        row.step = fabs((double)format_decode(f, bits + 1)) - fabs((double)value);
    return row;
}

/* "0 01101 1001010011" */
static const char *bits_text(char text[72], const Row *row)
{
    int at = 0;
    for (int i = row->width - 1; i >= 0; i--) {
        text[at++] = (row->bits >> i & 1) != 0 ? '1' : '0';
        if (i == row->width - 1 || i == row->width - 1 - row->exponent) text[at++] = ' ';
    }
    text[at] = '\0';
    return text;
}

static const char *hex_text(Arena *arena, const Row *row)
{
    return arena_printf(arena, "0x%0*llX", row->width / 4, (unsigned long long)row->bits);
}

enum { ROWS = 1 + FORMATS - FORMAT_FLOAT32 };

static Status make_rows(const char *word, Row row[ROWS])
{
    char *end;
    const long double exact = strtold(word, &end);
    if (end == word || *end != '\0')
        return status_fail(STATUS_INVALID, "numbers: \"%s\"; must be a number such as 0.3952, -1e-3 or inf", word);
    row[0] = row_of_double(strtod(word, NULL));
    for (int f = FORMAT_FLOAT32; f < FORMATS; f++) row[1 + f - FORMAT_FLOAT32] = row_of((Format)f, row[0].value);
    for (int i = 0; i < ROWS; i++) row[i].error = (long double)row[i].value - exact;
    return STATUS_OK;
}

static void print_text(Arena *arena, const char *word, const Row row[ROWS])
{
    cli_print("%s\n%-12s %24s %11s %11s  sign, exponent, fraction\n", word, "", "value", "error", "step");
    for (int i = 0; i < ROWS; i++) {
        const Row *r = &row[i];
        char text[72];
        const bool finite = isfinite((double)r->error);
        cli_print("%-12s %24.17g %11s %11s  %s  %s\n", r->format, r->value,
                  finite ? arena_printf(arena, "%.3g", (double)r->error) : "-",
                  r->step > 0 ? arena_printf(arena, "%.3g", r->step) : "-", bits_text(text, r), hex_text(arena, r));
    }
}

static void add_number(cJSON *json, const char *key, double x)
{
    if (isfinite(x))
        cJSON_AddNumberToObject(json, key, x);
    else
        cJSON_AddNullToObject(json, key);
}

static cJSON *rows_json(Arena *arena, const char *word, const Row row[ROWS])
{
    cJSON *json = cJSON_CreateObject(), *formats = cJSON_AddObjectToObject(json, "formats");
    cJSON_AddStringToObject(json, "number", word);
    for (int i = 0; i < ROWS; i++) {
        char text[72];
        cJSON *of = cJSON_AddObjectToObject(formats, row[i].format);
        add_number(of, "value", row[i].value);
        add_number(of, "error", (double)row[i].error);
        add_number(of, "step", row[i].step > 0 ? row[i].step : (double)NAN);
        cJSON_AddStringToObject(of, "bits", bits_text(text, &row[i]));
        cJSON_AddStringToObject(of, "hex",
                                arena_printf(arena, "0x%0*llX", row[i].width / 4, (unsigned long long)row[i].bits));
    }
    return json;
}

static Status run_numbers(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    Row(*rows)[ROWS] = arena_alloc(arena, sizeof *rows * (size_t)o->arguments);
    for (int i = 0; i < o->arguments; i++) TRY(make_rows(o->argument[i], rows[i]));
    cJSON *all = o->json ? cJSON_CreateObject() : NULL,
          *list = all == NULL ? NULL : cJSON_AddArrayToObject(all, "numbers");
    for (int i = 0; i < o->arguments; i++) {
        if (o->json)
            cJSON_AddItemToArray(list, rows_json(arena, o->argument[i], rows[i]));
        else
            print_text(arena, o->argument[i], rows[i]);
    }
    if (o->json) cli_print_json(arena, all);
    return STATUS_OK;
}

const Verb verb_numbers = {
    "numbers", "NUMBER...", "Shows numbers in every float format: value, error, distance to the next one, bits", "", 1,
    -1,        run_numbers};
