/* Which layers cost the metric: bars by depth, a map of layers and formats, and what predictors are worth. */
#include <math.h>

#include "report/report_parts.h"
#include "search/sensitivity_rank.h"

enum { BAR_WIDTH = 200, OPEN_FORMATS = 4 /* more are folded */ };
static const double STRONGEST = 0.6;
static const char *const part_titles[] = {"Weights", "Activations", "Weights and activations"};
static const char *const part_colours[] = {"3b82c4", "e07b1f", "2f9e63"};

const char search_style[] =
    "table.bars{width:100%;font-size:.8125rem}table.bars td,table.bars th{padding:.12rem .4rem;border:0;"
    "vertical-align:middle}details .grid{align-items:start}"
    "table.bars tbody th{max-width:9rem;overflow:hidden;text-overflow:ellipsis}"
    "table.bars td.bar{width:60%;padding:0;border-left:1px solid var(--line)}"
    "table.bars td.bar svg{display:block;width:100%;height:.8rem}"
    "table.bars caption{text-align:left;color:var(--muted);padding:.2rem .4rem}table.bars caption "
    "b{color:var(--fg);font-weight:600}"
    "table.formats td{min-width:4.5rem;padding:.3rem .4rem}table.formats caption{text-align:left;padding-bottom:.3rem}"
    "table.formats tfoot td,table.formats tfoot th{border-top:2px solid var(--line)}"
    "summary b{font-weight:600}td.text small{max-width:24rem;white-space:normal}"
    "table.steps tr.best th{background:var(--best)}"
    ".pair table.steps{font-size:.8125rem}.pair table.steps td,.pair table.steps "
    "th{padding-left:.3rem;padding-right:.3rem}"
    "@media(max-width:44rem){table.bars tbody th{max-width:7rem}}\n";

/* ---- rows ---- */

static const SensitivityRow *row_at(const Sensitivity *s, FormatPart part, int unit, int format)
{
    for (int i = 0; i < s->rows; i++)
        if (s->row[i].part == part && s->row[i].unit == unit && s->row[i].format == format) return &s->row[i];
    return NULL;
}

static const UniformRow *uniform_of(const Sensitivity *s, FormatPart part, int format)
{
    for (int i = 0; i < s->uniforms; i++)
        if (s->uniform[i].part == part && s->uniform[i].format == format) return &s->uniform[i];
    return NULL;
}

static int units(const Sensitivity *s, FormatPart part)
{
    return part == PART_WEIGHTS ? s->groups.layers : s->groups.groups;
}

/* Whether the unit has a row in any format; its name. */
static const char *unit_name(const Sensitivity *s, FormatPart part, int unit)
{
    for (int i = 0; i < s->rows; i++)
        if (s->row[i].part == part && s->row[i].unit == unit) return s->row[i].layer;
    return NULL;
}

/* The formats in the order in which they were asked for: those of one part's rows of `uniform`. */
static int formats(const Sensitivity *s, int format[])
{
    int n = 0;
    for (int i = 0; i < s->uniforms && s->uniform[i].part == s->uniform[0].part; i++)
        format[n++] = s->uniform[i].format;
    return n;
}

static bool part_asked(const Sensitivity *s, FormatPart part)
{
    for (int i = 0; i < s->rows; i++)
        if (s->row[i].part == part) return true;
    return false;
}

void html_drop(FILE *out, const SearchReport *search, const Measurement *m)
{
    html_metric(out, search->metric, metric_drop(search->metric, search->sensitivity->floats.value, m->value));
}

double tolerance_limit(const SearchReport *search, double tolerance)
{
    const Metric *m = search->metric;
    const double value = m->factor * search->sensitivity->floats.value;
    return m->higher_is_better ? value - tolerance : value + tolerance;
}

void html_measured_images(FILE *out, const Report *report)
{
    html_count(out, report->search->sensitivity->images);
    fprintf(out, " images %s",
            report->facts.validation > 0 ? "that were held out from training" : "of the training set");
}

/* ---- bars ---- */

/* From least to most, with zero among them. */
typedef struct {
    double least, most;
} Span;

static Span span_of(const Sensitivity *s, FormatPart part, int format)
{
    Span span = {0, 0};
    for (int i = 0; i < s->rows; i++) {
        if (s->row[i].part != part || s->row[i].format != format) continue;
        const double cost = sensitivity_cost(s, &s->row[i]);
        if (!isfinite(cost)) continue;
        span.least = fmin(span.least, cost), span.most = fmax(span.most, cost);
    }
    return span;
}

