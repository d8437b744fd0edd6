/* What each layer costs. */
#include <math.h>

#include "report/report_parts.h"

static void put_cell(FILE *out, long value)
{
    fputs("<td>", out);
    if (value > 0)
        html_count(out, value);
    else
        fputs("–", out);
    fputs("</td>", out);
}

static void put_line(FILE *out, const LayerCost *l, int columns)
{
    fputs("<tr><th scope=\"row\">", out);
    html_text(out, l->name);
    fputs("</th>", out);
    put_cell(out, l->macs);
    put_cell(out, l->ram_bytes);
    for (int k = 0; k < columns; k++) put_cell(out, l->flash_bytes[k]);
    put_cell(out, l->weights);
    fprintf(out, "<td>%d × %d × %d</td><td class=\"text\">", l->h, l->w, l->c);
    html_text(out, l->type);
    fputs("</td></tr>\n", out);
}

static void put_total(FILE *out, const Report *report)
{
    long weights = 0, macs = 0, most = 0;
    for (int i = 0; i < report->layers; i++) {
        const LayerCost *l = &report->layer[i];
        weights += l->weights, macs += l->macs;
        if (l->ram_bytes > most) most = l->ram_bytes;
    }
    fputs("<tr><th scope=\"row\">all</th>", out);
    put_cell(out, macs);
    put_cell(out, most);
    for (int k = 0; k < report->flash_columns; k++) {
        long flash = 0;
        for (int i = 0; i < report->layers; i++) flash += report->layer[i].flash_bytes[k];
        put_cell(out, flash);
    }
    put_cell(out, weights);
    fputs("<td></td><td></td></tr>\n", out);
}

void put_layers(FILE *out, const Report *report)
{
    if (report->layers == 0) return;
    fputs("<section>\n<h2>Layers</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Layer</th>"
          "<th scope=\"col\">MACs</th><th scope=\"col\">RAM<small>bytes</small></th>",
          out);
    for (int k = 0; k < report->flash_columns; k++) {
        fputs("<th scope=\"col\">Flash<small>", out);
        html_text(out, report->flash_column[k]);
        fputs("</small></th>", out);
    }
    fputs("<th scope=\"col\">Weights</th><th scope=\"col\">Output</th><th scope=\"col\" "
          "class=\"text\">Type</th></tr></thead>\n<tbody>\n",
          out);
    for (int i = 0; i < report->layers; i++) put_line(out, &report->layer[i], report->flash_columns);
    fputs("</tbody>\n<tfoot>\n", out);
    put_total(out, report);
    fputs("</tfoot></table></div>\n<p class=\"note\">MACs: multiplications of one image. RAM: the activations that are "
          "alive while the layer runs, one byte each, and in the last line the most of them; the table of results has "
          "the "
          "arena that holds them, which can be larger. Flash, bytes: weights at their bits, 4 for each bias and "
          "scale.</p>\n</section>\n",
          out);
}
