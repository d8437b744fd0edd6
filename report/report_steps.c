/* What each step of post-training quantization did. */
#include <math.h>

#include "report/report_parts.h"

static void put_value(FILE *out, const char *format, double value)
{
    fputs("<td>", out);
    if (isfinite(value))
        html_number(out, format, value);
    else
        fputs("–", out);
    fputs("</td>", out);
}

void put_ptq_steps(FILE *out, const Report *report)
{
    if (report->steps == 0) return;
    fputs("<section>\n<h2>Steps of post-training quantization</h2>\n<p class=\"note\">Loss, and the power of the "
          "network's "
          "outputs over that of their difference from the float network's, on training images, before and after each "
          "step",
          out);
    fputs(report->rows > 0 && report->row[0].seeds > 1 ? ". First seed.</p>\n" : ".</p>\n", out);
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">row</th><th scope=\"col\">step</th><th "
          "scope=\"col\">loss before</th><th scope=\"col\">after</th><th scope=\"col\">SQNR before, dB</th><th "
          "scope=\"col\">after, dB</th><th scope=\"col\">seconds</th></tr></thead>\n<tbody>\n",
          out);
    for (int i = 0; i < report->steps; i++) {
        const StepEffect *s = &report->step[i];
        fputs("<tr><th scope=\"row\">", out);
        html_text(out, s->row);
        fputs("</th><td class=\"text\">", out);
        html_text(out, s->step);
        fputs("</td>", out);
        put_value(out, "%.4f", s->loss[0]);
        put_value(out, "%.4f", s->loss[1]);
        put_value(out, "%.2f", s->sqnr[0]);
        put_value(out, "%.2f", s->sqnr[1]);
        put_value(out, "%.1f", s->seconds);
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table></div>\n</section>\n", out);
}
