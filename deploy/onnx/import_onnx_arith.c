/* Activations, sums, batch norm: mostly part of a layer that is already there. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

enum { NONE, RELU, RELU6 }; /* indices of activation_names */

/* ---- Relu, Clip -------------------------------------------------------------------------------------------------- */

typedef struct {
    int function;
    float least, most; /* the same as bounds, which need not be those of a function in a quantized model */
} Bounds;

static void bound(const Import *im, ImportLayer *l, Bounds b)
{
    l->least = fmaxf(l->least, b.least);
    l->most = fmaxf(l->least, fminf(l->most, b.most));
    if (!im->quantized && b.function > l->activation) l->activation = b.function;
}

/* In the layer that gives the input, or in one of its own. */
static Status activate(Import *im, const ImportNode *n, Bounds b)
{
    Activated a;
    int layer;
    TRY(import_activation(im, n, 0, &a));
    ImportLayer *open = import_open_layer(im, &a);
    if (open != NULL && import_node_type(open)->clamp == CLAMP_CODES) {
        bound(im, open, b);
        import_set_activation(im, n, &a);
        return STATUS_OK;
    }
    TRY(import_settled(im, n, 0, &a));
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, &a, &layer));
    bound(im, &im->layer[layer], b);
    const Activated y = import_layer_output(im, n, layer, &a.view);
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

Status import_relu(Import *im, const ImportNode *n) { return activate(im, n, (Bounds){RELU, 0.0f, INFINITY}); }

/* The limit of an attribute, or of an input in newer files. */
static Status limit(Import *im, const ImportNode *n, const char *attribute, int input, float missing, float *x)
{
    *x = onnx_attribute_float(n->proto, attribute, missing);
    return import_input(im, n, input) == NULL ? STATUS_OK : import_scalar(im, n, input, x);
}

/* A layer whose node ends with a clamp of its codes. */
static bool has_clamp(const Import *im, int source)
{
    return source == THE_IMAGE || import_node_type(&im->layer[source])->clamp != CLAMP_NONE;
}

/* Of codes: fewer of them are in use. */
static Status clip_codes(Import *im, const ImportNode *n, Activated *a, float lo, float hi)
{
    if (!a->on_grid) return UNSUPPORTED(im, n, "of codes whose scale is not known; must be behind QuantizeLinear");
    if (!a->exclusive || !has_clamp(im, a->source)) TRY(import_same_grid(im, n, a));
    const float shift = a->unsigned_codes ? 128.0f : 0.0f;
    ImportGrid *g = a->source == THE_IMAGE ? &im->image_grid : &im->layer[a->source].grid;
    const float least = fmaxf(lo - shift, (float)g->qmin), most = fminf(hi - shift, (float)g->qmax);
    const bool any = a->source == THE_IMAGE ? least < most : least <= most;
    if (!any || least != rintf(least) || most != rintf(most) || (float)g->zero_point < least ||
        (float)g->zero_point > most)
        return UNSUPPORTED(im, n, "of codes, to %g..%g; must be codes, the zero point %d among them", (double)lo,
                           (double)hi, g->zero_point + (int)shift);
    g->qmin = (int)least;
    g->qmax = (int)most;
    import_set_activation(im, n, a);
    return STATUS_OK;
}

/* ---- factors and shifts per channel ------------------------------------------------------------------------------ */

/* The constant's numbers for each channel.  Its dims are those of the activation's last ones; all but that of the
 * channels must be 1. */
static Status channel_numbers(Import *im, const ImportNode *n, int input, const Activated *a, float **numbers)
{
    Constant *c;
    const float *x;
    TRY(import_constant(im, n, input, &c));
    const OnnxTensor *t = &c->tensor;
    const int skip = a->view.rank - t->rank, channels = a->size.c;
    bool fits = t->count == 1;
    for (int i = 0; i < t->rank && !fits && skip >= 0; i++) {
        const ViewDim *d = &a->view.dim[skip + i];
        fits = t->dim[i] == t->count && t->count == channels && d->n == 1 && d->axis[0] == AXIS_C;
    }
    if (!fits)
        return UNSUPPORTED(im, n, "input %d: a constant of %lld numbers; must be one, or one for each of %d channels",
                           input, (long long)t->count, channels);
    TRY(import_floats(im, n, c, &x));
    *numbers = import_alloc(im, sizeof(float) * (size_t)channels);
    if (*numbers == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int k = 0; k < channels; k++) (*numbers)[k] = x[t->count == 1 ? 0 : k];
    return STATUS_OK;
}

