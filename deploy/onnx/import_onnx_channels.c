/* Channels that are left out or change places: Slice, Split, and the shuffle that ShuffleNet makes of a Reshape, a
 * Transpose and a Reshape.  A graph moves no channels, so each is a convolution of 1 x 1 whose weights are 0 and 1,
 * which is exact in floats, and in codes on the grid they are on already. */
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

/* A layer that gives the `count` channels channel[] of the activation. */
static Status select_channels(Import *im, const ImportNode *n, const Activated *a, int count, const int *channel,
                              Activated *y)
{
    const ImportWindow one = {{1, 1}, {1, 1}, {1, 1}, {0}};
    int layer;
    Activated x = *a;
    x.codes = false;
    TRY(import_layer(im, n, IMPORT_CONV, 1, &x, &layer));
    ImportLayer *l = &im->layer[layer];
    TRY(import_geom(im, n, l, &x, &one, count, 1));
    const int channels = l->in.c;
    const size_t weights = (size_t)count * (size_t)channels;
    int8_t *codes = import_alloc(im, weights);
    l->weights = import_alloc(im, sizeof(float) * weights);
    l->weight_scale = import_alloc(im, sizeof(float) * (size_t)count);
    if (codes == NULL || l->weights == NULL || l->weight_scale == NULL) return import_at(im, n, STATUS_NOMEM);
    memset(codes, 0, weights);
    for (int o = 0; o < count; o++) {
        codes[(size_t)o * (size_t)channels + (size_t)channel[o]] = 1;
        l->weight_scale[o] = 1.0f;
    }
    for (size_t i = 0; i < weights; i++) l->weights[i] = codes[i];
    *y = import_layer_output(im, n, layer, &a->view);
    if (im->quantized) {
        l->codes = codes;
        l->has_grid = true;
        l->grid = *import_grid_of(im, l->input[0]);
        y->on_grid = true;
        y->codes = a->codes;
        y->unsigned_codes = a->unsigned_codes;
    }
    if (!im->moves_channels)
        import_note(im, "%s: channels that change places cost a convolution of 1 x 1 each, here of %d x %d weights",
                    l->node, count, channels);
    im->moves_channels = true;
    return STATUS_OK;
}

/* The axis must be that of the channels; its length. */
static Status channels_at(Import *im, const ImportNode *n, const Activated *a, int64_t axis, int *length)
{
    const int64_t at = axis < 0 ? axis + a->view.rank : axis;
    if (a->source == THE_IMAGE) return UNSUPPORTED(im, n, "of the image; must be of what a layer gives");
    const ViewDim *d = at >= 1 && at < a->view.rank ? &a->view.dim[at] : NULL;
    if (d == NULL || d->n != 1 || d->axis[0] != AXIS_C)
        return UNSUPPORTED(im, n, "axis: %lld of an activation; must be its channels", (long long)axis);
    *length = a->size.c;
    return STATUS_OK;
}

