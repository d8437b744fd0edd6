/* The geometry keys that convolutions and pools share. */
#ifndef BITFOLD_LAYERS_WINDOW_H
#define BITFOLD_LAYERS_WINDOW_H

#include "layers/layer.h"

typedef struct {
    IntList kernel, stride, dilation; /* one number or [rows, columns] */
    int padding;                      /* PADDING_SAME, ... */
    IntList pads;                     /* [top, bottom, left, right]: explicit, instead of `padding` */
} Window;
enum { PADDING_SAME, PADDING_VALID, PADDING_CAUSAL };
extern const char *const padding_names[]; /* in this order, NULL-ended */

#define WINDOW_KERNEL_FIELD(Config)                                                                                    \
    {                                                                                                                  \
        .name = "kernel", .type = FIELD_INTS, .offset = offsetof(Config, window.kernel), .min = 1, .max = 127,         \
        .required = true, .scalar_ok = true, .min_count = 1, .max_count = 2, .doc = "size, or [rows, columns]"         \
    }
#define WINDOW_PAD_FIELDS(Config)                                                                                      \
    {.name = "padding",                                                                                                \
     .type = FIELD_ENUM,                                                                                               \
     .offset = offsetof(Config, window.padding),                                                                       \
     .names = padding_names,                                                                                           \
     .def = "\"same\"",                                                                                                \
     .doc = "same: TensorFlow's rule, ceil(size / stride) outputs, the odd cell at the end; valid: none; "             \
            "causal: same, but all padding of rows before the first, so that no output sees a later row"},             \
    {                                                                                                                  \
        .name = "pads", .type = FIELD_INTS, .offset = offsetof(Config, window.pads), .min = 0, .max = 127,             \
        .max_count = 4, .doc = "explicit padding [top, bottom, left, right], instead of `padding`"                     \
    }

/* Fills the geometry of g (channels and groups are the caller's) and checks that the window fits. */
Status window_geom(const Window *window, Extent in, int outputs, int groups, ConvGeom *g);

#endif