/* A layer with weights whose output may still be changed by a factor and a shift. */
static ImportLayer *open_weights(const Import *im, const Activated *a)
{
    ImportLayer *l = import_open_layer(im, a);
    return l != NULL && import_has_weights(l) && l->activation == NONE ? l : NULL;
}

/* y = factor x or x + shift, one of them NULL, in the layer that gives x or in one of its own. */
static Status scale_and_shift(Import *im, const ImportNode *n, Activated *a, const float *factor, const float *shift)
{
    ImportLayer *l = open_weights(im, a);
    const int channels = a->size.c;
    if (l == NULL || (factor != NULL && (l->gamma != NULL || im->quantized)) || l->bias_codes != NULL) {
        int layer;
        TRY(import_scale_layer(im, n, a, factor, shift, &layer));
        *a = import_layer_output(im, n, layer, &a->view);
        import_set_activation(im, n, a);
        return STATUS_OK;
    }
    const long inner = import_inner(l);
    for (int o = 0; o < channels && factor != NULL; o++) {
        for (long i = 0; i < inner; i++)
            l->weights[l->kind == IMPORT_DEPTHWISE ? i * channels + o : o * inner + i] *= factor[o];
        if (l->bias != NULL) l->bias[o] *= factor[o];
    }
    float *to = l->gamma != NULL ? l->beta : l->bias;
    if (to == NULL && shift != NULL) {
        to = l->bias = import_alloc(im, sizeof(float) * (size_t)channels);
        if (to == NULL) return import_at(im, n, STATUS_NOMEM);
        memset(to, 0, sizeof(float) * (size_t)channels);
    }
    for (int o = 0; o < channels && shift != NULL; o++) to[o] += shift[o];
    import_set_activation(im, n, a);
    return STATUS_OK;
}

/* The sum before a clip that makes no curve of it, where it would have been added. */
static Status raise_input(Import *im, const ImportNode *n, Activated *a)
{
    const ImportNode *sum = n - 1;
    while (sum->outputs == 0 || sum->output[0] != n->input[0]) sum--;
    float *shift = ARENA_ARRAY(im->arena, float, a->size.c);
    for (int c = 0; c < a->size.c; c++) shift[c] = a->raise;
    a->raise = 0.0f;
    return scale_and_shift(im, sum, a, NULL, shift);
}

Status import_clip(Import *im, const ImportNode *n)
{
    Activated a;
    float lo, hi;
    bool taken;
    TRY(import_unfinished(im, n, 0, &a));
    TRY(limit(im, n, "min", 1, -INFINITY, &lo));
    TRY(limit(im, n, "max", 2, INFINITY, &hi));
    if (a.codes) return clip_codes(im, n, &a, lo, hi);
    if (a.raise != 0.0f) {
        TRY(import_clip_raised(im, n, lo, hi, &taken));
        if (taken) return STATUS_OK;
        TRY(raise_input(im, n, &a));
    }
    const bool above = lo == 0.0f || (lo < 0.0f && import_not_negative(im, a.source)), open = hi > 3e38f;
    if (im->quantized ? !(lo <= hi) : !above || !(open || hi == 6.0f))
        return UNSUPPORTED(im, n, "min: %g, max: %g; must be 0 without a maximum (relu) or 0 and 6 (relu6)", (double)lo,
                           (double)hi);
    return activate(im, n, (Bounds){open ? RELU : RELU6, lo, hi});
}

/* ---- Add, Sub, Mul, Div ------------------------------------------------------------------------------------------ */

static bool is_constant(const Import *im, const ImportNode *n, int i)
{
    const Value *v = import_input(im, n, i);
    return v != NULL && v->kind == VALUE_CONSTANT;
}

static Status add_activations(Import *im, const ImportNode *n)
{
    Activated a[2];
    int layer;
    for (int i = 0; i < 2; i++) TRY(import_settled(im, n, i, &a[i]));
    const Extent x = a[0].size, y = a[1].size;
    if (x.h != y.h || x.w != y.w || x.c != y.c || !view_equal(&a[0].view, &a[1].view))
        return UNSUPPORTED(im, n, "%d x %d x %d beside %d x %d x %d (rows, columns, channels); must be of one shape",
                           x.h, x.w, x.c, y.h, y.w, y.c);
    TRY(import_layer(im, n, IMPORT_ADD, 2, a, &layer));
    const Activated sum = import_layer_output(im, n, layer, &a[0].view);
    import_set_activation(im, n, &sum);
    return STATUS_OK;
}