static int64_t within(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

Status import_slice(Import *im, const ImportNode *n)
{
    Activated a, y;
    int starts, ends, axes, steps, length = 0;
    const int64_t *start, *end, *axis, *step;
    TRY(import_plain(im, n, 0, &a));
    TRY(import_ints(im, n, "starts", 1, &starts, &start));
    TRY(import_ints(im, n, "ends", 2, &ends, &end));
    TRY(import_ints(im, n, "axes", 3, &axes, &axis));
    TRY(import_ints(im, n, "steps", 4, &steps, &step));
    if (starts != 1 || ends != 1 || (axes >= 0 && axes != 1) || (steps >= 0 && (steps != 1 || step[0] < 1)))
        return UNSUPPORTED(im, n, "of several axes of an activation, or backwards; must be of its channels, forwards");
    TRY(channels_at(im, n, &a, axes == 1 ? axis[0] : 0, &length));
    const int64_t from = within(start[0] < 0 ? start[0] + length : start[0], 0, length);
    const int64_t to = within(end[0] < 0 ? end[0] + length : end[0], 0, length);
    const int64_t by = steps == 1 ? within(step[0], 1, length) : 1;
    if (from >= to)
        return MALFORMED(im, n, "channels %lld to %lld of %d; must be one or more", (long long)from, (long long)to,
                         length);
    int *channel = ARENA_ARRAY(im->arena, int, length), count = 0;
    for (int64_t c = from; c < to; c += by) channel[count++] = (int)c;
    TRY(select_channels(im, n, &a, count, channel, &y));
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* Channels of each output: attribute or input "split", else equal parts, the last one smaller. */
static Status split_sizes(Import *im, const ImportNode *n, int length, int64_t *size)
{
    int count;
    const int64_t *given;
    TRY(import_ints(im, n, "split", 1, &count, &given));
    const int64_t part = (length + n->outputs - 1) / n->outputs;
    int64_t left = length;
    for (int k = 0; k < n->outputs; k++) {
        size[k] = count >= 0 ? (k < count ? given[k] : 0) : within(left, 0, part);
        if (size[k] < 1 || size[k] > left)
            return MALFORMED(im, n, "output %d of %lld of %d channels; must be one or more", k, (long long)size[k],
                             length);
        left -= size[k];
    }
    if (left == 0 && (count < 0 || count == n->outputs)) return STATUS_OK;
    return MALFORMED(im, n, "%d outputs of less than all %d channels; must be all", n->outputs, length);
}

Status import_split(Import *im, const ImportNode *n)
{
    Activated a;
    int length = 0, first = 0;
    TRY(import_plain(im, n, 0, &a));
    TRY(channels_at(im, n, &a, onnx_attribute_int(n->proto, "axis", 0), &length));
    int64_t *size = ARENA_ARRAY(im->arena, int64_t, n->outputs);
    TRY(split_sizes(im, n, length, size));
    int *channel = ARENA_ARRAY(im->arena, int, length);
    import_set_activation(im, n, &a); /* where nobody reads output 0 */
    for (int k = 0; k < n->outputs; first += (int)size[k++]) {
        Value *v = import_output(im, n, k);
        if (v == NULL || v->readers == 0) continue;
        Activated y;
        for (int i = 0; i < size[k]; i++) channel[i] = first + i;
        TRY(select_channels(im, n, &a, (int)size[k], channel, &y));
        y.exclusive = v->readers == 1;
        v->kind = VALUE_ACTIVATION;
        v->activated = ARENA_ARRAY(im->arena, Activated, 1);
        *v->activated = y;
    }
    return STATUS_OK;
}

bool import_splits_channels(const Activated *a, int rank, const int64_t *to, ChannelGroups *groups)
{
    int at = 1;
    if (a->source == THE_IMAGE || rank != a->view.rank + 1) return false;
    while (at < a->view.rank && view_length(&a->view, a->size, at) == to[at]) at++;
    if (at == a->view.rank || a->view.dim[at].n != 1 || a->view.dim[at].axis[0] != AXIS_C) return false;
    if (to[at] < 2 || to[at + 1] < 2 || to[at] * to[at + 1] != a->size.c) return false;
    for (int i = at + 1; i < a->view.rank; i++)
        if (view_length(&a->view, a->size, i) != to[i + 1]) return false;
    *groups = (ChannelGroups){.count = (int)to[at], .at = at};
    return true;
}

Status import_swap_groups(Import *im, const ImportNode *n, Activated *a, int count, const int64_t *perm)
{
    const int rank = a->view.rank + 1, at = a->groups.at;
    bool swaps = count == rank && !a->groups.swapped;
    for (int i = 0; i < count && swaps; i++) swaps = perm[i] == (i == at ? at + 1 : i == at + 1 ? at : i);
    if (!swaps)
        return UNSUPPORTED(im, n, "perm: of channels in %d groups; must exchange the groups and what is in them",
                           a->groups.count);
    a->groups.swapped = true;
    import_set_activation(im, n, a);
    return STATUS_OK;
}

Status import_join_groups(Import *im, const ImportNode *n, Activated *a, int rank, const int64_t *to)
{
    const int channels = a->size.c, groups = a->groups.count, inside = channels / groups;
    bool fits = rank == a->view.rank;
    for (int i = 1; i < rank && fits; i++) fits = to[i] == view_length(&a->view, a->size, i);
    if (!fits)
        return UNSUPPORTED(im, n, "of channels in %d groups; must join them again in their place, as %d channels",
                           groups, channels);
    const bool swapped = a->groups.swapped;
    a->groups = (ChannelGroups){0};
    Activated y = *a;
    if (swapped) {
        int *channel = ARENA_ARRAY(im->arena, int, channels);
        for (int c = 0; c < channels; c++) channel[c] = c % groups * inside + c / groups;
        TRY(select_channels(im, n, a, channels, channel, &y));
    }
    import_set_activation(im, n, &y);
    return STATUS_OK;
}
