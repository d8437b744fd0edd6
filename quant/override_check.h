/* Overrides that would do nothing, or not what they say. */
#ifndef BITFOLD_QUANT_OVERRIDE_CHECK_H
#define BITFOLD_QUANT_OVERRIDE_CHECK_H

#include "quant/quant_config.h"

/* What a layer has that an override can set. */
typedef struct {
    const char *name;
    bool has_weights;
    bool has_grid;     /* a quantizer for its output */
    bool keeps_format; /* its output is written down as its input is */
} OverriddenLayer;

/* STATUS_CONFIG where quant_check_formats or quant_check_schemes says so, and for an override without effect: one that matches no layer (with
 * the nearest name), that later ones hide, or that sets what none of its layers has: weights, a format, a grid, the
 * keys of a quantizer. */
Status quant_check_overrides(Arena *arena, const QuantConfig *c, int layers, const OverriddenLayer *layer);

#endif
