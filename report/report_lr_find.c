/* The learning-rate range test: the loss by the rate, as a figure, a table and CSV. */
#include <math.h>

#include "base/file.h"
#include "report/report_parts.h"

static const char SMOOTHED[] = "#3b82c4", SINGLE[] = "#7f8790", SUGGESTED[] = "#d1495b";

/* The axis reaches from the lowest loss to somewhat above where it began: an explosion would flatten all else. */
static void set_axis(FILE *script, const LrFind *find)
{
    double low = (double)INFINITY, high = 0;
    for (int i = 0; i < find->points; i++) {
        low = fmin(low, find->point[i].smoothed);
        if (i <= find->lowest) high = fmax(high, find->point[i].smoothed);
    }
    const double pad = fmax(0.5 * (high - low), 0.05 * fmax(high, 1e-6));
    fprintf(script, "set yrange [%.9g:%.9g]\n", fmax(low - 0.5 * pad, 0), high + pad);
}

int plot_lr_find(Gnuplot *gnuplot, const LrFind *find)
{
    if (find == NULL || find->points < 2) return -1;
    const int figure = gnuplot_figure(gnuplot, 560, 320);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fputs("set xlabel 'learning rate'\nset ylabel 'training loss'\nset logscale x\nset format x '%.0e'\n", script);
    set_axis(script, find);
    if (find->suggested > 0)
        fprintf(script,
                "set arrow from first %.9g, graph 0 to first %.9g, graph 1 nohead lw 1.4 lc rgb '%s' dt (6,3)\n",
                find->suggested, find->suggested, SUGGESTED);
    fputs("$rates << END\n", script);
    for (int i = 0; i < find->points; i++)
        fprintf(script, "%.9g %.9g %.9g\n", find->point[i].lr, find->point[i].loss, find->point[i].smoothed);
    fprintf(script,
            "END\nplot $rates using 1:2 with points pt 7 ps 0.3 lc rgb '%s', $rates using 1:3 with lines lw 1.8 lc rgb "
            "'%s'\n",
            SINGLE, SMOOTHED);
    return figure;
}

static void put_figure(FILE *out, const LrFind *find, const ReportPlots *plots)
{
    fputs("<figure class=\"curve\">\n", out);
    gnuplot_write_svg(&plots->gnuplot, plots->lr_find, "Training loss by learning rate", out);
    fputs("<ul class=\"key\">", out);
    html_key_line(out, SMOOTHED, "", "smoothed loss");
    html_key_line(out, SINGLE, "1,3", "loss of one batch");
    if (find->suggested > 0) html_key_line(out, SUGGESTED, "6,3", "suggested rate");
    fputs("</ul>\n</figure>\n", out);
}

static void put_table(FILE *out, const LrFind *find)
{
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Learning rate</th><th scope=\"col\">Loss</th><th "
          "scope=\"col\">Smoothed</th></tr></thead>\n<tbody>\n",
          out);
    for (int i = 0; i < find->points; i++) {
        fprintf(out, "<tr><th scope=\"row\">%.3g</th><td>", find->point[i].lr);
        html_number(out, "%.4f", find->point[i].loss);
        fputs("</td><td>", out);
        html_number(out, "%.4f", find->point[i].smoothed);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void put_lr_find(FILE *out, const Report *report, const ReportPlots *plots)
{
    const LrFind *find = report->lr_find;
    if (find == NULL || find->points == 0) return;
    fputs("<section>\n<h2>Loss by learning rate</h2>\n<p>", out);
    if (find->suggested > 0)
        fprintf(out, "Suggested: %.2g, a tenth of the rate at the lowest smoothed loss.</p>\n", find->suggested);
    else
        fputs("None is suggested: the loss fell at no rate.</p>\n", out);
    fprintf(out, "<p class=\"note\">One step at each rate, each the same factor above the last; %s</p>\n",
            find->exploded ? "it ended where the loss exploded." : "the loss did not explode.");
    if (plots->lr_find >= 0 && plots->gnuplot.svg != NULL)
        put_figure(out, find, plots);
    else
        put_table(out, find);
    fputs("</section>\n", out);
}

Status lr_find_write_csv(Arena *arena, const LrFind *find, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    fputs("step,lr,loss,smoothed\r\n", out);
    for (int i = 0; i < find->points; i++) {
        fprintf(out, "%d", i + 1);
        csv_numbers(out, (const double[]){find->point[i].lr, find->point[i].loss, find->point[i].smoothed}, 3);
        fputs("\r\n", out);
    }
    return file_commit(&writer);
}
