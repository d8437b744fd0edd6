/* A figure of gnuplot's as part of an HTML page. */
#include "report/gnuplot.h"

#include <stdlib.h>
#include <string.h>

static bool begins(const char *at, const char *word) { return strncmp(at, word, strlen(word)) == 0; }

/* `<name ...>`, not `<namesake ...>`. */
static bool is_tag(const char *at, const char *name)
{
    const size_t n = strlen(name);
    return *at == '<' && strncmp(at + 1, name, n) == 0 && strchr(" \t\n/>", at[1 + n]) != NULL;
}

/* Behind the end tag of an element that holds no element of its own name. */
static const char *skip_element(const char *at, const char *end_tag)
{
    const char *end = strstr(at, end_tag);
    return end == NULL ? at + strlen(at) : end + strlen(end_tag);
}

/* `at` is a <g ...>: the place after its </g> if there is nothing in it, otherwise NULL. */
static const char *skip_empty_group(const char *at)
{
    const char *close = strchr(at, '>');
    if (close == NULL) return NULL;
    const char *next = close + 1 + strspn(close + 1, " \t\n");
    return begins(next, "</g>") ? next + strlen("</g>") : NULL;
}

/* `at` is "rgb(1, 22, 233)" in a tag: writes the variable of that colour and returns the place after it; NULL if it is
 * anything else. */
static const char *put_colour(const char *at, FILE *out)
{
    if (!begins(at, "rgb(")) return NULL;
    unsigned long part[3];
    at += strlen("rgb(");
    for (int i = 0; i < 3; i++) {
        char *end;
        part[i] = strtoul(at, &end, 10);
        if (end == at || part[i] > 255) return NULL;
        at = end + strspn(end, " ");
        if (*at++ != (i < 2 ? ',' : ')')) return NULL;
    }
    fprintf(out, "var(--c-%02lx%02lx%02lx,#%02lx%02lx%02lx)", part[0], part[1], part[2], part[0], part[1], part[2]);
    return at;
}

/* Copies a tag, giving ids the prefix and black ink the colour of the text; returns the place after it. */
static const char *put_tag(const char *at, int figure, FILE *out)
{
    static const struct {
        const char *from, *to; /* %d in `to`: the figure */
    } rewrite[] = {
        {" id='", " id='f%d-"},        {" id=\"", " id=\"f%d-"},          {"xlink:href='#", "href='#f%d-"},
        {"'black'", "'currentColor'"}, {"\"black\"", "\"currentColor\""},
    };
    while (*at != '\0') {
        const char *after = put_colour(at, out);
        if (after != NULL) {
            at = after;
            continue;
        }
        size_t i = 0;
        while (i < sizeof rewrite / sizeof rewrite[0] && !begins(at, rewrite[i].from)) i++;
        if (i < sizeof rewrite / sizeof rewrite[0]) {
            const char *to = rewrite[i].to, *number = strstr(to, "%d");
            if (number == NULL)
                fputs(to, out);
            else
                fprintf(out, "%.*s%d%s", (int)(number - to), to, figure, number + 2);
            at += strlen(rewrite[i].from);
        } else {
            /* One space where gnuplot writes line ends and tabs. */
            fputc(strchr("\n\t", *at) != NULL ? ' ' : *at, out);
            if (*at++ == '>') return at;
        }
    }
    return at;
}

void gnuplot_write_svg(const Gnuplot *gnuplot, int figure, const char *label, FILE *out)
{
    const char *at = gnuplot->svg[figure];
    const char *box = strstr(at, "viewBox=\""), *body = strchr(at, '>');
    if (box == NULL || body == NULL) return;
    box += strlen("viewBox=\"");
    fprintf(out, "<svg viewBox=\"%.*s\" role=\"img\" aria-label=\"%s\">\n", (int)strcspn(box, "\""), box, label);
    const bool has_points = strstr(skip_element(at, "</defs>"), "<use ") != NULL;
    for (at = body + 1; *at != '\0';) {
        const char *next = NULL;
        if (is_tag(at, "title"))
            next = skip_element(at, "</title>");
        else if (is_tag(at, "desc"))
            next = skip_element(at, "</desc>");
        else if (is_tag(at, "defs") && !has_points)
            next = skip_element(at, "</defs>");
        else if (is_tag(at, "filter")) /* behind text in boxes, which no figure has */
            next = skip_element(at, "</filter>");
        else if (is_tag(at, "g"))
            next = skip_empty_group(at);
        if (next != NULL) {
            at = next;
        } else if (*at == '<') {
            at = put_tag(at, figure, out);
        } else if (*at == '\n' || *at == '\t') {
            at += strspn(at, "\n\t");
            fputc('\n', out);
        } else {
            fputc(*at++, out);
        }
    }
    fputs("</svg>\n", out);
}
