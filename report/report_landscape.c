/* The loss around the weights of some models: the lines to their codes as a figure, the planes as maps, all as CSV. */
#include <math.h>

#include "base/file.h"
#include "report/report_parts.h"

enum { MAP = 280, MARGIN = 30 }; /* pixels of a map, and around it */
static const char CELL[] = "#3b82c4";

static bool has_line(const Landscape *l)
{
    for (int i = 0; l != NULL && i < l->models; i++)
        if (l->model[i].quantized) return true;
    return false;
}

int plot_landscape(Gnuplot *gnuplot, const Landscape *l)
{
    if (!has_line(l)) return -1;
    const int figure = gnuplot_figure(gnuplot, 560, 320);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fputs("set xlabel 'from the weights (0) to what their codes stand for (1)'\nset ylabel 'loss'\n"
          "set arrow from first 1, graph 0 to first 1, graph 1 nohead lw 1 lc rgb '#7f8790' dt (2,2)\n",
          script);
    for (int i = 0; i < l->models; i++) {
        if (!l->model[i].quantized) continue;
        fprintf(script, "$m%d << END\n", i);
        for (int k = 0; k < LANDSCAPE_LINE; k++)
            if (isfinite(l->model[i].line[k])) fprintf(script, "%.6g %.9g\n", landscape_t(k), l->model[i].line[k]);
        fputs("END\n", script);
    }
    const char *comma = "plot ";
    for (int i = 0; i < l->models; i++) {
        if (!l->model[i].quantized) continue;
        const LineStyle style = line_style(i);
        fprintf(script, "%s$m%d with lines lw 1.8 lc rgb '%s' %s", comma, i, style.colour, style.gnuplot_dash);
        comma = ", ";
    }
    fputc('\n', script);
    return figure;
}

static void put_lines(FILE *out, const Landscape *l, const ReportPlots *plots)
{
    if (plots->landscape < 0 || plots->gnuplot.svg == NULL) return;
    fputs("<figure class=\"curve\">\n", out);
    gnuplot_write_svg(&plots->gnuplot, plots->landscape, "Loss along the line from weights to their codes", out);
    fputs("<ul class=\"key\">", out);
    for (int i = 0; i < l->models; i++) {
        const LineStyle style = line_style(i);
        if (l->model[i].quantized) html_key_line(out, style.colour, style.dash, l->model[i].name);
    }
    fputs("</ul>\n</figure>\n", out);
}

/* The least and the largest finite loss of all planes: maps of a page share their colours. */
static void extremes(const Landscape *l, double *low, double *high)
{
    *low = (double)INFINITY, *high = -(double)INFINITY;
    for (int i = 0; i < l->models; i++)
        for (int k = 0; k < l->points * l->points; k++) {
            const double loss = l->model[i].plane[k];
            if (isfinite(loss)) *low = fmin(*low, loss), *high = fmax(*high, loss);
        }
}

/* 0 at the least loss, 1 at the largest, in proportion to the logarithm of what is above the least. */
static double shade(double loss, double low, double high)
{
    const double unit = 1e-2 * (high - low);
    if (!isfinite(loss)) return 1;
    return unit <= 0 ? 0 : log1p((loss - low) / unit) / log1p((high - low) / unit);
}

