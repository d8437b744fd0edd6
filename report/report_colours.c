/* Colours, dashes and the frame that the figures and the tables share. */
#include <string.h>

#include "report/report_parts.h"

LineStyle line_style(int i)
{
    static const char *const colour[] = {"#3b82c4", "#e07b1f", "#2f9e63", "#d1495b",
                                         "#8d6fd1", "#1a9ba3", "#b8860b", "#c2569b"};
    static const char *const dash[][2] = {
        {"", "dt solid"}, {"6,3", "dt (6,3)"}, {"2,2", "dt (2,2)"}, {"8,3,2,3", "dt (8,3,2,3)"}};
    return (LineStyle){colour[i % 8], dash[i / 8 % 4][0], dash[i / 8 % 4][1]};
}

const char *kind_colour(const CompareRow *row)
{
    return row_is_float(row) ? "#7f8790" : strcmp(row->kind, "qat") == 0 ? "#e07b1f" : "#3b82c4";
}

const char plot_frame[] = "set border 3\nset tics nomirror scale 0.5\n"
                          "set grid ytics lt 1 lw 0.5 lc rgb '#a0a0a0' dt (2,3)\nunset key\n";
