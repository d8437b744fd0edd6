/* Pools, and the padding before them. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

static bool any(const int pad[4]) { return (pad[0] | pad[1] | pad[2] | pad[3]) != 0; }

/* ceil_mode: one window more where some input would be left over, unless it began after input and padding. */
static void round_up(Extent size, ImportWindow *w)
{
    for (int axis = 0; axis < 2; axis++) {
        const int in = axis == 0 ? size.h : size.w, k = w->kernel[axis], s = w->stride[axis];
        const int before = w->pad[2 * axis], after = w->pad[2 * axis + 1], room = in + before + after - k;
        if (room < 0) continue;
        int out = (room + s - 1) / s + 1;
        if ((out - 1) * s >= in + before) out--;
        const int needed = (out - 1) * s + k - in - before;
        w->pad[2 * axis + 1] = needed > 0 ? needed : 0;
    }
}

/* asked: the padding before ceil_mode has changed that at the end. */
static Status read_pool(Import *im, const ImportNode *n, Extent size, ImportWindow *w, int asked[4])
{
    TRY(import_window(im, n, size, NULL, w));
    memcpy(asked, w->pad, sizeof w->pad);
    if (onnx_attribute_int(n->proto, "ceil_mode", 0) != 0) round_up(size, w);
    return STATUS_OK;
}

static Status pool_layer(Import *im, const ImportNode *n, ImportKind kind, const Activated *a, const ImportWindow *w,
                         int *layer)
{
    TRY(import_layer(im, n, kind, 1, a, layer));
    ImportLayer *l = &im->layer[*layer];
    TRY(import_geom(im, n, l, a, w, a->size.c, a->size.c));
    const ConvGeom *g = &l->geom;
    if (kind != IMPORT_DEPTHWISE && (g->pt >= g->kh || g->pb >= g->kh || g->pl >= g->kw || g->pr >= g->kw))
        return UNSUPPORTED(im, n,
                           "pads: top %d, bottom %d, left %d, right %d around %d x %d; must be smaller than the window",
                           g->pt, g->pb, g->pl, g->pr, g->kh, g->kw);
    return STATUS_OK;
}

