/* QuantizeLinear and DequantizeLinear of activations: the grids of an integer model. */
#include <math.h>

#include "deploy/onnx/import_onnx_graph.h"

/* One scale and zero point for the tensor, inputs 1 and 2; uint8 shifted to int8. */
static Status read_grid(Import *im, const ImportNode *n, OnnxDataType type_if_missing, ImportGrid *g,
                        OnnxDataType *type)
{
    Constant *c = NULL;
    const int64_t *zero = NULL;
    TRY(import_scalar(im, n, 1, &g->scale));
    *type = type_if_missing;
    if (import_input(im, n, 2) != NULL) {
        TRY(import_constant(im, n, 2, &c));
        if (c->tensor.count != 1)
            return UNSUPPORTED(im, n, "%lld zero points; must be one", (long long)c->tensor.count);
        TRY(import_at(im, n, onnx_tensor_ints(im->arena, &c->tensor, &zero)));
        *type = c->tensor.type;
    }
    if (*type != ONNX_INT8 && *type != ONNX_UINT8)
        return UNSUPPORTED(im, n, "codes of data type %d; must be int8 or uint8", *type);
    if (!isfinite(g->scale) || g->scale <= 0.0f)
        return MALFORMED(im, n, "scale: %g; must be finite and above 0", (double)g->scale);
    g->zero_point = (int)(zero == NULL ? 0 : *zero) - (*type == ONNX_UINT8 ? 128 : 0);
    g->qmin = -128;
    g->qmax = 127;
    return STATUS_OK;
}

static bool same_grid(const ImportGrid *a, const ImportGrid *b)
{
    return a->scale == b->scale && a->zero_point == b->zero_point;
}

static Status give_codes(const Import *im, const ImportNode *n, Activated *a, OnnxDataType type)
{
    a->codes = a->on_grid = true;
    a->unsigned_codes = type == ONNX_UINT8;
    import_set_activation(im, n, a);
    return STATUS_OK;
}

/* A layer that only changes the grid. */
static Status change_grid(Import *im, const ImportNode *n, const Activated *a, const ImportGrid *g, OnnxDataType type)
{
    int layer;
    Activated x = *a;
    x.on_grid = true;
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, &x, &layer));
    im->layer[layer].has_grid = true;
    im->layer[layer].grid = *g;
    Activated y = import_layer_output(im, n, layer, &a->view);
    return give_codes(im, n, &y, type);
}

Status import_same_grid(Import *im, const ImportNode *n, Activated *a)
{
    const ImportGrid g = *import_grid_of(im, a->source);
    const bool unsigned_codes = a->unsigned_codes;
    int layer;
    if (a->source == THE_IMAGE && !im->image_bound) import_bind_image(im, &a->view);
    TRY(import_plain(im, n, 0, a));
    a->codes = false;
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, a, &layer));
    im->layer[layer].has_grid = true;
    im->layer[layer].grid = g;
    *a = import_layer_output(im, n, layer, &a->view);
    a->codes = a->on_grid = true;
    a->unsigned_codes = unsigned_codes;
    return STATUS_OK;
}

/* A mean of codes stays on their grid.  On another it is a sum with weights of 1, rescaled: rounded once. */
static Status quantize_mean(Import *im, const ImportNode *n, ImportLayer *l, Activated *a, const ImportGrid *g,
                            OnnxDataType type)
{
    const ConvGeom *w = &l->geom;
    const bool same = same_grid(&l->grid, g), padded = (w->pt | w->pb | w->pl | w->pr) != 0;
    if (same || padded) {
        l->has_grid = true;
        if (same) return give_codes(im, n, a, type);
        import_note(im,
                    "%s: its mean is rounded on the grid of its input, then taken to the next; where the file was "
                    "made it may be rounded once",
                    l->node);
        return change_grid(im, n, a, g, type);
    }
    TRY(import_mean_layer(im, n, l));
    l->has_grid = true;
    l->grid = *g;
    return give_codes(im, n, a, type);
}

static Status quantize_image(Import *im, const ImportNode *n, Activated *a, const ImportGrid *g, OnnxDataType type)
{
    if (im->image_has_grid && !same_grid(&im->image_grid, g))
        return UNSUPPORTED(im, n, "the image is quantized twice, to different grids; must be one");
    if (!im->image_has_grid) im->image_grid = *g;
    im->image_has_grid = true;
    return give_codes(im, n, a, type);
}

Status import_quantize(Import *im, const ImportNode *n)
{
    Activated a;
    ImportGrid g;
    OnnxDataType type;
    TRY(import_activation(im, n, 0, &a));
    if (a.probabilities) return import_same(im, n);
    TRY(read_grid(im, n, ONNX_UINT8, &g, &type));
    if (a.codes) return UNSUPPORTED(im, n, "input 0: is int8 or uint8; must be float");
    if (a.source == THE_IMAGE) return quantize_image(im, n, &a, &g, type);
    ImportLayer *l = &im->layer[a.source];
    if (a.on_grid || l->has_grid) {
        if (same_grid(&l->grid, &g)) return give_codes(im, n, &a, type);
        if (!a.on_grid) return UNSUPPORTED(im, n, "%s is quantized twice, to different grids; must be one", l->node);
        TRY(import_plain(im, n, 0, &a));
        return change_grid(im, n, &a, &g, type);
    }
    if (l->kind == IMPORT_AVGPOOL || l->kind == IMPORT_GLOBAL_AVGPOOL) return quantize_mean(im, n, l, &a, &g, type);
    l->has_grid = true;
    l->grid = g;
    return give_codes(im, n, &a, type);
}

Status import_dequantize(Import *im, const ImportNode *n)
{
    Activated a;
    ImportGrid g;
    OnnxDataType type;
    TRY(import_activation(im, n, 0, &a));
    if (a.probabilities) return import_same(im, n);
    if (!a.codes) return UNSUPPORTED(im, n, "input 0: is float; must be int8 or uint8");
    if (a.source == THE_IMAGE && !a.on_grid) a.unsigned_codes = im->image_type == ONNX_UINT8;
    TRY(read_grid(im, n, a.unsigned_codes ? ONNX_UINT8 : ONNX_INT8, &g, &type));
    if ((type == ONNX_UINT8) != a.unsigned_codes)
        return MALFORMED(im, n, "a zero point of another type than its codes; must be the same");
    if (a.source == THE_IMAGE && !im->image_has_grid) {
        im->image_grid = g;
        im->image_has_grid = true;
    }
    if (a.source != THE_IMAGE && im->layer[a.source].table != NULL && !im->layer[a.source].has_grid) {
        im->layer[a.source].grid = g;
        im->layer[a.source].has_grid = true;
    }
    const ImportGrid *has = import_grid_of(im, a.source);
    if (!same_grid(has, &g))
        return UNSUPPORTED(im, n, "scale %.9g, zero point %d of codes made with %.9g, %d; must be the same",
                           (double)g.scale, g.zero_point, (double)has->scale, has->zero_point);
    a.codes = false;
    a.on_grid = true;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}
