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

Status import_sigmoid(Import *im, const ImportNode *n) { return curve_layer(im, n, CURVE_INDEX_sigmoid); }
Status import_tanh(Import *im, const ImportNode *n) { return curve_layer(im, n, CURVE_INDEX_tanh); }
Status import_hard_swish(Import *im, const ImportNode *n) { return curve_layer(im, n, CURVE_INDEX_hard_swish); }

Status import_hard_sigmoid(Import *im, const ImportNode *n)
{
    const float alpha = onnx_attribute_float(n->proto, "alpha", 0.2f);
    const float beta = onnx_attribute_float(n->proto, "beta", 0.5f);
    if (!(fabsf(alpha - 1.0f / 6.0f) < 1e-5f) || beta != 0.5f)
        return UNSUPPORTED(im, n, "alpha: %g, beta: %g; must be 1/6 and 0.5, as of hard_sigmoid", (double)alpha,
                           (double)beta);
    return curve_layer(im, n, CURVE_INDEX_hard_sigmoid);
}

static const struct {
    int gate, product;
} products[] = {{CURVE_INDEX_sigmoid, CURVE_INDEX_silu}, {CURVE_INDEX_hard_sigmoid, CURVE_INDEX_hard_swish}};

/* Which curve x times `gate` is; -1: none, or integers, where the gate has a grid of its own. */
static int product_of(const Import *im, const Activated *x, const Activated *gate)
{
    if (im->quantized || gate->source == THE_IMAGE || !gate->exclusive) return -1;
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
        if (product < 0) continue;
        im->layer[a[k].source].activation = ACTIVATION_FIRST_CURVE + product;
        import_set_activation(im, n, &a[k]);
        return true;
    }
    return false;
}

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