static void put_map(FILE *out, const Landscape *l, const LandscapeModel *m, double low, double high)
{
    const double side = (double)MAP / l->points;
    fputs("<figure>\n<figcaption>", out);
    html_text(out, m->name);
    fprintf(
        out,
        "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Loss on a plane around the weights\">\n",
        MAP + MARGIN, MAP + MARGIN);
    for (int i = 0; i < l->points; i++)
        for (int k = 0; k < l->points; k++) {
            const double loss = m->plane[i * l->points + k];
            fprintf(out,
                    "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"var(--c-%s,%s)\" "
                    "fill-opacity=\"%.3f\"><title>%.3g, %.3g: %.4g</title></rect>\n",
                    MARGIN + k * side, MAP - (i + 1) * side, side, side, CELL + 1, CELL, shade(loss, low, high),
                    landscape_at(l, k), landscape_at(l, i), loss);
        }
    fprintf(out,
            "<g font-size=\"11\" fill=\"currentColor\"><text x=\"%d\" y=\"%d\">%.2g</text><text x=\"%d\" y=\"%d\" "
            "text-anchor=\"end\">%.2g</text><text x=\"0\" y=\"%d\">%.2g</text><text x=\"0\" y=\"10\">%.2g</text></g>\n",
            MARGIN, MAP + 14, -l->radius, MAP + MARGIN, MAP + 14, l->radius, MAP, -l->radius, l->radius);
    fputs("</svg>\n</figure>\n", out);
}

static void put_numbers(FILE *out, const Landscape *l)
{
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"text\">Model</th><th scope=\"col\" "
          "class=\"text\">Kind</th><th scope=\"col\">Loss</th><th scope=\"col\">With the values of codes</th>",
          out);
    for (int k = 1; k <= 2; k++) fprintf(out, "<th scope=\"col\">Rise at %.3g</th>", l->radius * k / 2);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int i = 0; i < l->models; i++) {
        const LandscapeModel *m = &l->model[i];
        fputs("<tr><th scope=\"row\" class=\"text\">", out);
        html_text(out, m->name);
        fprintf(out, "</th><td class=\"text\">%s</td><td>", m->kind);
        html_number(out, "%.4f", m->loss);
        fputs("</td><td>", out);
        html_number(out, "%.4f", m->quantized ? m->line[LANDSCAPE_AT_CODES] : (double)NAN);
        for (int k = 1; k <= 2; k++) {
            fputs("</td><td>", out);
            html_number(out, "%.4f", landscape_rise(l, m, l->radius * k / 2));
        }
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void put_landscape(FILE *out, const Report *report, const ReportPlots *plots)
{
    const Landscape *l = report->landscape;
    if (l == NULL) return;
    double low, high;
    extremes(l, &low, &high);
    fprintf(
        out,
        "<section>\n<h2>The loss around the weights</h2>\n<p class=\"note\">In floats, on %d images that are the same "
        "for all models. On the line all weights move together to the values of their codes. On the plane they move in "
        "two random directions, the same for all models, in units of each filter’s length (normalized by filter); the "
        "middle of a map is the model itself, and all maps have the same colours, by the logarithm of what the loss "
        "is above %.4g, up to %.4g. Rise: the mean over the points of the plane that are so far from the "
        "middle.</p>\n",
        l->images, low, high);
    put_numbers(out, l);
    put_lines(out, l, plots);
    fputs("<div class=\"grid large\">\n", out);
    for (int i = 0; i < l->models; i++) put_map(out, l, &l->model[i], low, high);
    fputs("</div>\n</section>\n", out);
}

static void csv_point(FILE *out, const LandscapeModel *m, const char *figure, double x, double y, double loss)
{
    csv_text(out, m->name);
    fprintf(out, ",%s,%s", m->kind, figure);
    csv_numbers(out, (const double[]){x, y, loss}, 3);
    fputs("\r\n", out);
}

Status landscape_write_csv(Arena *arena, const Landscape *l, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    fputs("model,kind,figure,x,y,loss\r\n", writer.stream);
    for (int i = 0; i < l->models; i++) {
        const LandscapeModel *m = &l->model[i];
        for (int k = 0; m->quantized && k < LANDSCAPE_LINE; k++)
            csv_point(writer.stream, m, "line", landscape_t(k), 0, m->line[k]);
        for (int k = 0; k < l->points * l->points; k++)
            csv_point(writer.stream, m, "plane", landscape_at(l, k % l->points), landscape_at(l, k / l->points),
                      m->plane[k]);
    }
    return file_commit(&writer);
}
