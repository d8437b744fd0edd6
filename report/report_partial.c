/* Partial quantization: the metric by how many of the worst groups are left as they are. */
#include <math.h>

#include "report/report_parts.h"

static const char CURVE[] = "#3b82c4", TOLERANCE[] = "#d1495b", FLOATS[] = "#7f8790";

static void put_line(FILE *script, double at, const char *colour, const char *dash)
{
    fprintf(script, "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead lw 1.4 lc rgb '%s' %s\n", at, at,
            colour, dash);
}

int plot_partial(Gnuplot *gnuplot, const SearchReport *search)
{
    const Partial *p = search->partial;
    const Metric *m = search->metric;
    const double floats = m->factor * search->sensitivity->floats.value;
    double low = fmin(floats, tolerance_limit(search, search->options->tolerance)),
           high = fmax(floats, tolerance_limit(search, search->options->tolerance));
    int points = 0;
    for (int i = 0; i < p->steps; i++) {
        const double shown = m->factor * p->step[i].m.value;
        if (!isfinite(shown)) continue;
        low = fmin(low, shown), high = fmax(high, shown), points++;
    }
    if (points == 0) return -1;
    const double pad = fmax(0.06 * (high - low), 1e-6 * fmax(fabs(high), 1));
    char axis[64];
    metric_axis(axis, sizeof axis, m);
    const int figure = gnuplot_figure(gnuplot, 560, 320), last = p->step[p->steps - 1].kept;
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script, "set xlabel 'groups of layers kept in %s'\nset ylabel '%s'\n",
            format_choices[search->options->keep], axis);
    fprintf(script, "set xrange [-0.3:%.9g]\nset yrange [%.9g:%.9g]\nset xtics %d\n", fmax(last, 1) + 0.3, low - pad,
            high + pad, last > 20 ? 5 : 1);
    put_line(script, floats, FLOATS, "dt (2,2)");
    put_line(script, tolerance_limit(search, search->options->tolerance), TOLERANCE, "dt (6,3)");
    fputs("$steps << END\n", script);
    for (int i = 0; i < p->steps; i++)
        if (isfinite(p->step[i].m.value)) fprintf(script, "%d %.9g\n", p->step[i].kept, m->factor * p->step[i].m.value);
    const PartialStep *best = &p->step[p->best];
    fprintf(script, "END\n$best << END\n%d %.9g\nEND\n", best->kept, m->factor * best->m.value);
    fprintf(script,
            "plot $steps with linespoints pt 7 ps 0.6 lw 1.8 lc rgb '%s', $best with points pt 6 ps 1.6 lw 1.6 lc "
            "rgb '%s'\n",
            CURVE, CURVE);
    return figure;
}

static void put_figure(FILE *out, const SearchReport *search, const ReportPlots *plots)
{
    if (plots->partial < 0 || plots->gnuplot.svg == NULL) return;
    char name[64], what[160];
    metric_name(search->metric, name);
    snprintf(what, sizeof what, "%s by the number of groups kept in %s; the numbers are in the table", name,
             format_choices[search->options->keep]);
    fputs("<figure>\n", out);
    gnuplot_write_svg(&plots->gnuplot, plots->partial, what, out);
    fputs("<ul class=\"key\">", out);
    html_key_line(out, CURVE, "", "partially quantized; ring: chosen");
    html_key_line(out, TOLERANCE, "6,3", "tolerance");
    html_key_line(out, FLOATS, "2,2", "float32");
    fputs("</ul>\n</figure>\n", out);
}

static void put_step(FILE *out, const SearchReport *search, int i)
{
    const PartialStep *step = &search->partial->step[i];
    fprintf(out, "<tr%s><th scope=\"row\">%d</th><td class=\"text\">",
            i == search->partial->best ? " class=\"best\"" : "", step->kept);
    if (step->layer == NULL)
        fputs("–", out);
    else
        html_text(out, step->layer);
    fputs("</td><td>", out);
    html_metric(out, search->metric, search->metric->factor * step->m.value);
    fputs("</td><td>", out);
    html_drop(out, search, &step->m);
    fputs("</td><td>", out);
    html_number(out, "%.4f", step->m.loss);
    fputs("</td></tr>\n", out);
}

static void put_steps(FILE *out, const SearchReport *search)
{
    char title[64];
    metric_title(search->metric, title);
    fprintf(out,
            "<div class=\"wide\"><table class=\"steps\">\n<thead><tr><th scope=\"col\">Kept</th><th scope=\"col\" "
            "class=\"text\">The last of them</th><th scope=\"col\">%s</th><th scope=\"col\">%s</th><th "
            "scope=\"col\">Loss</th></tr></thead>\n<tbody>\n",
            title, search->metric->proportion ? "Drop, points" : "Worse by");
    for (int i = 0; i < search->partial->steps; i++) put_step(out, search, i);
    fputs("</tbody></table></div>\n", out);
}

void put_partial(FILE *out, const Report *report, const ReportPlots *plots)
{
    const SearchReport *search = report->search;
    if (search == NULL || search->partial == NULL || search->partial->steps == 0) return;
    const Partial *p = search->partial;
    const PartialOptions *o = search->options;
    fputs("<section>\n<h2>Partial quantization</h2>\n<p>", out);
    fprintf(out, "Every layer in %s but %d group%s in %s: ", format_choices[o->format], p->step[p->best].kept,
            p->step[p->best].kept == 1 ? "" : "s", format_choices[o->keep]);
    html_metric(out, search->metric, search->metric->factor * p->step[p->best].m.value);
    fprintf(out, "%s, %s the tolerance of %.4g.</p>\n", search->metric->unit,
            p->within ? "within" : "the best, but beyond", o->tolerance);
    fprintf(out, "<p class=\"note\">The worst are kept first, by %s. Measured on the integer engine, on ",
            o->order < 0 ? "the loss that each adds alone" : predictors[o->order].name);
    html_measured_images(out, report);
    fputs(".</p>\n<div class=\"pair\">\n", out);
    put_figure(out, search, plots);
    put_steps(out, search);
    fputs("</div>\n</section>\n", out);
}
