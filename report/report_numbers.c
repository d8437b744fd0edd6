/* Figures as tables, where gnuplot is not installed. */
#include "report/report_parts.h"

#include <math.h>

enum { CURVE_POINTS = 6, HISTOGRAM_ROWS = 16 };

static void put_number(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "<td>%s%.4g</td>", value < 0 ? "−" : "", fabs(value));
    else
        fputs(isinf(value) ? "<td>∞</td>" : "<td>–</td>", out);
}

void table_curves(FILE *out, const Curve *curve, int curves, double unit)
{
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Share of the steps</th>", out);
    for (int j = 0; j < CURVE_POINTS; j++) fprintf(out, "<th scope=\"col\">%d %%</th>", 100 * j / (CURVE_POINTS - 1));
    fputs("</tr></thead>\n<tbody>\n", out);
    for (const Curve *c = curve; c < curve + curves; c++) {
        if (c->n < 1) continue;
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, c->name);
        fputs("</th>", out);
        for (int j = 0; j < CURVE_POINTS; j++) put_number(out, unit * c->y[(long)(c->n - 1) * j / (CURVE_POINTS - 1)]);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void table_weights(FILE *out, const WeightHistogram *h)
{
    fputs("<table>\n<thead><tr><th scope=\"col\">From</th><th scope=\"col\">to</th><th scope=\"col\">before</th>"
          "<th scope=\"col\">after</th></tr></thead>\n<tbody>\n",
          out);
    const int rows = h->bins < HISTOGRAM_ROWS ? h->bins : HISTOGRAM_ROWS;
    const double width = (h->hi - h->lo) / h->bins;
    for (int i = 0; i < rows; i++) {
        const int first = (int)((long)h->bins * i / rows), end = (int)((long)h->bins * (i + 1) / rows);
        double before = 0, after = 0;
        for (int j = first; j < end; j++) before += h->before[j], after += h->after[j];
        fputs("<tr>", out);
        put_number(out, h->lo + width * first);
        put_number(out, h->lo + width * end);
        fprintf(out, "<td>%.0f</td><td>%.0f</td></tr>\n", before, after);
    }
    fputs("</tbody></table>\n", out);
}

/* Share of the values that a threshold cuts off, in percent, to the width of a bin. */
static double beyond(const ActivationHistogram *h, double threshold)
{
    double all = 0, cut = 0;
    for (int j = 0; j < h->bins; j++) {
        all += h->count[j];
        if (j * h->width >= threshold) cut += h->count[j];
    }
    return all > 0 ? 100 * cut / all : (double)NAN;
}

void table_activations(FILE *out, const ActivationHistogram *histogram, int histograms)
{
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Layer</th><th scope=\"col\">Bits</th>"
          "<th scope=\"col\">Calibrator</th><th scope=\"col\">Threshold</th><th scope=\"col\">Cut off, "
          "%</th></tr></thead>\n"
          "<tbody>\n",
          out);
    for (const ActivationHistogram *h = histogram; h < histogram + histograms; h++)
        for (int i = 0; i < h->thresholds; i++) {
            fputs("<tr><th scope=\"row\">", out);
            html_text(out, h->layer);
            fprintf(out, "</th><td>%d</td><td>", h->bits);
            html_text(out, h->observer[i]);
            fputs("</td>", out);
            put_number(out, h->threshold[i]);
            put_number(out, beyond(h, h->threshold[i]));
            fputs("</tr>\n", out);
        }
    fputs("</tbody></table></div>\n", out);
}

void html_key_line(FILE *out, const char *colour, const char *dash, const char *what)
{
    fprintf(out,
            "<li><svg class=\"swatch\" viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path d=\"M0 4h28\" "
            "stroke=\"var(--c-%s)\" stroke-width=\"2\"%s%s%s/></svg>%s</li>",
            colour + 1, dash[0] == '\0' ? "" : " stroke-dasharray=\"", dash, dash[0] == '\0' ? "" : "\"", what);
}
