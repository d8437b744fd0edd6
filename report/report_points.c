/* Where networks have the points of some test pictures: drawn over them, a line of pictures for each network. */
#include <math.h>
#include <png.h>

#include "report/report_parts.h"
#include "tasks/target.h"

static const char label_colour[] = "2f9e63", float_colour[] = "3b82c4", row_colour[] = "e07b1f";

static void put_base64(FILE *out, const uint8_t *bytes, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const unsigned three = (unsigned)bytes[i] << 16 | (i + 1 < n ? (unsigned)bytes[i + 1] << 8 : 0) |
                               (i + 2 < n ? (unsigned)bytes[i + 2] : 0);
        for (int k = 0; k < 4; k++) fputc(i + (size_t)k > n ? '=' : digit[three >> (18 - 6 * k) & 63], out);
    }
}

/* A picture as a PNG in the page; of other than three channels the first, as gray. */
static void put_picture(FILE *out, Arena *arena, const PointPictures *of, int i)
{
    const size_t pixels = (size_t)of->h * (size_t)of->w, c = (size_t)of->c;
    const uint8_t *from = of->pixels + (size_t)i * pixels * c;
    uint8_t *gray = arena_alloc(arena, pixels);
    for (size_t k = 0; k < pixels; k++) gray[k] = from[k * c];
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)of->w,
                       .height = (png_uint_32)of->h,
                       .format = c == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *file = arena_alloc(arena, n);
    const bool made = png_image_write_to_memory(&image, file, &n, 0, c == 3 ? from : gray, 0, NULL) != 0;
    fprintf(out, "<symbol id=\"picture%d\" viewBox=\"-0.5 -0.5 %d %d\">", i, of->w, of->h);
    if (made) { /* else what is drawn has no picture behind it */
        fprintf(out,
                "<image x=\"-0.5\" y=\"-0.5\" width=\"%d\" height=\"%d\" style=\"image-rendering:pixelated\" "
                "href=\"data:image/png;base64,",
                of->w, of->h);
        put_base64(out, file, n);
        fputs("\"/>", out);
    }
    fputs("</symbol>\n", out);
}

/* A ring where the label is, a cross where float is, a dot where the network is. */
static void put_marks(FILE *out, const PointPictures *of, int i, const PointAnswers *row)
{
    const double size = 0.022 * (of->w > of->h ? of->w : of->h);
    for (int p = 0; p < of->points; p++) {
        const size_t k = (size_t)i * (size_t)of->points + (size_t)p;
        const float *label = of->label + k * POINT_FLOATS, *real = of->row[0].at + 2 * k, *at = row->at + 2 * k;
        if (label[POINT_VISIBLE] > 0)
            fprintf(out,
                    "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\" fill=\"none\" stroke=\"var(--c-%s)\" "
                    "stroke-width=\"%.2f\"/>",
                    (double)label[POINT_X], (double)label[POINT_Y], 1.3 * size, label_colour, 0.4 * size);
        fprintf(out, "<path d=\"M%.2f %.2fh%.2fm%.2f %.2fv%.2f\" stroke=\"var(--c-%s)\" stroke-width=\"%.2f\"/>",
                (double)real[0] - size, (double)real[1], 2 * size, -size, -size, 2 * size, float_colour, 0.4 * size);
        if (row != of->row)
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\" fill=\"var(--c-%s)\"/>", (double)at[0],
                    (double)at[1], 0.55 * size, row_colour);
    }
}

static void put_row(FILE *out, const Report *report, int r)
{
    const PointPictures *of = report->points;
    const PointAnswers *row = &of->row[r];
    const Metric *metric = row_metric(&report->row[r]);
    fputs("<figure>\n<figcaption><b>", out);
    html_text(out, row->row);
    fprintf(out, "</b> %s against the labels ", metric->label);
    html_metric(out, metric, metric->factor * row_accuracy(&report->row[r]));
    fputs(metric->unit, out);
    if (r > 0) {
        fputs(", against float ", out);
        html_metric(out, metric, metric->factor * row->against_float);
        fputs(metric->unit, out);
    }
    fputs("</figcaption>\n<div class=\"row\">\n", out);
    for (int i = 0; i < of->pictures; i++) {
        fprintf(out,
                "<svg role=\"img\" aria-label=\"Points of test picture %d\" width=\"176\" height=\"%d\" "
                "viewBox=\"-0.5 -0.5 %d %d\"><use href=\"#picture%d\" x=\"-0.5\" y=\"-0.5\" width=\"%d\" "
                "height=\"%d\"/>",
                i + 1, 176 * of->h / of->w, of->w, of->h, i, of->w, of->h);
        put_marks(out, of, i, row);
        fputs("</svg>\n", out);
    }
    fputs("</div>\n</figure>\n", out);
}

void put_point_pictures(FILE *out, const Report *report)
{
    const PointPictures *of = report->points;
    if (of == NULL) return;
    Arena *arena = arena_create();
    fputs(
        "<section>\n<h2>Points</h2>\n<p class=\"note\">The first test pictures, as the networks see them. Each network "
        "is held against the labels of all test pictures and against what the float network answers to them",
        out);
    fputs(report->row[0].seeds > 1 ? "; the latter, and what is drawn, of the first seed.</p>\n" : ".</p>\n", out);
    fprintf(out,
            "<ul class=\"key\"><li><i class=\"dot\" style=\"background:var(--c-%s)\"></i>ring: label, where the point "
            "is visible</li><li><i class=\"dot\" style=\"background:var(--c-%s)\"></i>cross: float</li><li><i "
            "class=\"dot\" style=\"background:var(--c-%s)\"></i>dot: the network</li></ul>\n",
            label_colour, float_colour, row_colour);
    fputs("<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\">\n", out);
    for (int i = 0; i < of->pictures; i++) put_picture(out, arena, of, i);
    fputs("</svg>\n", out);
    for (int r = 0; r < of->rows; r++) put_row(out, report, r);
    fputs("</section>\n", out);
    arena_destroy(arena);
}
