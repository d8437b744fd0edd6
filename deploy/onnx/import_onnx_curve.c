/* Sigmoid, Tanh, HardSigmoid, HardSwish, and products of a value with its own gate: curves.  Each becomes a layer; where
 * all layers are known, one that alone reads a layer without an activation becomes that layer's. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

static Status curve_layer(Import *im, const ImportNode *n, int index)
{
    Activated a;
    int layer;
    TRY(import_settled(im, n, 0, &a));
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, &a, &layer));
    im->layer[layer].activation = ACTIVATION_FIRST_CURVE + index;
    const Activated y = import_layer_output(im, n, layer, &a.view);
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

Status import_hard_swish(Import *im, const ImportNode *n) { return curve_layer(im, n, CURVE_INDEX_hard_swish); }

static const struct {
    const char *op;
    int index;
} curves[] = {
#define ONNX_CURVE(curve, operator, attributes) {operator, CURVE_INDEX_##curve },
#define ONNX_PRODUCT(curve, gate)
#include "deploy/onnx/onnx_curves.def"
#undef ONNX_CURVE
#undef ONNX_PRODUCT
};

Status import_curve(Import *im, const ImportNode *n)
{
    int i = 0;
    while (strcmp(curves[i].op, n->proto->op_type) != 0) i++; /* it is in the list of operators by one of these rows */
    if (curves[i].index != CURVE_INDEX_hard_sigmoid) return curve_layer(im, n, curves[i].index);
    const float alpha = onnx_attribute_float(n->proto, "alpha", 0.2f);
    const float beta = onnx_attribute_float(n->proto, "beta", 0.5f);
    if (!(fabsf(alpha - 1.0f / 6.0f) < 1e-5f) || beta != 0.5f)
        return UNSUPPORTED(im, n, "alpha: %g, beta: %g; must be 1/6 and 0.5, as of hard_sigmoid", (double)alpha,
                           (double)beta);
    return curve_layer(im, n, CURVE_INDEX_hard_sigmoid);
}

static const struct {
    int gate, product;
} products[] = {
#define ONNX_CURVE(curve, operator, attributes)
#define ONNX_PRODUCT(curve, gate) {CURVE_INDEX_##gate, CURVE_INDEX_##curve},
#include "deploy/onnx/onnx_curves.def"
#undef ONNX_CURVE
#undef ONNX_PRODUCT
};

/* Which curve x times `gate` is; -1: none, or integers, where the gate has a grid of its own. */
static int product_of(const Import *im, const Activated *x, const Activated *gate)
{
    if (im->quantized || gate->source == THE_IMAGE || !gate->exclusive || x->raise != 0.0f || x->factor != 0.0f)
        return -1;
    const ImportLayer *l = &im->layer[gate->source];
    if (l->kind != IMPORT_ACTIVATION || l->input[0] != x->source || !view_equal(&x->view, &gate->view)) return -1;
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        if (l->activation == ACTIVATION_FIRST_CURVE + products[i].gate) return products[i].product;
    return -1;
}

bool import_gated(Import *im, const ImportNode *n, const Activated a[2])
{
    for (int k = 0; k < 2; k++) {
        const int product = product_of(im, &a[1 - k], &a[k]);
        if (product < 0 || (a[k].factor != 0.0f && !import_before_product(im, n))) continue;
        im->layer[a[k].source].activation = ACTIVATION_FIRST_CURVE + product;
        import_set_activation(im, n, &a[k]);
        return true;
    }
    return false;
}

/* ---- tables: codes as int32, from 0 up, by which a Gather chooses ------------------------------------------------- */

