/* The geometry of convolutions and pools. */
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

enum { WINDOW_LIMIT = 127 }; /* of kernels, strides, dilations and padding of our layers */

/* A pair [rows, columns] of an attribute, or `missing` twice. */
static Status read_pair(Import *im, const ImportNode *n, const char *attribute, int missing, int to[2])
{
    int count;
    const int64_t *ints;
    TRY(import_ints(im, n, attribute, -1, &count, &ints));
    to[0] = to[1] = missing;
    if (count < 0) return STATUS_OK;
    if (count != 2) return UNSUPPORTED(im, n, "%s: of %d dimensions; must be of 2, rows and columns", attribute, count);
    for (int i = 0; i < 2; i++) {
        if (ints[i] < 1 || ints[i] > WINDOW_LIMIT)
            return UNSUPPORTED(im, n, "%s: %lld; must be 1 to %d", attribute, (long long)ints[i], WINDOW_LIMIT);
        to[i] = (int)ints[i];
    }
    return STATUS_OK;
}

static Status read_pads(Import *im, const ImportNode *n, int to[4])
{
    int count;
    const int64_t *ints;
    static const int place[4] = {0, 2, 1, 3}; /* top, left, bottom, right */
    TRY(import_ints(im, n, "pads", -1, &count, &ints));
    memset(to, 0, 4 * sizeof *to);
    if (count < 0) return STATUS_OK;
    if (count != 4) return UNSUPPORTED(im, n, "pads: of %d numbers; must be of 4", count);
    for (int i = 0; i < 4; i++) {
        if (ints[i] < 0 || ints[i] > WINDOW_LIMIT)
            return UNSUPPORTED(im, n, "pads: %lld; must be 0 to %d", (long long)ints[i], WINDOW_LIMIT);
        to[place[i]] = (int)ints[i];
    }
    return STATUS_OK;
}

/* SAME_UPPER is same_padding's rule; SAME_LOWER has the odd cell at the start. */
static Status read_auto_pad(Import *im, const ImportNode *n, Extent size, ImportWindow *w)
{
    const char *rule = onnx_attribute_string(im->arena, n->proto, "auto_pad", "NOTSET");
    const bool upper = strcmp(rule, "SAME_UPPER") == 0, lower = strcmp(rule, "SAME_LOWER") == 0;
    if (strcmp(rule, "NOTSET") == 0) return read_pads(im, n, w->pad);
    memset(w->pad, 0, sizeof w->pad);
    if (strcmp(rule, "VALID") == 0) return STATUS_OK;
    if (!upper && !lower)
        return UNSUPPORTED(im, n, "auto_pad: \"%.40s\"; must be NOTSET, SAME_UPPER, SAME_LOWER or VALID", rule);
    for (int axis = 0; axis < 2; axis++) {
        int *before = &w->pad[2 * axis], *after = before + 1;
        same_padding(axis == 0 ? size.h : size.w, w->kernel[axis], w->stride[axis], w->dilation[axis], before, after);
        if (lower) {
            const int odd = *before;
            *before = *after;
            *after = odd;
        }
    }
    return STATUS_OK;
}

/* Pairs of the attributes, each by itself. */
static Status read_window(Import *im, const ImportNode *n, ImportWindow *w)
{
    TRY(read_pair(im, n, "kernel_shape", 0, w->kernel));
    TRY(read_pair(im, n, "strides", 1, w->stride));
    return read_pair(im, n, "dilations", 1, w->dilation);
}

Status import_window_values(Import *im, const ImportNode *n, ImportWindow *w)
{
    TRY(read_window(im, n, w));
    for (int i = 0; i < 2; i++) w->kernel[i] = w->kernel[i] == 0 ? 1 : w->kernel[i];
    return read_auto_pad(im, n, (Extent){1, 1, 1}, w);
}

Status import_window(Import *im, const ImportNode *n, Extent size, const int64_t *kernel, ImportWindow *w)
{
    TRY(read_window(im, n, w));
    for (int i = 0; i < 2 && kernel != NULL; i++) {
        if (kernel[i] < 1 || kernel[i] > WINDOW_LIMIT || (w->kernel[i] != 0 && w->kernel[i] != kernel[i]))
            return UNSUPPORTED(im, n, "kernel of %lld cells beside kernel_shape; must be 1 to %d, and the same",
                               (long long)kernel[i], WINDOW_LIMIT);
        w->kernel[i] = (int)kernel[i];
    }
    if (w->kernel[0] == 0) return MALFORMED(im, n, "no kernel_shape; it is required");
    return read_auto_pad(im, n, size, w);
}

Status import_geom(Import *im, const ImportNode *n, ImportLayer *l, const Activated *a, const ImportWindow *w,
                   int outputs, int groups)
{
    int pad[4];
    for (int i = 0; i < 4; i++) {
        pad[i] = a->pad[i] + w->pad[i];
        if (pad[i] > WINDOW_LIMIT)
            return UNSUPPORTED(im, n, "padding of %d with what stands before it; must be at most %d", pad[i],
                               WINDOW_LIMIT);
    }
    l->geom = (ConvGeom){.kh = w->kernel[0],
                         .kw = w->kernel[1],
                         .sh = w->stride[0],
                         .sw = w->stride[1],
                         .dh = w->dilation[0],
                         .dw = w->dilation[1],
                         .pt = pad[0],
                         .pb = pad[1],
                         .pl = pad[2],
                         .pr = pad[3],
                         .groups = groups};
    TRY(import_at(im, n, conv_geom_fill(&l->geom, shape_4(1, l->in.h, l->in.w, l->in.c), outputs)));
    if (l->geom.oh > GRAPH_TENSOR_MAX_DIM || l->geom.ow > GRAPH_TENSOR_MAX_DIM ||
        (int64_t)l->geom.oh * l->geom.ow * outputs > GRAPH_TENSOR_MAX_ELEMENTS)
        return UNSUPPORTED(im, n, "an output of %d x %d x %d; must be at most %d values", l->geom.oh, l->geom.ow,
                           outputs, GRAPH_TENSOR_MAX_ELEMENTS);
    l->out = (Extent){l->geom.oh, l->geom.ow, outputs};
    return STATUS_OK;
}
