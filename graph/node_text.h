/* The JSON of a node (docs/format.md): the members that nodes can have.  Each type's table names its own. */
#ifndef BITFOLD_GRAPH_NODE_TEXT_H
#define BITFOLD_GRAPH_NODE_TEXT_H

#include <stddef.h>

#include "graph/node_float.h"
#include "kernels/requant_dynamic.h"

struct NodeText {
    const char *op, *name;
    StringList inputs;
    IntList kernel, stride, dilation, padding, clamp;
    int groups, weight_bits, weight_shift;
    IntList weight_levels;
    int input_bits; /* 0: not given */
    int weight_group;
    bool weight_affine;
    int weight_format, activation, curve; /* Format; of node_activation_names; of curve_names */
};

#define NODE_MEMBER(member, kind) .name = #member, .type = kind, .offset = offsetof(NodeText, member), .required = true
#define NODE_INT(member) NODE_MEMBER(member, FIELD_INT)
#define NODE_INTS(member, count) NODE_MEMBER(member, FIELD_INTS), .min_count = count, .max_count = count

/* Every table begins with it. */
#define NODE_FIELDS                                                                                                    \
    {NODE_MEMBER(op, FIELD_STRING)}, {NODE_MEMBER(name, FIELD_STRING), .max = GRAPH_TENSOR_MAX_NAME_BYTES},            \
    {                                                                                                                  \
        NODE_MEMBER(inputs, FIELD_STRINGS), .min_count = 1, .max_count = NODE_MAX_INPUTS                               \
    }
#define NODE_KERNEL NODE_INTS(kernel, 2), .min = 1, .max = NODE_MAX_EXTENT
#define NODE_STRIDE NODE_INTS(stride, 2), .min = 1, .max = NODE_MAX_EXTENT
#define NODE_DILATION NODE_INTS(dilation, 2), .min = 1, .max = NODE_MAX_EXTENT
#define NODE_PADDING NODE_INTS(padding, 4), .min = 0, .max = NODE_MAX_EXTENT
#define NODE_GROUPS NODE_INT(groups), .min = 1, .max = GRAPH_TENSOR_MAX_DIM
#define NODE_WEIGHT_BITS NODE_INT(weight_bits), .min = 2, .max = 8
#define NODE_WEIGHT_SHIFT NODE_INT(weight_shift), .min = 0, .max = 6
#define NODE_WEIGHT_LEVELS                                                                                             \
    .name = "weight_levels", .type = FIELD_INTS, .offset = offsetof(NodeText, weight_levels), .min = -128, .max = 127, \
    .min_count = 1, .max_count = 256
#define NODE_WEIGHT_GROUP                                                                                              \
    .name = "weight_group", .type = FIELD_INT, .offset = offsetof(NodeText, weight_group), .min = 1, .max = 1 << 28
#define NODE_WEIGHT_AFFINE .name = "weight_affine", .type = FIELD_BOOL, .offset = offsetof(NodeText, weight_affine)
#define NODE_CLAMP NODE_INTS(clamp, 2), .min = -INT32_MAX, .max = INT32_MAX
/* Of nodes in floats. */
#define NODE_WEIGHT_FORMAT NODE_MEMBER(weight_format, FIELD_ENUM), .names = format_names
#define NODE_FLOAT_WEIGHT_BITS                                                                                         \
    .name = "weight_bits", .type = FIELD_INT, .offset = offsetof(NodeText, weight_bits), .min = 2, .max = 8
#define NODE_INPUT_BITS                                                                                                \
    .name = "input_bits", .type = FIELD_INT, .offset = offsetof(NodeText, input_bits), .min = DYNAMIC_BITS,            \
    .max = DYNAMIC_BITS
#define NODE_ACTIVATION NODE_MEMBER(activation, FIELD_ENUM), .names = node_activation_names
#define NODE_CURVE NODE_MEMBER(curve, FIELD_ENUM), .names = curve_names

#endif
