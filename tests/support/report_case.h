/* A report with everything in it, and a folder for its page. */
#ifndef BITFOLD_TESTS_SUPPORT_REPORT_CASE_H
#define BITFOLD_TESTS_SUPPORT_REPORT_CASE_H

#include "report/report.h"

enum {
    REPORT_ROWS = 4,
    REPORT_LAYERS = 7,
    REPORT_CLASSES = 3,
    /* Drawn: the scatter for wide and for narrow windows, curves, histograms. */
    REPORT_FIGURES = 2 + CURVE_KINDS + 2 * REPORT_LAYERS,
};

/* float; PTQ, not to be told from it; QAT W8A8, better than float and leading; QAT W2A2, worse. */
extern const CompareRow report_rows[REPORT_ROWS];

/* hostile: every name in the page tries HTML, gnuplot's quoting, macros and formats, the shell, UTF-8. */
Report report_case(Arena *arena, bool hostile);

typedef struct {
    Arena *arena;
    char dir[64];
    char *page;
} Place;

Place place_make(void);
int place_entries(const Place *place); /* files in the folder */
char *place_read(const Place *place, const char *path);
char *place_page(const Place *place, const Report *report); /* written, and read */
void place_drop(Place *place);                              /* fails if anything but the page was left */

bool have_gnuplot(void);

#endif
