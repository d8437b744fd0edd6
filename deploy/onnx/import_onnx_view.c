/* Views: along which axes of a layer's output the dimensions of an activation run. */
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

int axis_length(Extent e, Axis axis) { return axis == AXIS_H ? e.h : axis == AXIS_W ? e.w : axis == AXIS_C ? e.c : 1; }

long view_length(const View *v, Extent e, int dim)
{
    long length = 1;
    for (int i = 0; i < v->dim[dim].n; i++) length *= axis_length(e, v->dim[dim].axis[i]);
    return length;
}

bool view_equal(const View *a, const View *b)
{
    bool equal = a->rank == b->rank;
    for (int i = 0; i < a->rank && equal; i++) {
        equal = a->dim[i].n == b->dim[i].n;
        for (int k = 0; k < a->dim[i].n && equal; k++) equal = a->dim[i].axis[k] == b->dim[i].axis[k];
    }
    return equal;
}

const ViewDim view_one = {0};

ViewDim view_dim(Extent e, Axis axis)
{
    if (axis_length(e, axis) == 1) return view_one;
    return (ViewDim){1, {axis}};
}

View view_nchw(Extent e)
{
    return (View){4, {{1, {AXIS_N}}, view_dim(e, AXIS_C), view_dim(e, AXIS_H), view_dim(e, AXIS_W)}};
}

View view_row(Extent e) { return (View){2, {{1, {AXIS_N}}, view_dim(e, AXIS_C)}}; }

Status view_order(Import *im, const ViewDim *d, Extent e, const int **order)
{
    const int step[AXES] = {0, e.w * e.c, e.c, 1};
    long count = 1;
    for (int i = 0; i < d->n; i++) count *= axis_length(e, d->axis[i]);
    int *to = import_alloc(im, sizeof(int) * (size_t)count);
    if (to == NULL) return STATUS_NOMEM;
    for (long k = 0; k < count; k++) {
        long left = k, at = 0;
        for (int i = d->n - 1; i >= 0; i--) {
            const int length = axis_length(e, d->axis[i]);
            at += left % length * step[d->axis[i]];
            left /= length;
        }
        to[k] = (int)at;
    }
    *order = to;
    return STATUS_OK;
}

/* ---- the image's axes -------------------------------------------------------------------------------------------- */

/* The axis that was called a is from now on called to[a], in every view of the image. */
static void rename_axes(Import *im, const Axis to[AXES])
{
    int length[AXES];
    const Extent old = im->image;
    for (int a = AXIS_H; a < AXES; a++) length[to[a]] = axis_length(old, (Axis)a);
    im->image = (Extent){length[AXIS_H], length[AXIS_W], length[AXIS_C]};
    im->image_bound = true;
    for (int i = 0; i < im->values; i++) {
        Activated *a = im->value[i].activated;
        if (im->value[i].kind != VALUE_ACTIVATION || a->source != THE_IMAGE) continue;
        const int pad[AXES][2] = {{0}, {a->pad[0], a->pad[1]}, {a->pad[2], a->pad[3]}};
        int size[AXES], around[AXES][2];
        for (int k = AXIS_H; k < AXES; k++) {
            size[to[k]] = axis_length(a->size, (Axis)k);
            memcpy(around[to[k]], pad[k], sizeof pad[k]);
        }
        a->size = (Extent){size[AXIS_H], size[AXIS_W], size[AXIS_C]};
        memcpy(a->pad, around[AXIS_H], sizeof around[0]);
        memcpy(a->pad + 2, around[AXIS_W], sizeof around[0]);
        for (int d = 0; d < a->view.rank; d++)
            for (int k = 0; k < a->view.dim[d].n; k++) a->view.dim[d].axis[k] = to[a->view.dim[d].axis[k]];
    }
}

/* What has been transposed was transposed to [N, C, H, W].  Else that is what [N, a, b, c] is, unless only the last
 * length can be that of channels. */
