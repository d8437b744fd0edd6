/* Tables as text: RFC 4180, the names of the columns in the first line. */
#ifndef BITFOLD_DATASETS_CSV_H
#define BITFOLD_DATASETS_CSV_H

#include "base/arena.h"
#include "base/status.h"

typedef struct {
    const char *path;
    int columns, rows;
    const char **name; /* [columns] */
    const char **cell; /* [rows][columns] */
    int *line;         /* [rows] where each begins, from 1 */
} CsvTable;

/* Cells are separated by commas, lines end with LF or CR LF, a cell in double quotes may hold any of these, and quotes
 * doubled; empty lines are passed over, so is a byte order mark.  STATUS_FORMAT: a line has not as many cells as the
 * first, a quote is not closed, a NUL, or two columns have one name; STATUS_IO. */
Status csv_read(Arena *arena, const char *path, CsvTable *table);

/* The column of that name; -1: there is none. */
int csv_column(const CsvTable *table, const char *name);

#endif
