#include "autograd/ops.h"

void same_padding(int in, int kernel, int stride, int dilation, int *before, int *after)
{
    const int out = (in + stride - 1) / stride;
    const int total = (out - 1) * stride + (kernel - 1) * dilation + 1 - in;
    *before = total > 0 ? total / 2 : 0;
    *after = total > 0 ? total - total / 2 : 0;
}

static int out_length(int in, int before, int after, int kernel, int stride, int dilation)
{
    const int span = in + before + after - ((kernel - 1) * dilation + 1);
    return span < 0 ? 0 : span / stride + 1;
}

Status conv_geom_fill(ConvGeom *g, Shape x, int o)
{
    g->n = x.dim[0], g->h = x.dim[1], g->w = x.dim[2], g->c = x.dim[3], g->o = o;
    g->oh = out_length(g->h, g->pt, g->pb, g->kh, g->sh, g->dh);
    g->ow = out_length(g->w, g->pl, g->pr, g->kw, g->sw, g->dw);
    if (g->oh < 1 || g->ow < 1)
        return status_fail(
            STATUS_SHAPE,
            "window of %d x %d (dilation %d x %d) on an input of %d x %d padded by %d,%d,%d,%d; the window "
            "must fit at least once",
            g->kh, g->kw, g->dh, g->dw, g->h, g->w, g->pt, g->pb, g->pl, g->pr);
    if (g->groups < 1 || g->c % g->groups != 0 || g->o % g->groups != 0)
        return status_fail(STATUS_SHAPE, "groups: %d; must divide both the %d input and the %d output channels",
                           g->groups, g->c, g->o);
    return STATUS_OK;
}
