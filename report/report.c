/* The page. */
#include "report/report_parts.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/file.h"

static void put_head(FILE *out, const Report *report)
{
    /* The policy has the browser refuse whatever would not come from this file. */
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'",
          out);
    if (report->points != NULL) fputs("; img-src data:", out);
    fputs("\">\n<title>", out);
    html_text(out, report->title);
    fprintf(out, ": %s</title>\n<style>\n", report->subject == NULL ? "quantization compared" : report->subject);
    fputs(report_style, out);
    if (report->search != NULL) fputs(search_style, out);
    fputs("</style>\n</head>\n<body>\n<header>\n<h1>", out);
    html_text(out, report->title);
    fputs("</h1>\n", out);
    put_facts(out, report);
    fputs("</header>\n<main>\n", out);
}

/* Of a metric that is a mean of what each image is to it. */
static void put_tests_of_parts(FILE *out, const CompareRow *row, bool verdict)
{
    fprintf(
        out,
        "<p class=\"note\">95 %% intervals: of %s, a mean over the test images, by its standard error; of a difference "
        "paired with the float row over the images%s. p: Student’s t test of the same, adjusted by Holm’s method for "
        "the number of rows.%s</p>\n",
        row_metric(row)->label, row->seeds > 1 ? " and over the seeds, the wider" : "",
        verdict ? " ▼ is worse than float beyond chance, ▲ better (p &lt; 0.05)."
                : " No row differs from float beyond chance (p &lt; 0.05).");
}

/* What the marks, intervals and p-values of the table stand on. */
static void put_tests(FILE *out, const Report *report)
{
    const CompareRow *row = report->row;
    bool tested = false, verdict = false, leads = false;
    for (int i = 0; i < report->rows; i++) {
        tested = tested || !isnan(row[i].p);
        verdict = verdict || row_verdict(&row[i]) != 0;
        leads = leads || row[i].leads;
    }
    if (!tested) return;
    if (!row_metric(row)->proportion) {
        put_tests_of_parts(out, row, verdict);
        return;
    }
    fputs(
        "<p class=\"note\">95 % intervals: of an accuracy by Wilson’s method on the test images; of a drop paired with "
        "the float row, ",
        out);
    fputs(row[0].seeds > 1 ? "the wider of Student’s t over the seeds and of the images’ mean differences. p: the "
                             "larger of Student’s t "
                             "test paired over the seeds and the sign test paired over the images"
                           : "by Newcombe’s method. p: McNemar’s exact test on the same test images",
          out);
    fputs(", adjusted by Holm’s method for the number of rows.", out);
    fputs(verdict ? " ▼ is worse than float beyond chance, ▲ better (p &lt; 0.05)."
                  : " No row differs from float beyond "
                    "chance (p &lt; 0.05).",
          out);
    if (!verdict && row[0].seeds > 1 && row[0].seeds < 5)
        fprintf(out, " With %d seeds only, a large difference may be real and still not tell from chance.",
                row[0].seeds);
    fputs(leads ? " Marked rows are more accurate than every other that keeps its weights in as many bits, by the same "
                  "test (p &lt; 0.05).</p>\n"
                : "</p>\n",
          out);
}

static void put_disturbed(FILE *out, const Report *report)
{
    const RowsDisturbed which = rows_disturbed(report->row, report->rows);
    if (which == NO_ROWS) return;
    fprintf(out,
            "<p class=\"note\">%s: the machine was busy with other work while %s measured. The least time is then an "
            "upper bound, and the median means little.</p>\n",
            which == ALL_ROWS ? "Times" : "<sup>*</sup>", which == ALL_ROWS ? "they were" : "this was");
}