static void put_bar(FILE *out, const Sensitivity *s, const SensitivityRow *row, Span span)
{
    const double cost = sensitivity_cost(s, row), scale = BAR_WIDTH / fmax(span.most - span.least, 1e-300);
    fputs("<tr><th scope=\"row\">", out);
    html_text(out, row->layer);
    fprintf(out, "</th><td class=\"bar\"><svg viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
            BAR_WIDTH);
    if (isfinite(cost) && span.most > span.least)
        fprintf(out, "<rect x=\"%.1f\" y=\"1\" width=\"%.1f\" height=\"8\" fill=\"var(--c-%s)\"/>",
                scale * (fmin(cost, 0) - span.least), scale * fabs(cost), part_colours[row->part]);
    if (span.least < 0)
        fprintf(out, "<path d=\"M%.1f 0v10\" stroke=\"var(--c-888888)\" vector-effect=\"non-scaling-stroke\"/>",
                -scale * span.least);
    fputs("</svg></td><td>", out);
    html_number(out, "%.4f", cost);
    fputs("</td></tr>\n", out);
}

static void put_bars_of(FILE *out, const Sensitivity *s, FormatPart part, int format)
{
    const Span span = span_of(s, part, format);
    fprintf(out, "<table class=\"bars\"><caption><b>%s</b> in %s</caption>\n<tbody>\n", part_titles[part],
            format_choices[format]);
    for (int unit = 0; unit < units(s, part); unit++) {
        const SensitivityRow *row = row_at(s, part, unit, format);
        if (row != NULL) put_bar(out, s, row, span);
    }
    fputs("</tbody></table>\n", out);
}

static bool has_rows(const Sensitivity *s, FormatPart part, int format)
{
    for (int i = 0; i < s->rows; i++)
        if (s->row[i].part == part && s->row[i].format == format) return true;
    return false;
}

static void put_bars(FILE *out, const Report *report)
{
    const SearchReport *search = report->search;
    const Sensitivity *s = search->sensitivity;
    int format[64];
    const int n = formats(s, format);
    fputs("<section>\n<h2>Loss added by each layer</h2>\n<p class=\"note\">From the image at the top to the output at "
          "the bottom. One layer, or one group of layers that share a format, is in the format; all others are in "
          "float32. ",
          out);
    fprintf(out, "Float32 has a loss of %.4f. Mean over ", s->floats.loss);
    html_measured_images(out, report);
    fputs(". The bars of each list have a scale of their own.</p>\n", out);
    for (int f = 0; f < n; f++) {
        fprintf(out, "<details%s>\n<summary><b>%s</b></summary>\n<div class=\"grid large\">\n",
                f < OPEN_FORMATS ? " open=\"\"" : "", format_choices[format[f]]);
        for (FormatPart part = PART_WEIGHTS; part <= PART_BOTH; part++)
            if (has_rows(s, part, format[f])) put_bars_of(out, s, part, format[f]);
        fputs("</div>\n</details>\n", out);
    }
    fputs("</section>\n", out);
}

/* ---- map ---- */

static void put_map_cell(FILE *out, const SearchReport *search, const Measurement *m, double most)
{
    const double drop =
        m == NULL ? (double)NAN : metric_drop(search->metric, search->sensitivity->floats.value, m->value);
    if (!isfinite(drop)) {
        fputs("<td class=\"none\">·</td>", out);
        return;
    }
    const double shade = most > 0 && drop > 0 ? STRONGEST * sqrt(fmin(drop / most, 1)) : 0;
    if (shade >= 0.005)
        fprintf(out, "<td style=\"--a:%.2f\">", shade);
    else
        fputs("<td>", out);
    html_drop(out, search, m);
    fputs("</td>", out);
}

static double largest_drop(const SearchReport *search)
{
    const Sensitivity *s = search->sensitivity;
    double most = 0;
    for (int i = 0; i < s->rows; i++) {
        const double drop = metric_drop(search->metric, s->floats.value, s->row[i].alone.value);
        if (isfinite(drop)) most = fmax(most, drop);
    }
    return most;
}

static void put_map(FILE *out, const SearchReport *search, FormatPart part, double most)
{
    const Sensitivity *s = search->sensitivity;
    int format[64];
    const int n = formats(s, format);
    fprintf(out,
            "<div class=\"wide\"><table class=\"heat formats\"><caption><b>%s</b></caption>\n<thead><tr><th "
            "scope=\"col\">%s</th>",
            part_titles[part], part == PART_WEIGHTS ? "layer" : "group of layers");
    for (int f = 0; f < n; f++) fprintf(out, "<th scope=\"col\">%s</th>", format_choices[format[f]]);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int unit = 0; unit < units(s, part); unit++) {
        const char *name = unit_name(s, part, unit);
        if (name == NULL) continue;
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, name);
        fputs("</th>", out);
        for (int f = 0; f < n; f++) {
            const SensitivityRow *row = row_at(s, part, unit, format[f]);
            put_map_cell(out, search, row == NULL ? NULL : &row->alone, most);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n<tfoot><tr><th scope=\"row\">all at once</th>", out);
    for (int f = 0; f < n; f++) {
        const UniformRow *u = uniform_of(s, part, format[f]);
        put_map_cell(out, search, u == NULL ? NULL : &u->all, most);
    }
    fputs("</tr></tfoot></table></div>\n", out);
}