Status import_add(Import *im, const ImportNode *n)
{
    if (!is_constant(im, n, 0) && !is_constant(im, n, 1)) return add_activations(im, n);
    const int i = is_constant(im, n, 0) ? 1 : 0;
    const Value *v = import_input(im, n, i);
    if (v != NULL && v->kind == VALUE_ACTIVATION && v->activated->indices) return import_shift_indices(im, n, i);
    return import_raises(im, n, 1 - i) ? STATUS_OK : import_scale(im, n);
}

/* Of one cell, whose channels lie along the same dimension as the other's. */
static bool is_cell_of(const Activated *cell, const Activated *a)
{
    if (cell->size.h != 1 || cell->size.w != 1 || cell->size.c != a->size.c || cell->view.rank != a->view.rank)
        return false;
    for (int i = 0; i < a->view.rank; i++) {
        const ViewDim *d = &cell->view.dim[i], *e = &a->view.dim[i];
        if (d->n > 0 && (d->n != 1 || e->n != 1 || d->axis[0] != e->axis[0])) return false;
    }
    return true;
}

static Status multiply_activations(Import *im, const ImportNode *n)
{
    Activated a[2];
    int layer;
    for (int i = 0; i < 2; i++) TRY(import_unfinished(im, n, i, &a[i]));
    if (import_gated(im, n, a)) return STATUS_OK;
    for (int i = 0; i < 2; i++) TRY(import_settled(im, n, i, &a[i]));
    const Extent x = a[0].size, y = a[1].size;
    const bool same = x.h == y.h && x.w == y.w && x.c == y.c && view_equal(&a[0].view, &a[1].view);
    if (!same && !is_cell_of(&a[0], &a[1]) && !is_cell_of(&a[1], &a[0]))
        return UNSUPPORTED(im, n,
                           "%d x %d x %d by %d x %d x %d (rows, columns, channels); must be of one shape, or one of "
                           "them one cell of the other's channels",
                           x.h, x.w, x.c, y.h, y.w, y.c);
    if (!same && is_cell_of(&a[0], &a[1])) {
        const Activated cell = a[0];
        a[0] = a[1], a[1] = cell;
    }
    TRY(import_layer(im, n, IMPORT_MULTIPLY, 2, a, &layer));
    const Activated product = import_layer_output(im, n, layer, &a[0].view);
    import_set_activation(im, n, &product);
    return STATUS_OK;
}

Status import_multiply(Import *im, const ImportNode *n)
{
    if (!is_constant(im, n, 0) && !is_constant(im, n, 1)) return multiply_activations(im, n);
    return import_scale(im, n);
}

/* x + c, x - c, x c, x / c with a constant c; the sum and the product also the other way round. */
Status import_scale(Import *im, const ImportNode *n)
{
    Activated a;
    float *numbers;
    const char op = n->proto->op_type[0]; /* A, S, M, D */
    const int constant = is_constant(im, n, 0) && (op == 'A' || op == 'M') ? 0 : 1;
    if (import_takes_factor(im, n, constant)) return STATUS_OK;
    TRY(import_settled(im, n, 1 - constant, &a));
    ImportLayer *open = open_weights(im, &a);
    if (im->quantized && op == 'A' && open != NULL && open->bias == NULL && open->bias_codes == NULL) {
        import_set_activation(im, n, &a);
        return import_bias(im, n, constant, 1.0f, open);
    }
    TRY(channel_numbers(im, n, constant, &a, &numbers));
    for (int k = 0; k < a.size.c; k++) {
        if (op == 'S') numbers[k] = -numbers[k];
        if (op == 'D') numbers[k] = 1.0f / numbers[k];
        if (!isfinite(numbers[k])) return UNSUPPORTED(im, n, "a constant of 0; must be another");
    }
    const bool shift = op == 'A' || op == 'S';
    return scale_and_shift(im, n, &a, shift ? NULL : numbers, shift ? numbers : NULL);
}

/* ---- BatchNormalization ------------------------------------------------------------------------------------------ */

static Status read_row(Import *im, const ImportNode *n, int input, int channels, float **row)
{
    Constant *c;
    const float *from;
    TRY(import_constant(im, n, input, &c));
    if (c->tensor.count != channels)
        return MALFORMED(im, n, "input %d: %lld numbers; must be one for each of %d channels", input,
                         (long long)c->tensor.count, channels);
    TRY(import_floats(im, n, c, &from));
    *row = import_alloc(im, sizeof(float) * (size_t)channels);
    if (*row == NULL) return import_at(im, n, STATUS_NOMEM);
    memcpy(*row, from, sizeof(float) * (size_t)channels);
    return STATUS_OK;
}

