/* Dynamic grids beside bits and formats that they cannot have. */
#ifndef BITFOLD_QUANT_SCHEME_CHECK_H
#define BITFOLD_QUANT_SCHEME_CHECK_H

#include "quant/quant_config.h"

/* STATUS_CONFIG where a dynamic scheme stands in one place with bits or a format of integers for activations, or with a
 * float format for weights. */
Status quant_check_schemes(const QuantConfig *c);

#endif
