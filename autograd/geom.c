#include "autograd/conv_run.h"

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

ConvGeom dense_geom(int n, int inputs, int outputs)
{
    return (ConvGeom){.n = n,
                      .h = 1,
                      .w = 1,
                      .c = inputs,
                      .o = outputs,
                      .oh = 1,
                      .ow = 1,
                      .kh = 1,
                      .kw = 1,
                      .sh = 1,
                      .sw = 1,
                      .dh = 1,
                      .dw = 1,
                      .groups = 1};
}

bool conv_geom_make(Tape *t, ConvKind kind, const Tensor *x, const Tensor *w, const ConvGeom *geom, ConvGeom *g,
                    Shape *y)
{
    const int *weight = w->shape.dim;
    if (kind == CONV_DENSE) {
        *g = dense_geom(x->shape.dim[0], x->shape.dim[1], weight[0]);
        *y = shape_2(g->n, g->o);
        return true;
    }
    *g = *geom;
    g->kh = weight[1], g->kw = weight[2];
    if (kind == CONV_DEPTHWISE) g->groups = x->shape.dim[3];
    const Status status = conv_geom_fill(g, x->shape, weight[kind == CONV_DEPTHWISE ? 3 : 0]);
    if (status != STATUS_OK) {
        tape_fail(t, status);
        return false;
    }
    if (kind == CONV_FULL && weight[3] * g->groups != g->c) {
        tape_fail(t, status_fail(STATUS_SHAPE, "conv2d \"%s\": %d channels in x, %d groups of %d in w; they must agree",
                                 t->where != NULL ? t->where : "", g->c, g->groups, weight[3]));
        return false;
    }
    *y = shape_4(g->n, g->oh, g->ow, g->o);
    return true;
}
