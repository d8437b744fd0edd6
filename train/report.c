/* The page. */
#include "train/report_parts.h"

#include <string.h>

#include "base/file.h"

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#f4f6f8;--line:#d5dae0;--muted:#5c6670;--best:#eaf3ea;"
    "--mark:#2f9e63}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e3e7eb;--bg:#14171b;--soft:#1c2026;--line:#363d46;--muted:#9aa5b1;"
    "--best:#1b2a20}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:72rem;font:16px/1.5 system-ui,sans-serif;color:var(--fg);"
    "background:var(--bg)}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0;overflow-wrap:anywhere}\n"
    "h2{font-size:1.15rem;margin:2.5rem 0 .5rem;padding-top:.8rem;border-top:1px solid var(--line)}\n"
    "p{margin:.5rem 0;max-width:48rem}p.note,figcaption,small,ul.key{color:var(--muted)}\n"
    "p.note,figcaption,ul.key{font-size:.875rem}\n"
    "pre{margin:.5rem 0;padding:.6rem .8rem;background:var(--soft);border-radius:4px;overflow-x:auto;font-size:.875rem;"
    "tab-size:4}\n"
    "pre.command{white-space:pre-wrap;overflow-wrap:anywhere}\n"
    ".wide{overflow-x:auto}.formula{white-space:nowrap}\n"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\n"
    "thead th{font-weight:600;color:var(--muted);border-bottom-width:2px}\n"
    "tbody th{font-weight:400;text-align:left}thead th:first-child{text-align:left}\n"
    "table.rows{width:100%}table.rows td:first-child{color:var(--muted);text-align:left}"
    "table.rows th:nth-child(2){text-align:left}\n"
    "tr.best{background:var(--best)}tr.best td:first-child{box-shadow:inset 3px 0 var(--mark)}\n"
    ".dot{display:inline-block;width:.6em;height:.6em;border-radius:50%;margin-right:.5em}\n"
    "figure{margin:0;break-inside:avoid}figure>svg,.scroll>svg{display:block;width:100%;height:auto}\n"
    "figcaption{overflow-wrap:anywhere}figcaption b{color:var(--fg);font-weight:600}\n"
    "svg text{paint-order:stroke;stroke:var(--bg);stroke-width:3px}\n"
    ".pair,.grid{display:grid;gap:1.2rem 1.5rem}\n"
    ".pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}\n"
    ".grid{grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr))}\n"
    ".grid.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}\n"
    ".single{max-width:40rem}.scroll{overflow-x:auto}.scroll>svg{min-width:40rem;max-width:56rem}\n"
    "ul.key{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.2rem;margin:.4rem 0;padding:0}\n"
    "ul.key li{overflow-wrap:anywhere}\n"
    ".swatch{width:28px;height:8px;margin-right:.5em;vertical-align:middle}\n"
    "details{margin:.5rem 0}summary{cursor:pointer}\n"
    "@media(max-width:40rem){th,td{padding:.3rem .4rem}table.rows tbody th{white-space:normal;min-width:8.5rem}}\n"
    "@media print{body{max-width:none;padding:0;font-size:11pt}h2{break-after:avoid}.wide,pre{overflow:visible}"
    "pre{white-space:pre-wrap}tr{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n"
    "@media print and (prefers-color-scheme:dark){:root{--fg:#000;--bg:#fff;--soft:#f4f6f8;--line:#bbb;--muted:#444;"
    "--best:#eaf3ea}}\n";

static void put_head(FILE *out, const Report *report)
{
    /* The policy has the browser refuse whatever would not come from this file. */
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'\">\n<title>",
          out);
    html_text(out, report->title);
    fputs("</title>\n<style>\n", out);
    fputs(style, out);
    fputs("</style>\n</head>\n<body>\n<header>\n<h1>", out);
    html_text(out, report->title);
    fputs("</h1>\n", out);
    if (report->dataset != NULL && report->dataset[0] != '\0') {
        fputs("<p>Quantization compared on ", out);
        html_text(out, report->dataset);
        fputs(".</p>\n", out);
    }
    if (report->command != NULL && report->command[0] != '\0') {
        fputs("<pre class=\"command\"><code>", out);
        html_text(out, report->command);
        fputs("</code></pre>\n", out);
    }
    fputs("</header>\n<main>\n", out);
}