static void put_maps(FILE *out, const SearchReport *search)
{
    char name[64];
    metric_name(search->metric, name);
    fprintf(out, "<section>\n<h2>%s by layer and format</h2>\n<p class=\"note\">%s float32, which has %s", name,
            search->metric->proportion ? "Percentage points below" : "By how much it is worse than",
            search->metric->proportion ? "" : "a value of ");
    html_metric(out, search->metric, search->metric->factor * search->sensitivity->floats.value);
    fprintf(out,
            "%s, with one layer or group alone in the format; the deeper the shade, the larger the drop. A dot: the "
            "layer does not have the format.</p>\n<div class=\"row\">\n",
            search->metric->unit);
    const double most = largest_drop(search);
    for (FormatPart part = PART_WEIGHTS; part <= PART_BOTH; part++)
        if (part_asked(search->sensitivity, part)) put_map(out, search, part, most);
    fputs("</div>\n</section>\n", out);
}

/* ---- predictors ---- */

static bool has_predictions(const Sensitivity *s)
{
    for (int i = 0; i < s->rows; i++)
        if (!isnan(s->row[i].predicted[PREDICT_FISHER])) return true;
    return false;
}

/* Formats of a part beside each other. */
static void put_predictor_head(FILE *out, const Sensitivity *s)
{
    fputs("<thead><tr><th rowspan=\"2\" scope=\"col\">Predictor</th>", out);
    for (int i = 0, n; i < s->uniforms; i += n) {
        for (n = 1; i + n < s->uniforms && s->uniform[i + n].part == s->uniform[i].part;) n++;
        fprintf(out, "<th colspan=\"%d\" scope=\"colgroup\" class=\"text\">%s</th>", n,
                part_titles[s->uniform[i].part]);
    }
    fputs("<th rowspan=\"2\" scope=\"col\">Seconds</th></tr>\n<tr>", out);
    for (int i = 0; i < s->uniforms; i++)
        fprintf(out, "<th scope=\"col\">%s</th>", format_choices[s->uniform[i].format]);
    fputs("</tr></thead>\n<tbody>\n", out);
}

static void put_predictors(FILE *out, const Sensitivity *s)
{
    if (!has_predictions(s)) return;
    Arena *own = arena_create();
    fputs(
        "<section>\n<h2>Predictors</h2>\n<p class=\"note\">Spearman’s rank correlation of what each predicts with the "
        "loss added: 1 is the same order of the layers, 0 none, −1 the opposite. Where no layer adds to the loss there "
        "is nothing to rank, and the numbers are noise.</p>\n<div class=\"wide\"><table>\n",
        out);
    put_predictor_head(out, s);
    for (int k = 0; k < PREDICTORS; k++) {
        fprintf(out, "<tr><th scope=\"row\">%s</th>", predictors[k].name);
        for (int i = 0; i < s->uniforms; i++) {
            fputs("<td>", out);
            html_number(
                out, "%.2f",
                sensitivity_correlation(own, s, (PredictorKind)k, (int)s->uniform[i].part, s->uniform[i].format));
            fputs("</td>", out);
        }
        fputs("<td>", out);
        html_number(out, "%.1f", s->predicting[k] > 0 ? s->predicting[k] : (double)NAN);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n<p class=\"note\">", out);
    for (int k = 0; k < PREDICTORS; k++)
        fprintf(out, "%s%s: %s", k > 0 ? "; " : "", predictors[k].name, predictors[k].doc);
    fputs(".", out);
    if (s->taken < s->rows) fprintf(out, " Measuring took %.1f seconds.", s->measuring);
    if (s->taken == s->rows)
        fputs(" No times: the rows were there already.", out);
    else if (s->taken > 0)
        fputs(" Times are of what was made since the run went on.", out);
    fputs("</p>\n</section>\n", out);
    arena_destroy(own);
}

void put_search(FILE *out, const Report *report)
{
    const SearchReport *search = report->search;
    if (search == NULL || search->sensitivity->rows == 0) return;
    put_bars(out, report);
    put_maps(out, search);
    put_predictors(out, search->sensitivity);
}
