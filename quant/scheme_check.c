#include "quant/scheme_check.h"

#include <stdio.h>

static bool gives_integers(int format, int bits) { return bits > 0 || quant_bits(format, 0) > 0; }

static int output_format(const QuantOverride *o) { return o->activation_format > 0 ? o->activation_format : o->format; }

/* bits 0: not given. */
static Status check_outputs(const char *where, const char *scheme, int format, const char *key, int bits)
{
    if (bits > 0)
        return status_fail(
            STATUS_CONFIG,
            "%s.%s: %d beside %s \"dynamic\", whose grids have 8 bits and are found at run time; leave one "
            "of them out",
            where, key, bits, scheme);
    if (!gives_integers(format, 0)) return STATUS_OK;
    return status_fail(
        STATUS_CONFIG,
        "%s: format \"%s\" beside %s \"dynamic\", which leaves floats; a float format, or none, is required", where,
        format_choices[format], scheme);
}

static Status check_weights(const char *where, const char *scheme, int format)
{
    if (!format_is_float(quant_choice_format(format))) return STATUS_OK;
    return status_fail(
        STATUS_CONFIG,
        "%s: weights in %s beside %s \"dynamic\", whose products are of integers; int2 to int8 is required", where,
        format_choices[format], scheme);
}

Status quant_check_schemes(const QuantConfig *c)
{
    const ActivationQuantConfig *a = &c->activations;
    if (a->scheme == SCHEME_DYNAMIC) {
        TRY(check_outputs("quant.activations", "scheme", a->format, "bits", a->bits == QUANT_MAX_BITS ? 0 : a->bits));
        TRY(check_weights("quant", "activations.scheme", c->weights.format));
    }
    for (int i = 0; i < c->overrides.n; i++) {
        const QuantOverride *o = &((const QuantOverride *)c->overrides.at)[i];
        char where[48];
        if (o->activation_scheme != 1 + SCHEME_DYNAMIC) continue;
        snprintf(where, sizeof where, "quant.overrides[%d]", i);
        TRY(check_outputs(where, "activation_scheme", output_format(o), "activation_bits", o->activation_bits));
        const int own = o->weight_format > 0 ? o->weight_format : o->format;
        TRY(check_weights(where, "activation_scheme", own > 0 || o->weight_bits > 0 ? own : c->weights.format));
    }
    return STATUS_OK;
}