Status import_batch_norm(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_activation(im, n, 0, &a));
    if (a.view.rank == 4) TRY(import_nchw(im, n, 0, &a));
    TRY(import_settled(im, n, 0, &a));
    const ViewDim *d = &a.view.dim[1];
    if (a.view.rank < 2 || d->n != (a.size.c > 1) || (d->n == 1 && d->axis[0] != AXIS_C))
        return UNSUPPORTED(im, n, "dimension 1 of its input is not the channels of a layer; must be");
    ImportLayer *l = open_weights(im, &a);
    if (l == NULL || l->gamma != NULL || im->quantized) {
        int layer;
        if (im->quantized) return UNSUPPORTED(im, n, "in a model with integers; must be folded into the convolution");
        TRY(import_scale_layer(im, n, &a, NULL, NULL, &layer));
        l = &im->layer[layer];
        a = import_layer_output(im, n, layer, &a.view);
    }
    const int channels = a.size.c;
    TRY(read_row(im, n, 1, channels, &l->gamma));
    TRY(read_row(im, n, 2, channels, &l->beta));
    TRY(read_row(im, n, 3, channels, &l->mean));
    TRY(read_row(im, n, 4, channels, &l->variance));
    l->epsilon = onnx_attribute_float(n->proto, "epsilon", 1e-5f);
    l->momentum = onnx_attribute_float(n->proto, "momentum", 0.9f);
    for (int c = 0; c < channels; c++) {
        if (!(l->variance[c] >= 0.0f))
            return MALFORMED(im, n, "variance[%d]: %g; must be 0 or more", c, (double)l->variance[c]);
        if (l->bias != NULL) l->mean[c] -= l->bias[c]; /* batch norm subtracts the mean of what has the bias */
    }
    l->bias = NULL;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

/* ---- Concat, Softmax --------------------------------------------------------------------------------------------- */

Status import_concat(Import *im, const ImportNode *n)
{
    Activated a[LAYER_MAX_INPUTS];
    int layer;
    if (n->inputs > LAYER_MAX_INPUTS)
        return UNSUPPORTED(im, n, "%d inputs; must be at most %d", n->inputs, LAYER_MAX_INPUTS);
    if (n->inputs == 1) return import_same(im, n);
    for (int i = 0; i < n->inputs; i++) TRY(import_settled(im, n, i, &a[i]));
    View view = a[0].view;
    const int64_t axis = onnx_attribute_int(n->proto, "axis", 1), at = axis < 0 ? axis + view.rank : axis;
    int channels = 0;
    for (int i = 0; i < n->inputs; i++) {
        const View *v = &a[i].view;
        bool fits = at >= 1 && at < view.rank && v->rank == view.rank && a[i].size.h == a[0].size.h &&
                    a[i].size.w == a[0].size.w;
        for (int k = 0; k < view.rank && fits; k++) {
            const ViewDim *d = &v->dim[k];
            if (k == at)
                fits = d->n == (a[i].size.c > 1) && (d->n == 0 || d->axis[0] == AXIS_C);
            else
                fits = d->n == view.dim[k].n && (d->n == 0 || d->axis[0] == view.dim[k].axis[0]) && d->n <= 1;
        }
        if (!fits)
            return UNSUPPORTED(im, n, "axis: %lld, input %d: not the channels of maps of one size; must be",
                               (long long)axis, i);
        channels += a[i].size.c;
        if (channels > GRAPH_TENSOR_MAX_DIM)
            return UNSUPPORTED(im, n, "%d channels; at most %d", channels, GRAPH_TENSOR_MAX_DIM);
    }
    TRY(import_layer(im, n, IMPORT_CONCAT, n->inputs, a, &layer));
    im->layer[layer].out.c = channels;
    view.dim[at] = (ViewDim){1, {AXIS_C}};
    const Activated y = import_layer_output(im, n, layer, &view);
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* At the end it changes no answer: left out. */
Status import_softmax(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_plain(im, n, 0, &a));
    const int64_t axis = onnx_attribute_int(n->proto, "axis", im->opset < 13 ? 1 : -1);
    const int64_t at = axis < 0 ? axis + a.view.rank : axis;
    const long row = (long)a.size.h * a.size.w * a.size.c;
    if (a.source == THE_IMAGE || at < 1 || at >= a.view.rank || view_length(&a.view, a.size, (int)at) != row)
        return UNSUPPORTED(im, n, "axis: %lld; must be that of the classes, behind the last layer", (long long)axis);
    a.probabilities = true;
    import_set_activation(im, n, &a);
    import_note(im, "%s at the end is left out: the model gives logits", n->proto->op_type);
    return STATUS_OK;
}