static void put_rows(FILE *out, const Report *report)
{
    if (report->rows == 0) return;
    bool best = false, spread = false;
    for (int i = 0; i < report->rows; i++) {
        best = best || row_is_best(report->row, report->rows, i);
        spread = spread || report->row[i].seeds > 1;
    }
    fputs("<section>\n<h2>Results</h2>\n", out);
    table_rows(out, report->row, report->rows);
    fputs("<p class=\"note\">Accuracy on the test images by the integer engine, for float rows by the float engine",
          out);
    if (spread) fputs("; mean ± sample standard deviation over the seeds", out);
    fputs(". Drop: percentage points below float. Size: the weights at their bits, 4 bytes for each bias and scale. "
          "Latency: one image, one thread, on the machine of this run.",
          out);
    if (best) fputs(" Marked rows are the most accurate among those that keep their weights in as many bits.", out);
    fputs("</p>\n</section>\n", out);
}

static void put_key_of_kinds(FILE *out, const Report *report)
{
    static const char *const kind[][2] = {
        {"float", "float"}, {"ptq", "quantized after training"}, {"qat", "trained with quantization"}};
    fputs("<ul class=\"key\">", out);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < report->rows; i++)
            if (strcmp(report->row[i].kind, kind[k][0]) == 0) {
                fprintf(out, "<li><i class=\"dot\" style=\"background:%s\"></i>%s</li>", kind_colour(&report->row[i]),
                        kind[k][1]);
                break;
            }
    fputs("</ul>\n", out);
}

static void put_scatter(FILE *out, const Report *report, const ReportPlots *plots)
{
    /* Without the plot the table above says it all. */
    if (plots->scatter < 0 || plots->gnuplot.svg == NULL) return;
    fputs("<section>\n<h2>Accuracy against size</h2>\n<figure class=\"single\">\n", out);
    gnuplot_write_svg(&plots->gnuplot, plots->scatter, "Accuracy of every network against its size", out);
    put_key_of_kinds(out, report);
    fputs("<figcaption>The numbers are those of the table. Where accuracies lie far apart the axis spaces them by the "
          "logarithm of the error.</figcaption>\n</figure>\n</section>\n",
          out);
}

static void put_key_item(FILE *out, int i, const char *name)
{
    const LineStyle line = line_style(i);
    fprintf(out,
            "<li><svg class=\"swatch\" viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path d=\"M0 4h28\" stroke=\"%s\" "
            "stroke-width=\"2\"",
            line.colour);
    if (line.dash[0] != '\0') fprintf(out, " stroke-dasharray=\"%s\"", line.dash);
    fputs("/></svg>", out);
    html_text(out, name);
    fputs("</li>", out);
}

static void put_curves(FILE *out, const Report *report, const ReportPlots *plots)
{
    static const char *const heading[] = {"Training loss", "Training accuracy, %"};
    const Curve *const curve[] = {report->loss, report->accuracy};
    const int figure[] = {plots->loss, plots->accuracy};
    if (figure[0] < 0 && figure[1] < 0) return;
    fputs("<section>\n<h2>Training</h2>\n", out);
    fputs(plots->gnuplot.svg == NULL ? "<div>\n"
                                     : "<p class=\"note\">By step; a point of a long curve is the mean of the steps it "
                                       "stands for.</p>\n<div class=\"pair\">\n",
          out);
    for (int k = 0; k < 2; k++) {
        if (figure[k] < 0) continue;
        fprintf(out, "<figure>\n<figcaption><b>%s</b></figcaption>\n", heading[k]);
        if (plots->gnuplot.svg == NULL) {
            table_curves(out, curve[k], report->curves, k == 0 ? 1 : 100);
        } else {
            gnuplot_write_svg(&plots->gnuplot, figure[k],
                              k == 0 ? "Training loss by step" : "Training accuracy by step", out);
            fputs("<ul class=\"key\">", out);
            for (int i = 0; i < report->curves; i++)
                if (curve[k][i].n > 0) put_key_item(out, i, curve[k][i].name);
            fputs("</ul>\n", out);
        }
        fputs("</figure>\n", out);
    }
    fputs("</div>\n</section>\n", out);
}

static void put_layer(FILE *out, const char *layer, int bits)
{
    fputs("<b>", out);
    html_text(out, layer);
    fprintf(out, "</b> %d bits", bits);
}

static void put_weights(FILE *out, const Report *report, const ReportPlots *plots)
{
    const bool drawn = plots->gnuplot.svg != NULL;
    bool any = false;
    for (int i = 0; i < report->weight_histograms; i++) any = any || plots->weights[i] >= 0;
    if (!any) return;
    fputs("<section>\n<h2>Weights before and after quantization</h2>\n", out);
    fputs("<p class=\"note\">", out);
    if (report->weights_row != NULL) {
        fputs("Of ", out);
        html_text(out, report->weights_row);
        fputs(". ", out);
    }
    fputs(drawn
              ? "Up, blue: the float weights; down, orange: the same weights on their grid. Each is scaled to its own "
                "tallest bin.</p>\n<div class=\"grid\">\n"
              : "Number of weights by value, before and after.</p>\n<div class=\"grid\">\n",
          out);
    for (int i = 0; i < report->weight_histograms; i++) {
        const WeightHistogram *h = &report->weights[i];
        if (plots->weights[i] < 0) continue;
        fputs(drawn ? "<figure>\n<figcaption>" : "<details>\n<summary>", out);
        put_layer(out, h->layer, h->bits);
        fputs(drawn ? "</figcaption>\n" : "</summary>\n", out);
        if (drawn)
            gnuplot_write_svg(&plots->gnuplot, plots->weights[i],
                              "Histogram of a layer's weights before and after quantization", out);
        else
            table_weights(out, h);
        fputs(drawn ? "</figure>\n" : "</details>\n", out);
    }
    fputs("</div>\n</section>\n", out);
}

