/* Which class is taken for which. */
#include <math.h>

#include "report/report_parts.h"

enum { MATRIX_CLASSES = 20, MOST_CONFUSED = 20 };
static const double STRONGEST = 0.6;

static long at(const Confusion *c, int classes, int label, int answer)
{
    return c->count[(long)label * classes + answer];
}

static long of_label(const Confusion *c, int classes, int label)
{
    long n = 0;
    for (int k = 0; k < classes; k++) n += at(c, classes, label, k);
    return n;
}

static void put_recall(FILE *out, const Confusion *c, int classes, int label)
{
    const long n = of_label(c, classes, label);
    fputs("<td>", out);
    html_number(out, "%.1f", n > 0 ? 100.0 * (double)at(c, classes, label, label) / (double)n : (double)NAN);
    fputs("</td>", out);
}

static void put_matrix(FILE *out, const Report *report, const Confusion *c)
{
    const int K = report->classes;
    long most = 1;
    for (int i = 0; i < K * K; i++)
        if (i / K != i % K && c->count[i] > most) most = c->count[i];
    fputs("<div class=\"wide\"><table class=\"heat\">\n<thead><tr><th scope=\"col\">label</th>", out);
    for (int k = 0; k < K; k++) {
        fputs("<th scope=\"col\"><span>", out);
        html_text(out, report->class_name[k]);
        fputs("</span></th>", out);
    }
    fputs("<th scope=\"col\"><span>right, %</span></th></tr></thead>\n<tbody>\n", out);
    for (int i = 0; i < K; i++) {
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, report->class_name[i]);
        fputs("</th>", out);
        for (int k = 0; k < K; k++) {
            const long n = at(c, K, i, k);
            if (k == i)
                fprintf(out, "<td class=\"hit\">%ld</td>", n);
            else if (n == 0)
                fputs("<td class=\"none\">·</td>", out);
            else
                fprintf(out, "<td style=\"--a:%.2f\">%ld</td>", STRONGEST * sqrt((double)n / (double)most), n);
        }
        put_recall(out, c, K, i);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* Of many classes the pairs that are confused most, most first; of equals the first. */
static void put_most_confused(FILE *out, const Report *report, const Confusion *c)
{
    const int K = report->classes;
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Label</th><th scope=\"col\" "
          "class=\"text\">Answer</th><th scope=\"col\">Images</th><th scope=\"col\">of the "
          "label’s</th></tr></thead>\n<tbody>\n",
          out);
    long below_count = 0;
    int below_index = -1;
    for (int rank = 0; rank < MOST_CONFUSED; rank++) {
        int found = -1;
        for (int i = 0; i < K * K; i++) {
            const long n = c->count[i];
            const bool next = rank == 0 || n < below_count || (n == below_count && i > below_index);
            if (i / K != i % K && n > 0 && next && (found < 0 || n > c->count[found])) found = i;
        }
        if (found < 0) break;
        below_count = c->count[found], below_index = found;
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, report->class_name[found / K]);
        fputs("</th><td class=\"text\">", out);
        html_text(out, report->class_name[found % K]);
        fprintf(out, "</td><td>%ld</td><td>%ld</td></tr>\n", below_count, of_label(c, K, found / K));
    }
    fputs("</tbody></table></div>\n", out);
}

void put_confusions(FILE *out, const Report *report)
{
    const int K = report->classes;
    if (report->confusions == 0 || K < 2) return;
    const bool whole = K <= MATRIX_CLASSES;
    fputs("<section>\n<h2>Confusion</h2>\n<p class=\"note\">Test images by label", out);
    fputs(whole ? " (lines) and answer (columns)" : " and answer: the pairs confused most", out);
    fputs(report->rows > 0 && report->row[0].seeds > 1 ? ", first seed.</p>\n" : ".</p>\n", out);
    fputs("<div class=\"row\">\n", out);
    for (int i = 0; i < report->confusions; i++) {
        const Confusion *c = &report->confusion[i];
        long right = 0, all = 0;
        for (int k = 0; k < K; k++) right += at(c, K, k, k), all += of_label(c, K, k);
        fputs("<div>\n<p class=\"caption\"><b>", out);
        html_text(out, c->row);
        fprintf(out, "</b> %ld of %ld right</p>\n", right, all);
        if (whole)
            put_matrix(out, report, c);
        else
            put_most_confused(out, report, c);
        fputs("</div>\n", out);
    }
    fputs("</div>\n</section>\n", out);
}