/* The layer's output, in the layout it reads.  A largest code is on the grid; a mean is on none yet. */
static Status finish(Import *im, const ImportNode *n, int layer, const Activated *in)
{
    ImportLayer *l = &im->layer[layer];
    const View view = view_nchw(l->out);
    Activated y = import_layer_output(im, n, layer, &view);
    if (im->quantized && l->kind != IMPORT_DEPTHWISE) {
        l->grid = *import_grid_of(im, in->source);
        l->has_grid = l->kind == IMPORT_MAXPOOL;
        y.on_grid = l->has_grid;
        y.codes = in->codes;
        y.unsigned_codes = in->unsigned_codes;
    }
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* Zeros before a pool for the largest are the pool's own padding where no input is below zero. */
static bool zeros_lose(const Import *im, const Activated *a, const ImportWindow *w)
{
    const int *p = a->pad, *own = w->pad;
    return import_not_negative(im, a->source) && p[0] + own[0] < w->kernel[0] && p[1] + own[1] < w->kernel[0] &&
           p[2] + own[2] < w->kernel[1] && p[3] + own[3] < w->kernel[1];
}

Status import_maxpool(Import *im, const ImportNode *n)
{
    Activated a;
    ImportWindow w;
    int layer, asked[4];
    TRY(import_nchw(im, n, 0, &a));
    if (import_output(im, n, 1) != NULL && import_output(im, n, 1)->readers > 0)
        return UNSUPPORTED(im, n, "its second output, the indices, is read; only the first is known");
    TRY(read_pool(im, n, a.size, &w, asked));
    if (any(a.pad) && !zeros_lose(im, &a, &w)) TRY(import_plain(im, n, 0, &a));
    const bool codes = a.codes;
    a.codes = false; /* the largest code is that of the largest number */
    if (codes && !a.on_grid)
        return UNSUPPORTED(im, n, "of codes whose scale is not known; DequantizeLinear must stand before it");
    TRY(pool_layer(im, n, IMPORT_MAXPOOL, &a, &w, &layer));
    a.codes = codes;
    return finish(im, n, layer, &a);
}

Status import_avgpool(Import *im, const ImportNode *n)
{
    Activated a;
    ImportWindow w;
    int layer, asked[4];
    TRY(import_nchw(im, n, 0, &a));
    TRY(read_pool(im, n, a.size, &w, asked));
    const bool counted = onnx_attribute_int(n->proto, "count_include_pad", 0) != 0 && any(asked);
    if (any(a.pad) && any(w.pad) && !counted) TRY(import_plain(im, n, 0, &a));
    if (!counted && !any(a.pad)) {
        TRY(pool_layer(im, n, IMPORT_AVGPOOL, &a, &w, &layer));
        return finish(im, n, layer, &a);
    }
    if (w.pad[1] > asked[1] || w.pad[3] > asked[3])
        return UNSUPPORTED(im, n,
                           "ceil_mode: 1 with padding that counts; its last window is divided by fewer cells than the "
                           "others, must be ceil_mode 0 or count_include_pad 0");
    TRY(pool_layer(im, n, IMPORT_DEPTHWISE, &a, &w, &layer));
    TRY(import_mean_layer(im, n, &im->layer[layer]));
    return finish(im, n, layer, &a);
}

static Status whole_map(Import *im, const ImportNode *n, ImportKind kind, const Activated *a)
{
    int layer;
    const ImportWindow w = {{a->size.h, a->size.w}, {1, 1}, {1, 1}, {0}};
    TRY(import_layer(im, n, kind, 1, a, &layer));
    TRY(import_geom(im, n, &im->layer[layer], a, &w, a->size.c, a->size.c));
    if (kind == IMPORT_MAXPOOL && (a->size.h > 127 || a->size.w > 127))
        return UNSUPPORTED(im, n, "of %d x %d cells; must be at most 127 x 127", a->size.h, a->size.w);
    return finish(im, n, layer, a);
}

Status import_global_avgpool(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_nchw(im, n, 0, &a));
    TRY(import_plain(im, n, 0, &a));
    return whole_map(im, n, IMPORT_GLOBAL_AVGPOOL, &a);
}

Status import_global_maxpool(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_nchw(im, n, 0, &a));
    TRY(import_plain(im, n, 0, &a));
    return whole_map(im, n, IMPORT_MAXPOOL, &a);
}

/* The mean over all rows and columns, whichever dimensions those are. */
Status import_reduce_mean(Import *im, const ImportNode *n)
{
    Activated a;
    int count;
    const int64_t *axes;
    TRY(import_settled(im, n, 0, &a));
    TRY(import_ints(im, n, "axes", 1, &count, &axes));
    bool gone[ONNX_MAX_RANK] = {false};
    bool meant[AXES] = {false, a.size.h == 1, a.size.w == 1, false};
    for (int i = 0; i < count; i++) {
        const int64_t at = axes[i] < 0 ? axes[i] + a.view.rank : axes[i];
        if (at < 1 || at >= a.view.rank)
            return UNSUPPORTED(im, n, "axes: %lld of %d dimensions; must be rows and columns", (long long)axes[i],
                               a.view.rank);
        gone[at] = true;
        for (int k = 0; k < a.view.dim[at].n; k++) meant[a.view.dim[at].axis[k]] = true;
    }
    if (!meant[AXIS_H] || !meant[AXIS_W] || meant[AXIS_C])
        return UNSUPPORTED(im, n, "axes: not all of rows and columns, or channels too; must be rows and columns");
    const bool keep = onnx_attribute_int(n->proto, "keepdims", 1) != 0;
    View to = {.rank = 0};
    for (int i = 0; i < a.view.rank; i++)
        if (!gone[i] || keep) to.dim[to.rank++] = gone[i] ? view_one : a.view.dim[i];
    TRY(whole_map(im, n, IMPORT_GLOBAL_AVGPOOL, &a));
    import_output(im, n, 0)->activated->view = to;
    return STATUS_OK;
}

/* ---- Pad --------------------------------------------------------------------------------------------------------- */

