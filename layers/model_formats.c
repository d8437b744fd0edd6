#include "layers/model_formats.h"

#include "layers/layer_wide.h"
#include "quant/format_ops.h"
#include "quant/wide_ops.h"

static Format format_of(const Model *m, int source) { return source < 0 ? FORMAT_INT8 : m->layer[source].out_format; }

static Status check_curve(const Layer *l, const char *where)
{
    const CurveType *curve = l->type->real == NULL ? NULL : l->type->real(l).curve;
    if (curve == NULL || l->out_format != FORMAT_INT16) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "%s: layer \"%s\": format \"int16\" with the curve %s, which is a table of 256 codes; int8 or a "
                       "float format is required",
                       where, layer_given_name(l), curve->name);
}

/* A layer in integers that reads `from`: what has to be made of its output for that. */
static void mark_feeding(Layer *from, const Layer *reader)
{
    const bool floats = format_is_float(from->out_format), wide = layer_is_wide(reader);
    if (floats && !wide)
        from->feeds_codes = true;
    else if (floats || (from->out_format == FORMAT_INT16 && !wide))
        from->feeds_other = true;
}

static const char no_weights[] = "no weights; must be a convolution or a dense layer";

/* What keeps the sums of a layer from being the network's output; NULL: nothing. */
static const char *why_no_sums(const Model *m, const Layer *l, const QuantOverride *o)
{
    if (l->curve_of != NULL) return "an activation that is a curve; must have none";
    if (!l->type->has_weights || l->type->looks_up) return no_weights;
    if (l->in_floats) return "arithmetic in floats; must compute in int8";
    if (!layer_gives_sums(l)) return "an override to 16 bits; must have one of the two";
    if (l->type->real(l).act.relu) return "an activation; must have none";
    if (l->input[0] >= 0 && m->layer[l->input[0]].out_format == FORMAT_INT16)
        return "an input of int16 codes; must read int8 codes";
    return quant_override_is_per_channel(o) ? "an override to granularity \"per_channel\"; must have one scale" : NULL;
}

static Status check_sums(const Model *m, const QuantConfig *quant, const QuantPlace *place, const char *where)
{
    for (int i = 0; i < m->layers && quant_output_is_sums(quant); i++) {
        const Layer *l = &m->layer[i];
        const bool keeps = l->type->keeps_grid && !l->type->shows_input && layer_gives_sums(l);
        if (!keeps && !place[i].is_output) continue;
        const char *why = keeps ? no_weights : why_no_sums(m, l, quant_override(quant, place[i].name));
        if (why != NULL)
            return status_fail(STATUS_CONFIG, "%s: layer \"%s\": the last, for quant.output_bits 32, with %s", where,
                               layer_given_name(l), why);
    }
    return STATUS_OK;
}

/* Its table is codes, which are its outputs. */
static Status set_table_formats(Layer *l, const char *where)
{
    if (format_is_float(l->weight_format))
        return status_fail(STATUS_CONFIG,
                           "%s: layer \"%s\": weights in format \"%s\"; a table (%s) has weights of 2 to 8 bits: an "
                           "override of this layer with \"weight_format\" is required",
                           where, l->name, format_names[l->weight_format], l->type->name);
    l->out_format = FORMAT_INT8;
    l->in_floats = l->input_dynamic = false;
    return STATUS_OK;
}

Status model_set_formats(Model *m, const QuantConfig *quant, const QuantPlace *place, const char *where)
{
    bool wide = false;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        l->out_format = l->type->keeps_grid ? format_of(m, l->input[0]) : quant_activation_format(quant, place[i]);
        l->weight_format = l->type->has_weights ? quant_weight_format(quant, place[i]) : FORMAT_INT8;
        l->in_floats = format_is_float(l->out_format) || format_is_float(l->weight_format);
        l->input_dynamic = l->type->has_weights && !format_is_float(l->weight_format) &&
                           quant_scheme(quant, quant_override(quant, place[i].name)) == SCHEME_DYNAMIC;
        if (l->type->looks_up) TRY(set_table_formats(l, where));
        if (l->in_floats || layer_gives_sums(l)) l->norm_deferred = false;
        wide |= l->out_format == FORMAT_INT16;
        TRY(check_curve(l, where));
    }
    TRY(check_sums(m, quant, place, where));
    for (int i = 0; i < m->layers; i++) {
        if (wide) m->layer[i].norm_deferred = false;
        for (int k = 0; k < m->layer[i].inputs && !m->layer[i].in_floats; k++)
            if (m->layer[i].input[k] >= 0) mark_feeding(&m->layer[m->layer[i].input[k]], &m->layer[i]);
    }
    return STATUS_OK;
}

