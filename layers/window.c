#include "layers/window.h"

const char *const padding_names[] = {"same", "valid", "causal", NULL};

static int first(const IntList *list, int otherwise) { return list->n > 0 ? list->at[0] : otherwise; }
static int second(const IntList *list, int otherwise) { return list->n > 1 ? list->at[1] : first(list, otherwise); }

Status window_geom(const Window *window, Extent in, int outputs, int groups, ConvGeom *g)
{
    *g = (ConvGeom){.kh = first(&window->kernel, 1),
                    .kw = second(&window->kernel, 1),
                    .dh = first(&window->dilation, 1),
                    .dw = second(&window->dilation, 1),
                    .groups = groups};
    g->sh = first(&window->stride, 1), g->sw = second(&window->stride, 1);
    if (window->pads.n != 0 && window->pads.n != 4)
        return status_fail(STATUS_CONFIG, "pads: %d numbers; must be 4: [top, bottom, left, right]", window->pads.n);
    if (window->pads.n == 4) {
        const int *p = window->pads.at;
        g->pt = p[0], g->pb = p[1], g->pl = p[2], g->pr = p[3];
    } else if (window->padding != PADDING_VALID) {
        if (window->padding == PADDING_CAUSAL)
            g->pt = (g->kh - 1) * g->dh;
        else
            same_padding(in.h, g->kh, g->sh, g->dh, &g->pt, &g->pb);
        same_padding(in.w, g->kw, g->sw, g->dw, &g->pl, &g->pr);
    }
    return conv_geom_fill(g, shape_4(1, in.h, in.w, in.c), outputs);
}
