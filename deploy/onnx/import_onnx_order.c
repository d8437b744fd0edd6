/* Operators that only move, rename, join or split dimensions, and how layers ask for those they compute in. */
#include "deploy/onnx/import_onnx_graph.h"

Status import_nchw(Import *im, const ImportNode *n, int i, Activated *a)
{
    TRY(import_activation(im, n, i, a));
    if (view_has_axes(&a->view) && a->source == THE_IMAGE && !im->image_bound) {
        import_bind_image_as(im, &a->view);
        TRY(import_activation(im, n, i, a));
    }
    if (view_is_nchw(&a->view, a->size)) return STATUS_OK;
    return UNSUPPORTED(im, n, "input %d is %s of a layer's rows H, columns W and channels C; must be [N, C, H, W]%s", i,
                       view_text(im, &a->view), a->view.rank == 3 ? " (layers of one dimension are not known)" : "");
}

Status import_same(Import *im, const ImportNode *n)
{
    Activated a;
    if (import_output(im, n, 1) != NULL && import_output(im, n, 1)->readers > 0)
        return UNSUPPORTED(im, n, "its second output is read; only the first is known");
    TRY(import_activation(im, n, 0, &a));
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

Status import_transpose(Import *im, const ImportNode *n)
{
    Activated a;
    int count;
    const int64_t *perm;
    TRY(import_activation(im, n, 0, &a));
    TRY(import_ints(im, n, "perm", -1, &count, &perm));
    if (a.groups.count > 0) return import_swap_groups(im, n, &a, count, perm);
    const View from = a.view;
    bool used[ONNX_MAX_RANK] = {false};
    for (int i = 0; i < from.rank; i++) {
        const int64_t p = count < 0 ? from.rank - 1 - i : i < count ? perm[i] : -1;
        if (p < 0 || p >= from.rank || used[p] || (count >= 0 && count != from.rank))
            return MALFORMED(im, n, "perm; must be a permutation of %d dimensions", from.rank);
        used[p] = true;
        a.view.dim[i] = from.dim[p];
    }
    if (a.view.dim[0].n != 1 || a.view.dim[0].axis[0] != AXIS_N)
        return UNSUPPORTED(im, n, "perm: moves dimension 0, the images; must leave it the first");
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

/* Other rows, columns and channels: a node of its own in an integer graph. */
static Status reshape_layer(Import *im, const ImportNode *n, Activated *a, const int64_t *to)
{
    int layer;
    const bool codes = a->codes;
    a->codes = false;
    TRY(import_layer(im, n, IMPORT_FLATTEN, 1, a, &layer));
    ImportLayer *l = &im->layer[layer];
    l->out = (Extent){(int)to[1], (int)to[2], (int)to[3]};
    l->has_grid = true;
    l->grid = *import_grid_of(im, a->source);
    const View nchw = view_nchw(l->out);
    const View view = {4, {nchw.dim[0], nchw.dim[2], nchw.dim[3], nchw.dim[1]}};
    Activated y = import_layer_output(im, n, layer, &view);
    y.on_grid = true;
    y.codes = codes;
    y.unsigned_codes = a->unsigned_codes;
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* [N, rows, columns, channels] of others than there are. */
static bool is_reshape(const Import *im, const Activated *a, int rank, const int64_t *to)
{
    const Extent e = a->size;
    return im->quantized && rank == 4 && view_in_order(&a->view) && (e.h > 1 || e.w > 1) &&
           (e.h != to[1] || e.w != to[2]) && (a->source != THE_IMAGE || im->image_bound);
}

/* The same elements in dims [N, to[1], ...]: each takes whole axes, in their order. */
static Status regroup(Import *im, const ImportNode *n, Activated *a, int rank, const int64_t *to)
{
    Axis axes[AXES];
    int count = 0, used = 0;
    const View from = a->view;
    if (a->groups.count > 0) return import_join_groups(im, n, a, rank, to);
    if (is_reshape(im, a, rank, to)) return reshape_layer(im, n, a, to);
    if (import_splits_channels(a, rank, to, &a->groups)) {
        import_set_activation(im, n, a);
        return STATUS_OK;
    }
    for (int i = 1; i < from.rank; i++)
        for (int k = 0; k < from.dim[i].n; k++) axes[count++] = from.dim[i].axis[k];
    a->view = (View){rank, {from.dim[0]}};
    for (int i = 1; i < rank; i++) {
        ViewDim *d = &a->view.dim[i];
        int64_t length = 1;
        while (used < count && length < to[i]) {
            length *= axis_length(a->size, axes[used]);
            d->axis[d->n++] = axes[used++];
        }
        if (length != to[i])
            return UNSUPPORTED(im, n, "dimension %d of %lld from %s; must be whole dimensions put together", i,
                               (long long)to[i], view_text(im, &from));
    }
    import_set_activation(im, n, a);
    return STATUS_OK;
}

static long elements(const Activated *a) { return (long)a->size.h * a->size.w * a->size.c; }

Status import_flatten(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_plain(im, n, 0, &a));
    const int64_t axis = onnx_attribute_int(n->proto, "axis", 1);
    const bool ones = axis > 1 && axis < a.view.rank; /* [N, 1, 1, C] with axis 3 */
    for (int i = 1; i < axis && ones; i++)
        if (a.view.dim[i].n > 0) return UNSUPPORTED(im, n, "axis: %lld; must be 1", (long long)axis);
    if (axis != 1 && axis != 1 - a.view.rank && !ones)
        return UNSUPPORTED(im, n, "axis: %lld; must be 1", (long long)axis);
    return regroup(im, n, &a, 2, (const int64_t[]){IMPORT_BATCH, elements(&a)});
}

/* A row [N,K] that is given another shape before any layer reads it: the shape is the image's. */
static bool reshapes_row(const Import *im, const Activated *a, int rank)
{
    return a->source == THE_IMAGE && !im->image_bound && a->view.rank == 2 && im->image.h == 1 && im->image.w == 1 &&
           (rank == 3 || rank == 4) && a->exclusive;
}

static void reshape_image(Import *im, Activated *a, int rank, const int64_t *to)
{
    const Extent e = rank == 3 ? (Extent){(int)to[1], (int)to[2], 1} : (Extent){(int)to[2], (int)to[3], (int)to[1]};
    im->image = a->size = e;
    a->view = view_nchw(e);
    if (rank == 3) a->view = (View){3, {a->view.dim[0], a->view.dim[2], a->view.dim[3]}};
    Activated *input = im->value[im->input].activated;
    input->size = e; /* read by nobody else */
    input->view = a->view;
}

Status import_reshape(Import *im, const ImportNode *n)
{
    Activated a;
    int rank, open = -1;
    const int64_t *given;
    int64_t to[ONNX_MAX_RANK], known = 1;
    TRY(import_plain(im, n, 0, &a));
    TRY(import_ints(im, n, "shape", 1, &rank, &given));
    if (rank < 2 || rank > ONNX_MAX_RANK)
        return UNSUPPORTED(im, n, "to %d dimensions; must be 2 to %d, the first the images", rank, ONNX_MAX_RANK);
    for (int i = 1; i < rank; i++) {
        const bool kept = i < a.view.rank && given[i] == 0 && (a.groups.count == 0 || i < a.groups.at);
        to[i] = kept ? view_length(&a.view, a.size, i) : given[i];
        if (to[i] == -1 && open < 0)
            open = i;
        else if (to[i] < 1 || to[i] > GRAPH_TENSOR_MAX_ELEMENTS)
            return UNSUPPORTED(im, n, "shape[%d]: %lld; must be a length, or one -1", i, (long long)given[i]);
        known *= i == open ? 1 : to[i];
        if (known > GRAPH_TENSOR_MAX_ELEMENTS)
            return UNSUPPORTED(im, n, "shape of more than %d elements", GRAPH_TENSOR_MAX_ELEMENTS);
    }
    if (open >= 0) to[open] = elements(&a) / known;
    /* [-1, K]: the images are what is left; a number stands for the batch the file was made with. */
    const bool images = given[0] == -1 ? open < 0 : given[0] == 0 || given[0] == IMPORT_BATCH || given[0] >= 1;
    if (!images || known * (open < 0 ? 1 : to[open]) != elements(&a))
        return UNSUPPORTED(im, n, "%ld elements of an image to %lld; dimension 0 must stay the images", elements(&a),
                           (long long)(known * (open < 0 ? 1 : to[open])));
    if (reshapes_row(im, &a, rank)) {
        for (int i = 1; i < rank; i++)
            if (to[i] > 4096)
                return UNSUPPORTED(im, n, "shape[%d]: %lld of the image; at most 4096", i, (long long)to[i]);
        reshape_image(im, &a, rank, to);
        import_set_activation(im, n, &a);
        return STATUS_OK;
    }
    return regroup(im, n, &a, rank, to);
}

/* Which dimensions the axes name; of `rank` in all. */
static Status mark_axes(Import *im, const ImportNode *n, int rank, int count, const int64_t *axes, bool *marked)
{
    for (int i = 0; i < count; i++) {
        const int64_t at = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (at < 1 || at >= rank || marked[at])
            return UNSUPPORTED(im, n, "axes: %lld of %d dimensions; must be 1 to %d, each once", (long long)axes[i],
                               rank, rank - 1);
        marked[at] = true;
    }
    return STATUS_OK;
}

Status import_squeeze(Import *im, const ImportNode *n)
{
    Activated a;
    int count;
    const int64_t *axes;
    bool marked[ONNX_MAX_RANK] = {false};
    TRY(import_plain(im, n, 0, &a));
    TRY(import_ints(im, n, "axes", 1, &count, &axes));
    TRY(mark_axes(im, n, a.view.rank, count, axes, marked));
    View to = {.rank = 0};
    for (int i = 0; i < a.view.rank; i++) {
        const bool gone = count < 0 ? i > 0 && a.view.dim[i].n == 0 : marked[i];
        if (gone && a.view.dim[i].n > 0)
            return MALFORMED(im, n, "axes: dimension %d of length %ld; must be 1", i, view_length(&a.view, a.size, i));
        if (!gone) to.dim[to.rank++] = a.view.dim[i];
    }
    a.view = to;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

Status import_unsqueeze(Import *im, const ImportNode *n)
{
    Activated a;
    int count;
    const int64_t *axes;
    bool marked[ONNX_MAX_RANK] = {false};
    TRY(import_plain(im, n, 0, &a));
    TRY(import_ints(im, n, "axes", 1, &count, &axes));
    if (count < 1 || a.view.rank + count > ONNX_MAX_RANK)
        return UNSUPPORTED(im, n, "%d axes to %d dimensions; must be at most %d in all", count, a.view.rank,
                           ONNX_MAX_RANK);
    TRY(mark_axes(im, n, a.view.rank + count, count, axes, marked));
    View to = {.rank = a.view.rank + count};
    for (int i = 0, k = 0; i < to.rank; i++) to.dim[i] = marked[i] ? view_one : a.view.dim[k++];
    a.view = to;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}