static void put_activations(FILE *out, const Report *report, const ReportPlots *plots)
{
    bool any = false;
    for (int i = 0; i < report->activation_histograms; i++) any = any || plots->activations[i] >= 0;
    if (!any) return;
    fputs("<section>\n<h2>Activations and the calibrators’ thresholds</h2>\n<p class=\"note\">Layer outputs on the "
          "calibration images",
          out);
    if (plots->gnuplot.svg == NULL) {
        fputs("; values beyond a threshold are cut off.</p>\n", out);
        table_activations(out, report->activations, report->activation_histograms);
        fputs("</section>\n", out);
        return;
    }
    fputs(": number of values by magnitude, on a logarithmic axis. Values to the right of a line are cut off when that "
          "calibrator sets the range.</p>\n<div class=\"grid large\">\n",
          out);
    for (int i = 0; i < report->activation_histograms; i++) {
        if (plots->activations[i] < 0) continue;
        fputs("<figure>\n<figcaption>", out);
        put_layer(out, report->activations[i].layer, report->activations[i].bits);
        fputs("</figcaption>\n", out);
        gnuplot_write_svg(&plots->gnuplot, plots->activations[i],
                          "Histogram of a layer's outputs with the calibrators' thresholds", out);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n</section>\n", out);
}

static void put_sqnr(FILE *out, const Report *report, const ReportPlots *plots)
{
    if (plots->sqnr < 0) return;
    fputs("<section>\n<h2>Noise by layer</h2>\n<p class=\"note\">Signal to quantization noise of each layer’s output, "
          "quantized "
          "network against float: <span class=\"formula\">10 log<sub>10</sub>(Σy² / Σ(y − y<sub>q</sub>)²) dB</span>. "
          "6 dB are one bit. Trained networks have moved away from the float one they are measured against: a "
          "lower value is then no loss of accuracy.</p>\n",
          out);
    if (plots->gnuplot.svg == NULL) {
        table_sqnr(out, report->sqnr, report->sqnrs);
    } else {
        fputs("<figure>\n<div class=\"scroll\">\n", out);
        gnuplot_write_svg(&plots->gnuplot, plots->sqnr, "Signal to quantization noise ratio by layer", out);
        fputs("</div>\n<ul class=\"key\">", out);
        for (int i = 0; i < report->sqnrs; i++) put_key_item(out, i, report->sqnr[i].row);
        fputs("</ul>\n</figure>\n<details>\n<summary>The same in numbers</summary>\n", out);
        table_sqnr(out, report->sqnr, report->sqnrs);
        fputs("</details>\n", out);
    }
    fputs("</section>\n", out);
}

static void put_page(FILE *out, const Report *report, const ReportPlots *plots)
{
    put_head(out, report);
    if (plots->gnuplot.figures > 0 && plots->gnuplot.svg == NULL)
        fputs("<p>gnuplot was not found when this page was written, so it shows tables in place of plots.</p>\n", out);
    put_rows(out, report);
    put_scatter(out, report, plots);
    put_curves(out, report, plots);
    put_weights(out, report, plots);
    put_activations(out, report, plots);
    put_sqnr(out, report, plots);
    if (report->config_text != NULL && report->config_text[0] != '\0') {
        fputs("<section>\n<h2>Configuration</h2>\n<details>\n<summary>Every key, defaults "
              "included</summary>\n<pre><code>",
              out);
        html_text(out, report->config_text);
        fputs("</code></pre>\n</details>\n</section>\n", out);
    }
    fputs("</main>\n</body>\n</html>\n", out);
}

Status report_write(Arena *arena, const Report *report, const char *path)
{
    ReportPlots plots;
    FileWriter writer = {0};
    Status status = report_plots(arena, report, &plots);
    if (status == STATUS_OK) status = file_begin(arena, path, &writer);
    if (status == STATUS_OK) {
        put_page(writer.stream, report, &plots);
        status = file_commit(&writer);
    }
    gnuplot_end(&plots.gnuplot);
    return status;
}