static Status check_wide_quantizer(const Layer *l)
{
    const Quantizer *q = l->out_q;
    if (q == NULL || q->qp.bits != QUANT_WIDE_BITS || (q->params == 0 && quantizer_is_fused(q))) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "quantizer \"%s\" for an output of 16 bits; \"observed\", or 8 bits, is required",
                       q->type->name);
}

Status model_other_quantizers(Layer *l, LayerBuilder *b, const Model *m)
{
    if (l->type->keeps_grid) l->out_signed = l->input[0] < 0 || m->layer[l->input[0]].out_signed;
    if (l->feeds_codes && l->out_q == NULL) TRY(layer_output_quantizer(l, b, l->out_signed));
    TRY(check_wide_quantizer(l));
    return layer_other_quantizer(l, b);
}

static Tensor *floats_to_codes(Tape *t, const ForwardMode *mode, Tensor *x, Quantizer *q)
{
    if (mode->arithmetic == ARITHMETIC_INT) return op_quantize(t, x, q, mode->rounding);
    return op_fake_quant(t, x, q, activation_from(0), mode->observe);
}

static Tensor *floats_to_wide(Tape *t, const ForwardMode *mode, Tensor *x, Quantizer *q)
{
    return mode->arithmetic == ARITHMETIC_INT ? op_wide_quantize(t, x, q) : op_wide(t, x, q, mode->observe);
}

typedef enum { FORM_CODES, FORM_WIDE, FORM_FLOATS } Form;

Tensor *model_input(Model *m, Tape *t, const ForwardMode *mode, const Layer *l, int source)
{
    Tensor *x = source < 0 ? m->image : m->out[source];
    if (mode->arithmetic == ARITHMETIC_FLOAT || x == NULL) return x;
    if (source >= 0 && layer_gives_sums(&m->layer[source])) return x; /* to be shown in another shape */
    const Form is = x->codes != NULL ? FORM_CODES : x->wide != NULL ? FORM_WIDE : FORM_FLOATS;
    const Form reads = l->in_floats ? FORM_FLOATS : layer_is_wide(l) ? FORM_WIDE : FORM_CODES;
    if (is == reads || (is == FORM_WIDE && reads == FORM_FLOATS))
        return x; /* int16 codes have their values with them */
    Tensor **other = reads == FORM_WIDE ? &m->widened[source + 1] : &m->converted[source + 1];
    if (*other != NULL) return *other;
    if (reads == FORM_FLOATS) return *other = op_dequantize(t, x);
    if (is == FORM_CODES) return *other = op_widen(t, x);
    const Layer *from = &m->layer[source];
    if (reads == FORM_WIDE) return *other = floats_to_wide(t, mode, x, from->other_q);
    if (is == FORM_FLOATS) return *other = floats_to_codes(t, mode, x, from->out_q);
    if (mode->arithmetic == ARITHMETIC_INT) return *other = op_narrow(t, x, from->other_q, mode->rounding);
    return *other = op_fake_quant(t, x, from->other_q, activation_from(0), mode->observe);
}

Tensor *model_run_layer(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    if (layer_gives_sums(l) && l->weight != NULL && mode->arithmetic == ARITHMETIC_INT) {
        Tensor *y = t->grad ? l->type->forward(l, mode, t, x) : NULL;
        return tape_failed(t) ? NULL : layer_run_sums(l, mode, t, x, y);
    }
    if (mode->arithmetic == ARITHMETIC_FLOAT || (!l->in_floats && !layer_is_wide(l))) {
        Tensor *y = l->type->forward(l, mode, t, x);
        return l->type->keeps_grid ? layer_observe(l, mode, t, y) : y;
    }
    if (layer_is_wide(l) && mode->arithmetic == ARITHMETIC_INT && !t->grad) return layer_run_wide(l, mode, t, x, NULL);
    ForwardMode floats = *mode;
    floats.arithmetic = ARITHMETIC_FLOAT, floats.observe = false, floats.in_floats = true;
    floats.deployed = mode->arithmetic == ARITHMETIC_INT;
    Tensor *y = l->type->forward(l, &floats, t, x);
    if (tape_failed(t)) return NULL;
    if (format_is_float(l->out_format)) return op_round(t, y, l->out_format);
    if (layer_is_wide(l)) {
        y = l->out_q == NULL ? op_wide_on(t, y, x[0]->qp) : op_wide(t, y, l->out_q, mode->observe);
        return y != NULL && floats.deployed ? layer_run_wide(l, mode, t, x, y) : y;
    }
    return l->out_format == FORMAT_INT16 ? floats_to_wide(t, mode, y, l->out_q) : floats_to_codes(t, mode, y, l->out_q);
}