void import_bind_image(Import *im, const View *v)
{
    static const Axis nchw[AXES] = {AXIS_N, AXIS_H, AXIS_W, AXIS_C}, nhwc[AXES] = {AXIS_N, AXIS_W, AXIS_C, AXIS_H};
    static const Axis order[4] = {AXIS_N, AXIS_C, AXIS_H, AXIS_W};
    bool moved = false, single = v->rank == 4;
    for (int i = 1; i < v->rank && single; i++) {
        single = v->dim[i].n <= 1;
        moved |= v->dim[i].n == 1 && v->dim[i].axis[0] != order[i];
    }
    if (single && moved) {
        import_bind_image_as(im, v);
        return;
    }
    const bool first = im->image.c <= 4 && im->image.c != 2, last = im->image.w <= 4 && im->image.w != 2;
    rename_axes(im, !first && last && im->image.h > 4 ? nhwc : nchw);
}

/* The dimension a view has where NCHW has axis a. */
static int place_of(Axis a) { return a == AXIS_C ? 1 : a == AXIS_H ? 2 : 3; }

void import_bind_image_as(Import *im, const View *v)
{
    Axis to[AXES] = {AXIS_N, AXES, AXES, AXES};
    bool taken[AXES] = {false};
    for (int a = AXIS_H; a < AXES; a++) {
        const ViewDim *d = &v->dim[place_of((Axis)a)];
        if (d->n == 1) to[d->axis[0]] = (Axis)a, taken[a] = true;
    }
    for (int a = AXIS_H; a < AXES; a++) /* those of length 1, in any order */
        for (int free = AXIS_H; free < AXES && to[a] == AXES; free++)
            if (!taken[free]) to[a] = (Axis)free, taken[free] = true;
    rename_axes(im, to);
}

const char *view_text(const Import *im, const View *v)
{
    static const char *const names[AXES] = {"N", "H", "W", "C"};
    char *text = arena_strdup(im->arena, "[");
    for (int i = 0; i < v->rank; i++) {
        text = arena_printf(im->arena, "%s%s", text, i == 0 ? "" : ", ");
        for (int k = 0; k < v->dim[i].n; k++)
            text = arena_printf(im->arena, "%s%s%s", text, k == 0 ? "" : " ", names[v->dim[i].axis[k]]);
        if (v->dim[i].n == 0) text = arena_printf(im->arena, "%s1", text);
    }
    return arena_printf(im->arena, "%s]", text);
}

bool view_has_axes(const View *v)
{
    bool has = v->rank == 4 && v->dim[0].n == 1 && v->dim[0].axis[0] == AXIS_N;
    for (int k = 1; k < v->rank && has; k++) has = v->dim[k].n <= 1;
    return has;
}

bool view_is_nchw(const View *v, Extent e)
{
    bool is = view_has_axes(v);
    for (int axis = AXIS_H; axis < AXES && is; axis++) {
        const ViewDim *d = &v->dim[place_of((Axis)axis)];
        is = d->n == (axis_length(e, (Axis)axis) > 1) && (d->n == 0 || d->axis[0] == (Axis)axis);
    }
    return is;
}

bool view_in_order(const View *v)
{
    static const Axis memory[3] = {AXIS_H, AXIS_W, AXIS_C};
    int k = 0;
    for (int i = 1; i < v->rank; i++)
        for (int j = 0; j < v->dim[i].n; j++) {
            while (k < 3 && memory[k] != v->dim[i].axis[j]) k++;
            if (k == 3) return false;
        }
    return true;
}

void import_bind_layout(Import *im, const Onnx__ModelProto *model)
{
    const View v = im->value[im->input].activated->view;
    const char *layout = onnx_metadata(model, "layout");
    if (strcmp(onnx_text(model->producer_name), "bitfold") != 0 || layout == NULL || v.rank != 4) return;
    const View nhwc = {4, {v.dim[0], v.dim[3], v.dim[1], v.dim[2]}};
    import_bind_image_as(im, strcmp(layout, "nhwc") == 0 ? &nhwc : &v);
}
