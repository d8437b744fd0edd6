#include "datasets/csv.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { MOST_BYTES = 1 << 30, MOST_COLUMNS = 4096 };

typedef struct {
    const char *path;
    char *at, *end; /* what is still to be read; *end is a NUL */
    int line;
} Text;

/* The next cell, unquoted in place.  *last: its line ends after it. */
static Status next_cell(Text *t, const char **cell, bool *last)
{
    char *from = t->at, *to = t->at;
    *cell = to;
    const bool quoted = *from == '"';
    if (quoted) {
        const int line = t->line;
        for (from++; from < t->end && (*from != '"' || from[1] == '"'); from++) {
            t->line += *from == '\n';
            from += *from == '"'; /* the second of two */
            *to++ = *from;
        }
        if (from == t->end)
            return status_fail(STATUS_FORMAT, "%s:%d: a quote that is not closed; each must be", t->path, line);
        from++;
    } else {
        while (from < t->end && *from != ',' && *from != '\n') from++;
        to = from;
        if (to > t->at && to[-1] == '\r' && (from == t->end || *from == '\n')) to--;
    }
    if (quoted && *from == '\r' && from[1] == '\n') from++;
    if (from < t->end && *from != ',' && *from != '\n')
        return status_fail(STATUS_FORMAT, "%s:%d: text after a cell in quotes; a comma or the line's end is required",
                           t->path, t->line);
    *last = from == t->end || *from == '\n';
    t->line += *from == '\n';
    t->at = from < t->end ? from + 1 : from;
    *to = '\0';
    return STATUS_OK;
}

static void skip_empty_lines(Text *t)
{
    for (; *t->at == '\n' || (*t->at == '\r' && t->at[1] == '\n'); t->at++) t->line += *t->at == '\n';
}

static Status read_head(Arena *arena, Text *t, CsvTable *table)
{
    const char *name[MOST_COLUMNS];
    skip_empty_lines(t);
    if (t->at == t->end)
        return status_fail(STATUS_FORMAT, "%s: is empty; the first line must name its columns", t->path);
    for (bool last = false; !last; table->columns++) {
        if (table->columns == MOST_COLUMNS)
            return status_fail(STATUS_FORMAT, "%s: more than %d columns", t->path, MOST_COLUMNS);
        TRY(next_cell(t, &name[table->columns], &last));
        for (int k = 0; k < table->columns; k++)
            if (strcmp(name[k], name[table->columns]) == 0)
                return status_fail(STATUS_FORMAT, "%s: two columns %s; each must have a name of its own", t->path,
                                   json_quote(arena, name[k]));
    }
    table->name = ARENA_ARRAY(arena, const char *, table->columns);
    memcpy(table->name, name, sizeof *name * (size_t)table->columns);
    return STATUS_OK;
}

/* At most one row for each line that is left, each with a comma between its cells. */
static Status read_rows(Arena *arena, Text *t, CsvTable *table)
{
    size_t most = 1;
    for (const char *p = t->at; p < t->end; p++) most += *p == '\n';
    const size_t by_bytes = (size_t)(t->end - t->at) / (size_t)table->columns + 1;
    most = by_bytes < most ? by_bytes : most;
    table->cell = arena_try_alloc(arena, most * (size_t)table->columns * sizeof *table->cell);
    table->line = arena_try_alloc(arena, most * sizeof *table->line);
    if (table->cell == NULL || table->line == NULL) return status_prefix(STATUS_NOMEM, "%s", t->path);
    for (skip_empty_lines(t); t->at < t->end; skip_empty_lines(t), table->rows++) {
        if ((size_t)(t->end - t->at) + 1 < (size_t)table->columns)
            return status_fail(STATUS_FORMAT, "%s:%d: too few cells; must be %d, as the first line has", t->path,
                               t->line, table->columns);
        const char **row = table->cell + (size_t)table->rows * (size_t)table->columns;
        const int line = table->line[table->rows] = t->line;
        bool last = false;
        int n = 0;
        for (; !last && n < table->columns; n++) TRY(next_cell(t, &row[n], &last));
        if (!last || n < table->columns)
            return status_fail(STATUS_FORMAT, "%s:%d: %s %d cells; must be %d, as the first line has", t->path, line,
                               last ? "has" : "has more than", n, table->columns);
    }
    return STATUS_OK;
}

Status csv_read(Arena *arena, const char *path, CsvTable *table)
{
    unsigned char *bytes;
    size_t n;
    TRY(file_read(arena, path, MOST_BYTES, &bytes, &n));
    char *text = (char *)bytes; /* a NUL follows */
    if (strlen(text) != n) return status_fail(STATUS_FORMAT, "%s: a NUL at byte %zu; is no text", path, strlen(text));
    *table = (CsvTable){.path = path};
    Text t = {path, text, text + n, 1};
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) t.at += 3;
    TRY(read_head(arena, &t, table));
    return read_rows(arena, &t, table);
}

int csv_column(const CsvTable *table, const char *name)
{
    for (int k = 0; k < table->columns; k++)
        if (strcmp(table->name[k], name) == 0) return k;
    return -1;
}
