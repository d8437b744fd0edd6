/* Plots: one gnuplot process draws all figures of a page as SVG.
 *
 * The script goes to an unnamed temporary file that is gnuplot's standard input, the figures come back the same way: no
 * shell, nothing with a name on disk.  Text of the user reaches the script through gnuplot_text only.
 */
#ifndef BITFOLD_REPORT_GNUPLOT_H
#define BITFOLD_REPORT_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct {
    FILE *script; /* commands and inline data, written by the caller between begin and run */
    int figures;
    const char **svg; /* by figure, as gnuplot wrote it; NULL when gnuplot is not installed */
} Gnuplot;

Status gnuplot_begin(Gnuplot *gnuplot);
void gnuplot_end(Gnuplot *gnuplot);

/* Starts the next figure of that size in pixels with all settings at their defaults, enhanced text off; its number. */
int gnuplot_figure(Gnuplot *gnuplot, int width, int height);

/* Writes `text` into a script as one string literal: single quotes, in which gnuplot expands nothing (no escapes, no
 * backquotes, no macros); an apostrophe becomes U+2019, for gnuplot 5.4 misreads a literal that begins with a doubled
 * one; control characters become spaces, bytes that are not UTF-8 U+FFFD.  Not for tic labels, which gnuplot takes as
 * formats. */
void gnuplot_text(FILE *script, const char *text);

/* Draws.  Without gnuplot on the PATH: STATUS_OK and svg == NULL.  STATUS_IO gives the first line gnuplot complained
 * with, and when the system refused a temporary file or the process. */
Status gnuplot_run(Arena *arena, Gnuplot *gnuplot);

/* Writes a figure as an <svg> element for an HTML page: no prolog, title, namespace or empty group; every id starts
 * with the figure's number; black becomes currentColor and any other colour #rrggbb the variable --c-rrggbb, itself
 * where the style sheet does not set it; the size is left to the style sheet.  `label` says what is seen
 * to those who cannot see it, already escaped. */
void gnuplot_write_svg(const Gnuplot *gnuplot, int figure, const char *label, FILE *out);

#endif
