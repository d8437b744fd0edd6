/* Quantizers that no config names: each takes a way through the operations that no registered one may take. */
#ifndef BITFOLD_TESTS_SUPPORT_PLAIN_QUANTIZERS_H
#define BITFOLD_TESTS_SUPPORT_PLAIN_QUANTIZERS_H

#include "quant/quantizer_type.h"

/* A type and the registered one whose parameters and calls it has but for those that it replaces. */
typedef struct {
    const char *of;
    QuantizerType type;
} PlainQuantizer;

/* observed and lsq with a `backward` of their own that does what the gate does; observed with a derivative that falls
 * from 1 at 0 to 1/2 at the bound; and for weights alone, three codes of all. */
enum { PLAIN_QUANTIZERS = 4 };
void plain_quantizers(PlainQuantizer all[PLAIN_QUANTIZERS]);

#endif
