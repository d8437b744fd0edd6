/* Formats and bits of one place that contradict each other, or are none. */
#include <stdio.h>

#include "quant/quant_config.h"

static Status check_width(const char *where, const char *key, int bits)
{
    if (bits <= QUANT_MAX_BITS || bits == QUANT_WIDE_BITS) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s.%s: %d; must be 1 to 8, or 16", where, key, bits);
}

static Status check_weight_format(const char *where, const char *key, int choice)
{
    if (quant_bits(choice, 0) != QUANT_WIDE_BITS) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "%s.%s: \"int16\"; weights have at most 8 bits, or are floats: int2 to int8 or a "
                       "float format is required",
                       where, key);
}

/* bits 0: not given; else `usual` may be a default that nobody gave. */
static Status check_format(const char *where, int choice, const char *key, int bits, int usual)
{
    if (choice == 0 || bits == 0 || bits == usual || bits == quant_bits(choice, 0)) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s.%s: %d beside format \"%s\"; leave one of them out", where, key, bits,
                       format_choices[choice]);
}

Status quant_check_formats(const QuantConfig *c)
{
    TRY(check_weight_format("quant.weights", "format", c->weights.format));
    TRY(check_width("quant.activations", "bits", c->activations.bits));
    if (c->output_bits != 0 && c->output_bits != QUANT_MAX_BITS && c->output_bits != QUANT_WIDE_BITS &&
        !quant_output_is_sums(c))
        return status_fail(STATUS_CONFIG, "quant.output_bits: %d; must be 8, 16 or 32, or 0", c->output_bits);
    TRY(check_format("quant.weights", c->weights.format, "bits", c->weights.bits, 8));
    TRY(check_format("quant.activations", c->activations.format, "bits", c->activations.bits, 8));
    for (int i = 0; i < c->overrides.n; i++) {
        const QuantOverride *o = &((const QuantOverride *)c->overrides.at)[i];
        char where[48];
        snprintf(where, sizeof where, "quant.overrides[%d]", i);
        TRY(check_weight_format(where, "weight_format", o->weight_format));
        TRY(check_width(where, "activation_bits", o->activation_bits));
        TRY(check_format(where, quant_weight_choice(o), "weight_bits", o->weight_bits, 0));
        TRY(check_format(where, quant_activation_choice(o), "activation_bits", o->activation_bits, 0));
    }
    return STATUS_OK;
}
