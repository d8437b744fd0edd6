/* Pictures that are not as the training's: for calibration on other data than the network will see. */
#ifndef BITFOLD_DATASETS_CORRUPTION_H
#define BITFOLD_DATASETS_CORRUPTION_H

#include "datasets/dataset.h"

typedef enum {
    CORRUPTION_NONE,
    CORRUPTION_BRIGHTNESS,
    CORRUPTION_CONTRAST,
    CORRUPTION_NOISE,
    CORRUPTION_BLUR
} CorruptionKind;

typedef struct {
    int corruption; /* CorruptionKind */
    double amount;
} CorruptionConfig;
extern const char *const corruption_names[]; /* in the order of CorruptionKind, NULL-ended */

/* The keys of a struct that has one. */
#define CORRUPTION_FIELDS(Config, member)                                                                              \
    {.name = "corruption",                                                                                             \
     .type = FIELD_ENUM,                                                                                               \
     .offset = offsetof(Config, member.corruption),                                                                    \
     .names = corruption_names,                                                                                        \
     .def = "\"none\"",                                                                                                \
     .doc = "what is done to the pictures"},                                                                           \
    {                                                                                                                  \
        .name = "amount", .type = FIELD_FLOAT, .offset = offsetof(Config, member.amount), .min = -10, .max = 10,       \
        .def = "0.2",                                                                                                  \
        .doc = "how much of it: brightness and noise, a share of the pixels' range; contrast, a share more or less; "  \
               "blur, pixels"                                                                                          \
    }

/* The same samples with every picture changed when it is read, each always in the same way; targets stay.
 *   none        p
 *   brightness  p + 255 amount
 *   contrast    127.5 + (1 + amount) (p - 127.5)
 *   noise       p + 255 amount N(0, 1), for each value anew: keyed by the seed and the sample
 *   blur        Gaussian of `amount` pixels' deviation, the border repeated
 * rounded and clipped to 0 .. 255.  STATUS_NOMEM. */
Status dataset_corrupt(Arena *arena, const Dataset *from, const CorruptionConfig *config, uint64_t seed, Dataset *out);

#endif
