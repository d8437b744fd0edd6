/* The `quant` section of a config, and what it says about one place of a model. */
#ifndef BITFOLD_QUANT_QUANT_CONFIG_H
#define BITFOLD_QUANT_QUANT_CONFIG_H

#include "base/field.h"
#include "base/format.h"
#include "quant/fake_quant.h"

/* The keys that quantizers have of their own, by their place in quantizers.def. */
enum {
#define QUANTIZER(name) QUANTIZER_INDEX_##name,
#include "quant/quantizers.def"
#undef QUANTIZER
    QUANTIZER_TYPES
};
typedef union {
    double align;
    unsigned char bytes[QUANTIZER_KEYS_BYTES];
} QuantizerKeys;

typedef enum { GRANULARITY_PER_CHANNEL, GRANULARITY_PER_TENSOR, GRANULARITY_PER_GROUP } Granularity;
extern const char *const granularity_names[]; /* in this order, NULL-ended */
typedef enum { WEIGHTS_SYMMETRIC, WEIGHTS_AFFINE } WeightScheme;

typedef struct {
    int bits;
    int format;       /* format_choices: 0 auto */
    int granularity;  /* Granularity */
    int group_size;   /* of GRANULARITY_PER_GROUP */
    int scheme;       /* WeightScheme */
    int quantizer;    /* quantizer_choices: 0 auto */
    int observer;     /* observer_choices: 0 auto */
    int narrow_range; /* 0 auto, 1 off, 2 on */
    double percentile;
    QuantizerKeys keys[QUANTIZER_TYPES];
} WeightQuantConfig;

/* When the grids of activations are found.  A layer whose scheme is dynamic and whose weights are codes makes codes of its
 * input by the range of each image, at run time (kernels/requant_dynamic.h), and gives floats; one without weights, or with
 * weights in floats, computes in floats. */
typedef enum { SCHEME_STATIC, SCHEME_DYNAMIC } Scheme;

typedef struct {
    int bits;
    int format; /* format_choices: 0 auto */
    int scheme; /* Scheme */
    int quantizer, observer;
    bool symmetric;
    double momentum, percentile;
    QuantizerKeys keys[QUANTIZER_TYPES];
} ActivationQuantConfig;

typedef struct {
    const char *layers;                         /* a name or a pattern with * and ? */
    int weight_bits, activation_bits;           /* 0: as the defaults */
    int format;                                 /* of both, format_choices; 0: as the defaults */
    int weight_format, activation_format;       /* 0: as `format` */
    int granularity;                            /* 0: as the default; else 1 + Granularity */
    int activation_scheme;                      /* 0: as the default; else 1 + Scheme */
    int weight_scheme;                          /* 0: as the default; else 1 + WeightScheme */
    int quantizer;                              /* of both; 0: as the defaults */
    int weight_quantizer, activation_quantizer; /* 0: as `quantizer` */
    const cJSON *keys[QUANTIZER_TYPES];         /* of quantizers, instead of the section's; NULL: none */
} QuantOverride;

typedef struct {
    WeightQuantConfig weights;
    ActivationQuantConfig activations;
    int first_last_bits;                      /* 0: as the others */
    int avgpool_input_bits;                   /* 0: as the others */
    int output_bits;                          /* 8, 16 or 32; 0: 16 where activations have 16, else 8 */
    ObjectList overrides;                     /* QuantOverride */
    int target;                               /* index into target_types */
    int rounding;                             /* Rounding: the target's, which a config that is read sets */
    double freeze_bn_at, freeze_observers_at; /* shares of the QAT steps */
    /* Nothing is learned (ptq_quant_config): weights whose bits the section's quantizer cannot have are observed. */
    bool after_training;
} QuantConfig;
extern const Field quant_fields[], override_fields[]; /* of a QuantConfig; of a QuantOverride */
extern const char *const observer_choices[];          /* "auto", then observers.def */
extern const char *const quantizer_choices[];         /* "auto", then quantizers.def */
extern const char *const format_choices[];            /* "auto", "int2" to "int8", the float formats, "int16" */
Format quant_choice_format(int choice);               /* FORMAT_INT8 of "auto" and of fewer bits */

/* The override that decides on a layer, the last that matches; NULL: none. */
const QuantOverride *quant_override(const QuantConfig *c, const char *layer);

/* The quantizer_choices of weights and outputs where this override decides, or none does (NULL). */
int quant_weight_quantizer(const QuantConfig *c, const QuantOverride *o);
int quant_activation_quantizer(const QuantConfig *c, const QuantOverride *o);

/* Of a layer on which this override decides.  One that gives a format of integers or bits of activations, and no scheme, is
 * static. */
Scheme quant_scheme(const QuantConfig *c, const QuantOverride *o);

/* The format_choices of weights and outputs that an override asks for; 0: none. */
int quant_weight_choice(const QuantOverride *o);
int quant_activation_choice(const QuantOverride *o);

/* How wide a choice of format beside bits is: "8", "float16". */
const char *quant_width(Arena *arena, int format, int bits);

/* The bits of integers that a choice of format gives, or else these. */
int quant_bits(int format, int bits);
/* Of the network's output, but for an override that names it. */
int quant_output_bits(const QuantConfig *c);
/* That is 32: the sums of the last layer with weights themselves, whose weights have one scale. */
static inline bool quant_output_is_sums(const QuantConfig *c) { return c->output_bits == QUANT_SUM_BITS; }
/* Whether the override asks for a scale for each channel. */
bool quant_override_is_per_channel(const QuantOverride *o);

/* STATUS_CONFIG where format and bits of one place contradict each other, or are none. */
Status quant_check_formats(const QuantConfig *c);

/* Where a layer stands, as far as its bits depend on it. */
typedef struct {
    const char *name;
    bool first, last; /* of the layers with weights */
    bool is_output;   /* gives the logits */
    bool feeds_avgpool;
    bool feeds_table; /* it is read by the table of its layer's activation alone: 8 bits */
    bool
        in_floats; /* its output is in floats, of which int8 codes are made: at most 8 bits; of weights, their layer is */
} QuantPlace;

/* Precedence: what a table reads has 8 bits, the output its own; an override by name (the last that matches); first_last_bits; avgpool_input_bits;
 * defaults. */
/* FORMAT_INT8: of so many bits as the spec of the place says; of a place in floats the spec is of the codes made of it. */
Format quant_weight_format(const QuantConfig *c, QuantPlace place);
Format quant_activation_format(const QuantConfig *c, QuantPlace place);
QuantizerSpec quant_weight_spec(const QuantConfig *c, QuantPlace place);
QuantizerSpec quant_activation_spec(const QuantConfig *c, QuantPlace place);

#endif
