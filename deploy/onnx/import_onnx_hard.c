/* hard_sigmoid and hard_swish in the pieces that networks are written in: x + 3, clipped to 0..6, divided by 6 or multiplied
 * by 1/6, before or after a product with x.  What the clip gives is 6 hard_sigmoid(x), and the 6 is carried along until
 * it is taken away. */
#include <math.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

static const float RAISED_BY = 3.0f, HIGHEST = 6.0f;

/* The node that alone reads what n gives; NULL: none, or several. */
static const ImportNode *only_reader(const Import *im, const ImportNode *n)
{
    const Value *v = import_output(im, n, 0);
    if (v == NULL || v->readers != 1) return NULL;
    for (const ImportNode *m = n + 1; m < im->node + im->nodes; m++)
        for (int i = 0; i < m->inputs; i++)
            if (m->input[i] == n->output[0]) return m;
    return NULL;
}

static bool is(const ImportNode *n, const char *op)
{
    return n != NULL && strcmp(onnx_text(n->proto->op_type), op) == 0;
}

bool import_before_product(const Import *im, const ImportNode *n)
{
    const ImportNode *next = only_reader(im, n);
    return is(next, "Mul") || is(next, "Div");
}

bool import_raises(Import *im, const ImportNode *n, int constant)
{
    Activated a;
    float by;
    if (im->quantized || !is(only_reader(im, n), "Clip")) return false;
    if (import_scalar(im, n, constant, &by) != STATUS_OK || by != RAISED_BY) return false;
    if (import_settled(im, n, 1 - constant, &a) != STATUS_OK) return false;
    a.raise = by;
    import_set_activation(im, n, &a);
    return true;
}

Status import_clip_raised(Import *im, const ImportNode *n, float lo, float hi, bool *taken)
{
    Activated a;
    int layer;
    TRY(import_unfinished(im, n, 0, &a));
    *taken = a.raise != 0.0f && lo == 0.0f && hi == HIGHEST && import_before_product(im, n);
    if (!*taken) return STATUS_OK;
    a.raise = 0.0f;
    TRY(import_layer(im, n, IMPORT_ACTIVATION, 1, &a, &layer));
    im->layer[layer].activation = ACTIVATION_FIRST_CURVE + CURVE_INDEX_hard_sigmoid;
    Activated y = import_layer_output(im, n, layer, &a.view);
    y.factor = HIGHEST;
    import_set_activation(im, n, &y);
    return STATUS_OK;
}

bool import_takes_factor(Import *im, const ImportNode *n, int constant)
{
    Activated a;
    float by;
    const bool division = is(n, "Div");
    if (!division && !is(n, "Mul")) return false;
    if (import_unfinished(im, n, 1 - constant, &a) != STATUS_OK || a.factor == 0.0f) return false;
    if (import_scalar(im, n, constant, &by) != STATUS_OK) return false;
    if (!(fabsf((division ? a.factor / by : a.factor * by) - 1.0f) < 1e-5f)) return false;
    a.factor = 0.0f;
    import_set_activation(im, n, &a);
    return true;
}
