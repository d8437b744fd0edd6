/* Noise by layer: a heat map, a line for each network and a column for each layer. */
#include <math.h>
#include <string.h>

#include "report/report_parts.h"

/* Between the strongest colour and none: from 7 bits of a layer's output to nothing left of it. */
static const double QUIET_DB = 42, STRONGEST = 0.6;

/* The columns: every layer that any network has, in the order of the one with the most. */
static const LayerSqnr *longest(const LayerSqnr *sqnr, int sqnrs)
{
    const LayerSqnr *most = &sqnr[0];
    for (int i = 1; i < sqnrs; i++)
        if (sqnr[i].layers > most->layers) most = &sqnr[i];
    return most;
}

static double value_of(const LayerSqnr *s, const char *layer)
{
    for (int j = 0; j < s->layers; j++)
        if (strcmp(s->layer[j], layer) == 0) return s->sqnr_db[j];
    return (double)NAN;
}

static void put_cell(FILE *out, double db)
{
    if (isnan(db)) {
        fputs("<td>–</td>", out);
        return;
    }
    const double share = fmin(fmax((QUIET_DB - db) / QUIET_DB, 0), 1);
    fprintf(out, "<td style=\"--a:%.2f\">", STRONGEST * share);
    if (isinf(db))
        fputs(db > 0 ? "∞" : "−∞", out);
    else
        html_number(out, "%.0f", db);
    fputs("</td>", out);
}

void put_noise(FILE *out, const Report *report)
{
    if (report->sqnrs == 0 || longest(report->sqnr, report->sqnrs)->layers == 0) return;
    const LayerSqnr *columns = longest(report->sqnr, report->sqnrs);
    fputs("<section>\n<h2>Noise by layer</h2>\n<p class=\"note\">Signal to quantization noise of each layer’s output, "
          "quantized network against float: <span class=\"formula\">10 log<sub>10</sub>(Σy² / Σ(y − "
          "y<sub>q</sub>)²) dB</span>. 6 dB are one bit; the stronger the colour, the less is left of the signal. "
          "Networks trained with quantization have moved away from the float one they are measured against: a lower "
          "value is then no loss of accuracy.</p>\n"
          "<div class=\"wide\"><table class=\"heat noise\">\n<thead><tr><th scope=\"col\">dB</th>",
          out);
    for (int j = 0; j < columns->layers; j++) {
        fputs("<th scope=\"col\"><span>", out);
        html_text(out, columns->layer[j]);
        fputs("</span></th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (const LayerSqnr *s = report->sqnr; s < report->sqnr + report->sqnrs; s++) {
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, s->row);
        fputs("</th>", out);
        for (int j = 0; j < columns->layers; j++) put_cell(out, value_of(s, columns->layer[j]));
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n</section>\n", out);
}