static void put_failures(FILE *out, const Report *report)
{
    if (report->failures == 0) return;
    fputs("<p class=\"note\">Not in the table, since they failed:</p>\n<ul class=\"failures\">\n", out);
    for (int i = 0; i < report->failures; i++) {
        fputs("<li><b>", out);
        html_text(out, report->failure[i].name);
        fputs("</b>: ", out);
        html_text(out, report->failure[i].error);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void put_rows(FILE *out, const Report *report)
{
    if (report->rows == 0) return;
    bool spread = false;
    for (int i = 0; i < report->rows; i++) spread = spread || report->row[i].seeds > 1;
    fputs("<section>\n<h2>Results</h2>\n", out);
    table_rows(out, report->row, report->rows);
    put_failures(out, report);
    put_tests(out, report);
    const Metric *metric = row_metric(report->row);
    char name[64];
    metric_name(metric, name);
    fprintf(out, "<p class=\"note\">%s on the test images by the integer engine, for float rows by the float engine",
            name);
    if (spread) fputs("; mean ± sample standard deviation over the seeds", out);
    fputs(metric->proportion ? ". Drop: percentage points below float." : ". Worse by: than float.", out);
    fputs(" Size: the weights at their bits, 4 bytes for each bias and scale. RAM: "
          "all activations of one image. Time: one image on one thread, the least of many repeats, and their "
          "median.</p>\n",
          out);
    put_disturbed(out, report);
    fputs("</section>\n", out);
}

static void put_key_of_kinds(FILE *out, const Report *report)
{
    static const char *const kind[][2] = {
        {"float", "float"}, {"ptq", "quantized after training"}, {"qat", "trained with quantization"}};
    fputs("<ul class=\"key\">", out);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < report->rows; i++)
            if (strcmp(report->row[i].kind, kind[k][0]) == 0) {
                fprintf(out, "<li><i class=\"dot\" style=\"background:var(--c-%s)\"></i>%s</li>",
                        kind_colour(&report->row[i]) + 1, kind[k][1]);
                break;
            }
    fputs("</ul>\n", out);
}

static void put_scatter(FILE *out, const Report *report, const ReportPlots *plots)
{
    /* Without the plot the table above says it all. */
    if (plots->scatter[0] < 0 || plots->gnuplot.svg == NULL) return;
    const Metric *metric = row_metric(report->row);
    char name[64], what[128];
    metric_name(metric, name);
    fprintf(out, "<section>\n<h2>%s against size</h2>\n", name);
    snprintf(what, sizeof what, "%s of every network against its size", name);
    for (int k = 0; k < 2; k++) {
        fprintf(out, "<figure class=\"%s\">\n", k == 0 ? "broad" : "narrow");
        gnuplot_write_svg(&plots->gnuplot, plots->scatter[k], what, out);
        if (plots->unnumbered[k] > 0)
            fprintf(out,
                    "<figcaption>%d of %d points are without their number, for which there is no room.</figcaption>\n",
                    plots->unnumbered[k], report->rows);
        fputs("</figure>\n", out);
    }
    put_key_of_kinds(out, report);
    fprintf(out, "<p class=\"note\">The numbers are those of the table.%s</p>\n</section>\n",
            metric->proportion ? " Where accuracies lie far apart the axis spaces them by the logarithm of the error."
                               : "");
}

static void put_key_item(FILE *out, int i, const char *name)
{
    const LineStyle line = line_style(i);
    fprintf(out,
            "<li><svg class=\"swatch\" viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path d=\"M0 4h28\" "
            "stroke=\"var(--c-%s)\" stroke-width=\"2\"",
            line.colour + 1);
    if (line.dash[0] != '\0') fprintf(out, " stroke-dasharray=\"%s\"", line.dash);
    fputs("/></svg>", out);
    html_text(out, name);
    fputs("</li>", out);
}

static void put_curve_figure(FILE *out, const Report *report, const ReportPlots *plots, CurveKind kind)
{
    char heading[64];
    const double factor = curve_label(report, kind, heading);
    heading[0] = (char)toupper((unsigned char)heading[0]);
    fprintf(out, "<figure>\n<figcaption><b>%s</b></figcaption>\n", heading);
    if (plots->gnuplot.svg == NULL) {
        table_curves(out, report->curve[kind], report->curves, factor);
    } else {
        gnuplot_write_svg(&plots->gnuplot, plots->curve[kind], heading, out);
        fputs("<ul class=\"key\">", out);
        for (int i = 0; i < report->curves; i++)
            if (report->curve[kind][i].n > 0) put_key_item(out, i, report->curve[kind][i].name);
        fputs("</ul>\n", out);
    }
    fputs("</figure>\n", out);
}

static void put_curves(FILE *out, const Report *report, const ReportPlots *plots)
{
    int figures = 0;
    for (int k = 0; k < CURVE_KINDS; k++) figures += plots->curve[k] >= 0;
    if (figures == 0) return;
    fputs("<section>\n<h2>Training</h2>\n<p class=\"note\">By step; a point is the mean of the images it stands for",
          out);
    fputs(plots->curve[CURVE_VALIDATION_ACCURACY] >= 0 ? ". Validation at the end of each epoch, of networks with "
                                                         "quantization by the integer engine"
                                                       : "",
          out);
    fputs(report->rows > 0 && report->row[0].seeds > 1 ? ". First seed.</p>\n" : ".</p>\n", out);
    fputs(plots->gnuplot.svg == NULL ? "<div>\n" : "<div class=\"pair\">\n", out);
    for (int k = 0; k < CURVE_KINDS; k++)
        if (plots->curve[k] >= 0) put_curve_figure(out, report, plots, (CurveKind)k);
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
    fputs("<section>\n<h2>Activations and the observers’ thresholds</h2>\n<p class=\"note\">Layer outputs on the "
          "calibration images",
          out);
    if (plots->gnuplot.svg == NULL) {
        fputs("; values beyond a threshold are cut off.</p>\n", out);
        table_activations(out, report->activations, report->activation_histograms);
        fputs("</section>\n", out);
        return;
    }
    fputs(": number of values by magnitude, on a logarithmic axis. Values to the right of a line are cut off when that "
          "observer sets the range. Dashed: the KL divergence that entropy compares, dotted: the squared error of "
          "mse, at each threshold, from the least of each to a thousand times that.</p>\n<div class=\"grid large\">\n",
          out);
    for (int i = 0; i < report->activation_histograms; i++) {
        if (plots->activations[i] < 0) continue;
        fputs("<figure>\n<figcaption>", out);
        put_layer(out, report->activations[i].layer, report->activations[i].bits);
        fputs("</figcaption>\n", out);
        gnuplot_write_svg(&plots->gnuplot, plots->activations[i],
                          "Histogram of a layer's outputs with the observers' thresholds", out);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n</section>\n", out);
}

static void put_page(FILE *out, const Report *report, const ReportPlots *plots)
{
    put_head(out, report);
    if (plots->gnuplot.figures > 0 && plots->gnuplot.svg == NULL)
        fputs("<p>gnuplot was not found when this page was written, so it shows tables in place of plots.</p>\n", out);
    put_lr_find(out, report, plots);
    put_landscape(out, report, plots);
    put_joint(out, report, plots);
    put_partial(out, report, plots);
    put_networks(out, report, plots);
    put_search(out, report);
    put_rows(out, report);
    put_scatter(out, report, plots);
    put_layers(out, report);
    put_confusions(out, report);
    put_point_pictures(out, report);
    put_noise(out, report);
    put_ptq_steps(out, report);
    put_curves(out, report, plots);
    put_weights(out, report, plots);
    put_activations(out, report, plots);
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