Status import_cast(Import *im, const ImportNode *n)
{
    Activated a;
    TRY(import_activation(im, n, 0, &a));
    const bool to_integers = onnx_attribute_int(n->proto, "to", 0) == ONNX_INT32;
    if (!to_integers && a.codes) return UNSUPPORTED(im, n, "of codes; must be DequantizeLinear, which has their scale");
    if (to_integers && !(a.codes && a.on_grid))
        return UNSUPPORTED(im, n, "to: 6 (int32); must be of codes after QuantizeLinear");
    if (!to_integers) return import_same(im, n);
    a.indices = true;
    a.shift = a.unsigned_codes ? 128 : 0;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

Status import_shift_indices(Import *im, const ImportNode *n, int i)
{
    Activated a;
    float by;
    TRY(import_activation(im, n, i, &a));
    TRY(import_scalar(im, n, 1 - i, &by));
    if (!(fabsf(by) <= 256.0f))
        return UNSUPPORTED(im, n, "%g added to codes as int32; must be 256 at most", (double)by);
    a.shift += (int)by;
    import_set_activation(im, n, &a);
    return STATUS_OK;
}

/* The table as int8. */
static Status table_of(Import *im, const ImportNode *n, const int8_t **table, bool *is_unsigned)
{
    Constant *c;
    TRY(import_constant(im, n, 0, &c));
    const OnnxTensor *t = &c->tensor;
    *is_unsigned = t->type == ONNX_UINT8;
    if (t->rank != 1 || t->count != 256 || (t->type != ONNX_UINT8 && t->type != ONNX_INT8) || c->scales != 0)
        return UNSUPPORTED(im, n, "from %lld values of data type %d; must be a table of 256 int8 or uint8 codes",
                           (long long)t->count, (int)t->type);
    int8_t *codes = import_alloc(im, 256);
    if (codes == NULL) return import_at(im, n, STATUS_NOMEM);
    for (int i = 0; i < 256; i++)
        codes[i] = (int8_t)(*is_unsigned ? ((const uint8_t *)t->data)[i] - 128 : ((const int8_t *)t->data)[i]);
    *table = codes;
    return STATUS_OK;
}

Status import_gather(Import *im, const ImportNode *n)
{
    Activated a;
    const int8_t *table = NULL;
    bool is_unsigned;
    int layer;
    TRY(import_activation(im, n, 1, &a));
    if (!a.indices || a.shift != 128 || onnx_attribute_int(n->proto, "axis", 0) != 0)
        return UNSUPPORTED(im, n, "of an activation; must choose from a table, by codes as int32 from 0 up");
    TRY(table_of(im, n, &table, &is_unsigned));
    if (a.source == THE_IMAGE && !im->image_bound) import_bind_image(im, &a.view);
    a.indices = a.codes = false;
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, &a, &layer));
    im->layer[layer].table = table;
    Activated y = import_layer_output(im, n, layer, &a.view);
    y.codes = y.on_grid = true;
    y.unsigned_codes = is_unsigned;
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

/* ---- fusion ------------------------------------------------------------------------------------------------------ */

/* Whether a curve can be this layer's activation. */
static bool takes_curve(const ImportLayer *l)
{
    return l->activation == 0 && l->kind != IMPORT_ACTIVATION && import_node_type(l)->clamp == CLAMP_CODES;
}

void import_fuse_curves(Import *im)
{
    int *readers = ARENA_ARRAY(im->arena, int, im->layers), *place = ARENA_ARRAY(im->arena, int, im->layers);
    int kept = 0;
    for (int i = 0; i < im->layers; i++)
        for (int k = 0; k < im->layer[i].inputs; k++)
            if (im->layer[i].input[k] >= 0) readers[im->layer[i].input[k]]++;
    for (int i = 0; i < im->layers; i++) {
        ImportLayer l = im->layer[i];
        const bool curve = l.kind == IMPORT_ACTIVATION && activation_curve(l.activation) != NULL;
        const int from = l.input[0];
        for (int k = 0; k < l.inputs; k++)
            if (l.input[k] >= 0) l.input[k] = place[l.input[k]];
        if (curve && from >= 0 && readers[from] == 1 && takes_curve(&im->layer[place[from]])) {
            im->layer[place[from]].activation = l.activation;
            place[i] = place[from];
            continue;
        }
        im->layer[kept] = l;
        place[i] = kept++;
    }
    im->layers = kept;
}
