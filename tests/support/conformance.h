/* The graph in which every example of every registered layer is tested.
 *
 *     input 8 x 8 x 4 -+- a       conv2d and ReLU, 8 x 8 x 4: values from 0 up, an unsigned grid
 *                      +- b       conv2d, 8 x 8 x 4: values of both signs
 *                      +- c       dense, 1 x 1 x 4, of both signs: what a layer broadcasts over an image's cells
 *     tested           the example: on the inputs it names, or once on a and once on b
 *     d, e, f          dense, of tested, of a and of b
 *     logits           dense, of d, e, f and c
 *
 * a, b and c are read again after the example, so their gradients are there already when its backward adds to them.
 */
#ifndef BITFOLD_TESTS_SUPPORT_CONFORMANCE_H
#define BITFOLD_TESTS_SUPPORT_CONFORMANCE_H

#include "tests/support/small_model.h"

/* Calls visit with each example of each registered layer, and with the graph around it. */
typedef void LayerVisitor(const LayerType *type, const char *example, const char *model);
void for_each_layer_example(LayerVisitor *visit);

/* The nearest width that the type can have. */
int conformance_bits(const QuantizerType *type, int bits);
/* A number of the type's name: which combinations it is tested in follows from that, and not from what other types
 * there are. */
int conformance_turn(const QuantizerType *type);

/* A quant config for this model in which weights and activations have these bits, the weights as near to them as the
 * quantizer can be, and this quantizer wherever it is for them. */
const char *conformance_quant(Arena *arena, const char *model, const QuantizerType *type, int bits, bool per_tensor);
/* Weights with zero points, groups or both, of few bits; one of some kinds, in turn. */
const char *conformance_split_quant(Arena *arena, int number);

#endif