/* Padding has rows and columns: that settles what the image's dimensions are. */
static void bind_by_padding(Import *im, const Activated *a, const int64_t *pads)
{
    if (a->source != THE_IMAGE || im->image_bound) return;
    bool padded[ONNX_MAX_RANK] = {false};
    for (int i = 0; i < a->view.rank; i++) padded[i] = pads[i] != 0 || pads[a->view.rank + i] != 0;
    if (a->view.rank == 4 && padded[1] && !padded[3])
        import_bind_image_as(im, &(View){4, {a->view.dim[0], a->view.dim[3], a->view.dim[1], a->view.dim[2]}});
    else if (a->view.rank == 4 && padded[3])
        import_bind_image_as(im, &a->view);
    else
        import_bind_image(im, &a->view);
}

/* All pads, of each dimension: before, after; those of `axes` only in newer files. */
static Status read_pads(Import *im, const ImportNode *n, int rank, int64_t pads[2 * ONNX_MAX_RANK])
{
    int count, named;
    const int64_t *given, *axes;
    TRY(import_ints(im, n, "pads", 1, &count, &given));
    TRY(import_ints(im, n, "axes", 3, &named, &axes));
    const int dims = named < 0 ? rank : named;
    if (count != 2 * dims || dims > rank)
        return MALFORMED(im, n, "pads: %d numbers for %d dimensions; must be two for each", count, dims);
    memset(pads, 0, sizeof *pads * 2 * ONNX_MAX_RANK);
    for (int i = 0; i < dims; i++) {
        const int64_t at = named < 0 ? i : axes[i] < 0 ? axes[i] + rank : axes[i];
        if (at < 0 || at >= rank) return MALFORMED(im, n, "axes: %lld of %d dimensions", (long long)axes[i], rank);
        pads[at] = given[i];
        pads[rank + at] = given[dims + i];
    }
    return STATUS_OK;
}

/* What stands in the padding must be real zero. */
static Status check_zero(Import *im, const ImportNode *n, const Activated *a)
{
    float value = onnx_attribute_float(n->proto, "value", 0.0f);
    if (import_input(im, n, 2) != NULL) TRY(import_scalar(im, n, 2, &value));
    if (a->codes && !a->on_grid)
        return UNSUPPORTED(im, n, "of codes whose scale is not known; DequantizeLinear must stand before it");
    const int zero = a->codes ? import_grid_of(im, a->source)->zero_point + (a->unsigned_codes ? 128 : 0) : 0;
    if (value != (float)zero)
        return UNSUPPORTED(im, n, "value: %g; must be %d%s", (double)value, zero, a->codes ? ", the zero point" : "");
    return STATUS_OK;
}

Status import_pad(Import *im, const ImportNode *n)
{
    Activated a;
    int64_t pads[2 * ONNX_MAX_RANK];
    TRY(import_activation(im, n, 0, &a));
    TRY(read_pads(im, n, a.view.rank, pads));
    bind_by_padding(im, &a, pads);
    TRY(import_activation(im, n, 0, &a));
    TRY(check_zero(im, n, &a));
    const int rank = a.view.rank;
    for (int i = 0; i < rank; i++) {
        const int64_t before = pads[i], after = pads[rank + i];
        if (before == 0 && after == 0) continue;
        const ViewDim *d = &a.view.dim[i];
        const bool rows = d->n == 1 && d->axis[0] == AXIS_H, columns = d->n == 1 && d->axis[0] == AXIS_W;
        if (!rows && !columns)
            return UNSUPPORTED(im, n, "pads: dimension %d; must be of rows and columns only, longer than 1", i);
        int *to = &a.pad[rows ? 0 : 2];
        if (before < 0 || after < 0 || before + to[0] > 127 || after + to[1] > 127)
            return UNSUPPORTED(im, n, "pads: %lld and %lld; must be 0 to 127", (long long)before, (long long)after);
        to[0] += (int)before;
        to[1] += (int)after;
        if (rows)
            a.size.h += (int)(before + after);
        else
            a.size.w += (int)(before + after);
    }
    import_set_activation(im, n, &a);
    return STATUS_OK;
}
