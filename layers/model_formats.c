#include "layers/model_formats.h"

#include "quant/format_ops.h"

static Format format_of(const Model *m, int source) { return source < 0 ? FORMAT_INT8 : m->layer[source].out_format; }

static Status check_curve(const Layer *l, const char *where)
{
    const CurveType *curve = l->type->real == NULL ? NULL : l->type->real(l).curve;
    if (curve == NULL || !l->in_floats) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "%s: layer \"%s\": format \"%s\" with the curve %s, which is a table of codes; int8 is required",
                       where, layer_given_name(l), format_names[l->out_format], curve->name);
}

Status model_set_formats(Model *m, const QuantConfig *quant, const QuantPlace *place, const char *where)
{
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        l->out_format = l->type->keeps_grid ? format_of(m, l->input[0]) : quant_activation_format(quant, place[i]);
        l->weight_format = l->type->has_weights ? quant_weight_format(quant, place[i]) : FORMAT_INT8;
        l->in_floats = format_is_float(l->out_format) || format_is_float(l->weight_format);
        if (l->in_floats) l->norm_deferred = false;
        TRY(check_curve(l, where));
    }
    for (int i = 0; i < m->layers; i++)
        for (int k = 0; k < m->layer[i].inputs && !m->layer[i].in_floats; k++) {
            const int from = m->layer[i].input[k];
            if (format_is_float(format_of(m, from))) m->layer[from].feeds_codes = true;
        }
    return STATUS_OK;
}

Status model_quantize_floats(Layer *l, LayerBuilder *b, const Model *m)
{
    if (l->type->keeps_grid) l->out_signed = l->input[0] < 0 || m->layer[l->input[0]].out_signed;
    return l->feeds_codes && l->out_q == NULL ? layer_output_quantizer(l, b, l->out_signed) : STATUS_OK;
}

Tensor *model_input(Model *m, Tape *t, const ForwardMode *mode, const Layer *l, int source)
{
    Tensor *x = source < 0 ? m->image : m->out[source], **other = &m->converted[source + 1];
    if (mode->arithmetic == ARITHMETIC_FLOAT || x == NULL || l->in_floats == (x->codes == NULL)) return x;
    if (*other != NULL) return *other;
    if (l->in_floats) return *other = op_dequantize(t, x);
    Quantizer *q = m->layer[source].out_q;
    if (mode->arithmetic == ARITHMETIC_INT) return *other = op_quantize(t, x, q, mode->rounding);
    return *other = op_fake_quant(t, x, q, activation_from(0), mode->observe);
}

Tensor *model_run_layer(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    if (mode->arithmetic == ARITHMETIC_FLOAT || !l->in_floats) {
        Tensor *y = l->type->forward(l, mode, t, x);
        return l->type->keeps_grid && l->out_q != NULL ? layer_observe(l, mode, t, y) : y;
    }
    ForwardMode floats = *mode;
    floats.arithmetic = ARITHMETIC_FLOAT, floats.observe = false, floats.in_floats = true;
    floats.deployed = mode->arithmetic == ARITHMETIC_INT;
    Tensor *y = l->type->forward(l, &floats, t, x);
    if (tape_failed(t)) return NULL;
    if (format_is_float(l->out_format)) return op_round(t, y, l->out_format);
    if (floats.deployed) return op_quantize(t, y, l->out_q, mode->rounding);
    return op_fake_quant(t, y, l->out_q, activation_from(0), mode->observe);
}
