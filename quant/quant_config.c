#include "quant/quant_config.h"

#include <fnmatch.h>
#include <stdio.h>

#include "quant/target.h"

#define OBSERVER(name) #name,
const char *const observer_choices[] = {"auto",
#include "quant/observers.def"
                                        NULL};
#undef OBSERVER
#define QUANTIZER(name) #name,
const char *const quantizer_choices[] = {"auto",
#include "quant/quantizers.def"
                                         NULL};
#undef QUANTIZER
const char *const format_choices[] = {"auto",     "int2",        "int3",        "int4",    "int5",
                                      "int6",     "int7",        "int8",        "float32", "float16",
                                      "bfloat16", "float8_e4m3", "float8_e5m2", "int16",   NULL};
enum { FORMAT_CHOICE_INT2 = 1, FORMAT_CHOICE_INT8 = 7, FORMAT_CHOICE_FLOAT32 = 8, FORMAT_CHOICE_INT16 = 13 };

/* The bits of a choice among integers; 0: auto, or floats. */
static int format_bits(int choice)
{
    if (choice == FORMAT_CHOICE_INT16) return QUANT_WIDE_BITS;
    return choice >= FORMAT_CHOICE_INT2 && choice <= FORMAT_CHOICE_INT8 ? choice - FORMAT_CHOICE_INT2 + 2 : 0;
}

Format quant_choice_format(int choice)
{
    return choice < FORMAT_CHOICE_FLOAT32 || choice == FORMAT_CHOICE_INT16
               ? FORMAT_INT8
               : (Format)((int)FORMAT_FLOAT32 + choice - FORMAT_CHOICE_FLOAT32);
}

const char *const granularity_names[] = {"per_channel", "per_tensor", "per_group", NULL};
static const char *const granularity_choices[] = {"same", "per_channel", "per_tensor", "per_group", NULL};
static const char *const scheme_names[] = {"static", "dynamic", NULL};
static const char *const scheme_choices[] = {"same", "static", "dynamic", NULL};
static const char *const weight_scheme_names[] = {"symmetric", "affine", NULL};
static const char *const weight_scheme_choices[] = {"same", "symmetric", "affine", NULL};
static const char *const narrow_choices[] = {"auto", "off", "on", NULL};

/* The own keys of each quantizer that has some, as an object in the sections that it names. */
#define QUANTIZER_KEYS(name, sections) extern const Field quantizer_##name##_fields[];
#include "quant/quantizer_keys.def"
#undef QUANTIZER_KEYS
#define KEYS(config, name)                                                                                             \
    {#name, FIELD_OBJECT, offsetof(config, keys[QUANTIZER_INDEX_##name]), .fields = quantizer_##name##_fields,         \
     .doc = "keys of the quantizer " #name},
#define WEIGHT_KEYS_WEIGHTS(name) KEYS(WeightQuantConfig, name)
#define WEIGHT_KEYS_ACTIVATIONS(name)
#define WEIGHT_KEYS_BOTH(name) KEYS(WeightQuantConfig, name)
#define ACTIVATION_KEYS_WEIGHTS(name)
#define ACTIVATION_KEYS_ACTIVATIONS(name) KEYS(ActivationQuantConfig, name)
#define ACTIVATION_KEYS_BOTH(name) KEYS(ActivationQuantConfig, name)

#define QUANTIZER_DOC "how the scale is found; auto: observed at 8 bits, lsq (learned) below, xnor for weights of 1 bit"

static const Field weight_fields[] = {
    {"bits", FIELD_INT, offsetof(WeightQuantConfig, bits), .min = QUANT_LEAST_BITS, .max = QUANT_MAX_BITS, .def = "8",
     .unit = "bits", .doc = "width of the weights' codes, which not every quantizer can have"},
    {"format", FIELD_ENUM, offsetof(WeightQuantConfig, format), .names = format_choices, .def = "\"auto\"",
     .doc = "auto: integers of so many bits; int2 to int8: the same with the bits in the name; a float format: the "
            "weights "
            "are floats, and their layers compute in float32"},
    {"granularity", FIELD_ENUM, offsetof(WeightQuantConfig, granularity), .names = granularity_names,
     .def = "\"per_channel\"",
     .doc = "one scale per output channel, one for the tensor, or one for each group of an output channel's weights"},
    {"group_size", FIELD_INT, offsetof(WeightQuantConfig, group_size), .min = 2, .max = 65536, .def = "32",
     .unit = "weights",
     .doc = "per_group: how many consecutive weights of an output channel, in the order [KH,KW,C], share a scale"},
    {"scheme", FIELD_ENUM, offsetof(WeightQuantConfig, scheme), .names = weight_scheme_names, .def = "\"symmetric\"",
     .doc = "symmetric: zero point 0; affine: one for each scale, by which codes span the weights to both ends"},
    {"quantizer", FIELD_ENUM, offsetof(WeightQuantConfig, quantizer), .names = quantizer_choices, .def = "\"auto\"",
     .doc = QUANTIZER_DOC},
    {"observer", FIELD_ENUM, offsetof(WeightQuantConfig, observer), .names = observer_choices, .def = "\"auto\"",
     .doc = "where an observed scale comes from; auto: max, which follows the weights; the histogram observers search "
            "once"},
    {"narrow_range", FIELD_ENUM, offsetof(WeightQuantConfig, narrow_range), .names = narrow_choices, .def = "\"auto\"",
     .doc = "leave out the lowest code (-128 of 8 bits); auto: on, but off for lsq below 8 bits. 8 bits are always "
            "narrow"},
    {"percentile", FIELD_FLOAT, offsetof(WeightQuantConfig, percentile), .min = 50, .max = 100, .def = "99.99",
     .unit = "percent", .doc = "for the percentile observer: share of the magnitudes kept"},
#define QUANTIZER_KEYS(name, sections) WEIGHT_KEYS_##sections(name)
#include "quant/quantizer_keys.def"
#undef QUANTIZER_KEYS
    FIELD_END};

static const Field activation_fields[] = {
    {"bits", FIELD_INT, offsetof(ActivationQuantConfig, bits), .min = QUANT_LEAST_BITS, .max = QUANT_WIDE_BITS,
     .def = "8", .unit = "bits", .doc = "width of the activations' codes: 1 to 8, or 16; 1 is for what leaves a ReLU"},
    {"format", FIELD_ENUM, offsetof(ActivationQuantConfig, format), .names = format_choices, .def = "\"auto\"",
     .doc = "auto: integers of so many bits; int2 to int8 and int16: the same with the bits in the name; a float "
            "format: the outputs are floats, and their layers compute in float32"},
    {"scheme", FIELD_ENUM, offsetof(ActivationQuantConfig, scheme), .names = scheme_names, .def = "\"static\"",
     .doc = "static: grids found by calibration or training; dynamic: layers with weights put each image's input on an "
            "8-bit grid of its own range, at run time; outputs are floats"},
    {"quantizer", FIELD_ENUM, offsetof(ActivationQuantConfig, quantizer), .names = quantizer_choices, .def = "\"auto\"",
     .doc = QUANTIZER_DOC},
    {"observer", FIELD_ENUM, offsetof(ActivationQuantConfig, observer), .names = observer_choices, .def = "\"auto\"",
     .doc = "what finds the range; auto: ema_minmax for an observed scale, mse for the start of a learned one. The "
            "histogram "
            "observers set the range at calibration, where it stays"},
    {"symmetric", FIELD_BOOL, offsetof(ActivationQuantConfig, symmetric), .def = "false",
     .doc = "signed activations: zero point 0 instead of the one that fits the range best"},
    {"momentum", FIELD_FLOAT, offsetof(ActivationQuantConfig, momentum), .min = 0.0001, .max = 1, .def = "0.01",
     .doc = "ema_minmax: weight of the newest batch"},
    {"percentile", FIELD_FLOAT, offsetof(ActivationQuantConfig, percentile), .min = 50, .max = 100, .def = "99.99",
     .unit = "percent", .doc = "for the percentile observer: share of the magnitudes kept"},
#define QUANTIZER_KEYS(name, sections) ACTIVATION_KEYS_##sections(name)
#include "quant/quantizer_keys.def"
#undef QUANTIZER_KEYS
    FIELD_END};

const Field override_fields[] = {
    {"layers", FIELD_STRING, offsetof(QuantOverride, layers), .required = true,
     .doc = "a layer's name, or a pattern with * and ?"},
    {"weight_bits", FIELD_INT, offsetof(QuantOverride, weight_bits), .min = 0, .max = QUANT_MAX_BITS, .def = "0",
     .unit = "bits", .doc = "width of these layers' weights; 0: unchanged"},
    {"activation_bits", FIELD_INT, offsetof(QuantOverride, activation_bits), .min = 0, .max = QUANT_WIDE_BITS,
     .def = "0", .unit = "bits", .doc = "width of these layers' outputs, 1 to 8 or 16; 0: unchanged"},
    {"format", FIELD_ENUM, offsetof(QuantOverride, format), .names = format_choices, .def = "\"auto\"",
     .doc = "of these layers' weights and outputs; int16: of their outputs alone; auto: unchanged"},
    {"weight_format", FIELD_ENUM, offsetof(QuantOverride, weight_format), .names = format_choices, .def = "\"auto\"",
     .doc = "of these layers' weights; auto: as format"},
    {"activation_format", FIELD_ENUM, offsetof(QuantOverride, activation_format), .names = format_choices,
     .def = "\"auto\"", .doc = "of these layers' outputs; auto: as format"},
    {"granularity", FIELD_ENUM, offsetof(QuantOverride, granularity), .names = granularity_choices, .def = "\"same\"",
     .doc = "of these layers' weights"},
    {"activation_scheme", FIELD_ENUM, offsetof(QuantOverride, activation_scheme), .names = scheme_choices,
     .def = "\"same\"", .doc = "of these layers' activations; dynamic: of their inputs, and their outputs are floats"},
    {"weight_scheme", FIELD_ENUM, offsetof(QuantOverride, weight_scheme), .names = weight_scheme_choices,
     .def = "\"same\"", .doc = "of these layers' weights"},
    {"quantizer", FIELD_ENUM, offsetof(QuantOverride, quantizer), .names = quantizer_choices, .def = "\"auto\"",
     .doc = "of these layers' weights and outputs; auto: unchanged"},
    {"weight_quantizer", FIELD_ENUM, offsetof(QuantOverride, weight_quantizer), .names = quantizer_choices,
     .def = "\"auto\"", .doc = "of these layers' weights; auto: as quantizer"},
    {"activation_quantizer", FIELD_ENUM, offsetof(QuantOverride, activation_quantizer), .names = quantizer_choices,
     .def = "\"auto\"", .doc = "of these layers' outputs; auto: as quantizer"},
#define QUANTIZER_KEYS(name, sections)                                                                                 \
    {#name, FIELD_JSON, offsetof(QuantOverride, keys[QUANTIZER_INDEX_##name]),                                         \
     .doc = "keys of the quantizer " #name " for these layers, as an object; those left out are as in the section"},
#include "quant/quantizer_keys.def"
#undef QUANTIZER_KEYS
    FIELD_END};

const Field quant_fields[] = {
    {"weights", FIELD_OBJECT, offsetof(QuantConfig, weights), .fields = weight_fields, .doc = "the weights' grids"},
    {"activations", FIELD_OBJECT, offsetof(QuantConfig, activations), .fields = activation_fields,
     .doc = "the grids of the layers' outputs"},
    {"first_last_bits", FIELD_INT, offsetof(QuantConfig, first_last_bits), .min = 0, .max = QUANT_MAX_BITS, .def = "8",
     .unit = "bits",
     .doc = "weights and output of the first and of the last layer with weights; 0: as the others. The image "
            "has 8 bits always, outputs of 16 bits keep them"},
    {"avgpool_input_bits", FIELD_INT, offsetof(QuantConfig, avgpool_input_bits), .min = 0, .max = QUANT_MAX_BITS,
     .def = "8", .unit = "bits",
     .doc = "output of a layer that feeds an average pool, whose result stays on that grid; 0: as the others"},
    {"output_bits", FIELD_INT, offsetof(QuantConfig, output_bits), .min = 0, .max = QUANT_SUM_BITS, .def = "0",
     .unit = "bits",
     .doc =
         "output of the network, 8, 16 or 32; 32: the sums of the last layer, whose weights then have one scale; 0: 16 "
         "where activations have 16 bits, else 8. Left out: 16 for a regression or landmarks whose last layer is no "
         "pool, curve or "
         "learned quantizer, else 0"},
    {"overrides", FIELD_OBJECTS, offsetof(QuantConfig, overrides), .fields = override_fields,
     .item_bytes = sizeof(QuantOverride), .max_count = 256, .doc = "exceptions by layer; the last that matches wins"},
    {"target", FIELD_ENUM, offsetof(QuantConfig, target), .names = target_names, .def = "\"litert\"",
     .doc = "where the model will run: the integers are rounded as they are there (`describe targets`). An export to a "
            "format whose runtimes round otherwise follows those, and says what changed"},
    {"freeze_bn_at", FIELD_FLOAT, offsetof(QuantConfig, freeze_bn_at), .min = 0, .max = 1, .def = "0.4",
     .doc = "share of the QAT steps after which batch norm uses its running statistics"},
    {"freeze_observers_at", FIELD_FLOAT, offsetof(QuantConfig, freeze_observers_at), .min = 0, .max = 1, .def = "0.5",
     .doc = "share of the QAT steps after which the observed ranges stay; from the later of the two on the forward "
            "pass is "
            "the integer arithmetic itself"},
    FIELD_END};

static const QuantizerType *choose_quantizer(int choice, int bits)
{
    if (choice > 0) return quantizer_types[choice - 1];
    return quantizer_type(bits >= 8 ? "observed" : "lsq");
}

/* The keys of a type in its section, and those that an override has in their place. */
static void set_keys(QuantizerSpec *spec, const QuantizerKeys *keys, const QuantOverride *o)
{
    int i = 0;
    while (quantizer_types[i] != spec->type) i++;
    if (spec->type->fields == NULL) return;
    spec->keys = &keys[i];
    spec->own_keys = o == NULL ? NULL : o->keys[i];
}

static const ObserverType *choose_observer(int choice, const char *automatic)
{
    return choice > 0 ? observer_types[choice - 1] : observer_type(automatic);
}

const QuantOverride *quant_override(const QuantConfig *c, const char *name)
{
    const QuantOverride *found = NULL, *all = c->overrides.at;
    for (int i = 0; i < c->overrides.n; i++)
        if (fnmatch(all[i].layers, name, 0) == 0) found = &all[i];
    return found;
}

/* The first of two choices, or the second where that is not given (0). */
static int first_given(int first, int second) { return first > 0 ? first : second; }

int quant_bits(int format, int bits) { return first_given(format_bits(format), bits); }

/* The format that an override gives weights or activations. */
int quant_weight_choice(const QuantOverride *o)
{
    return first_given(o->weight_format, o->format == FORMAT_CHOICE_INT16 ? 0 : o->format);
}
int quant_activation_choice(const QuantOverride *o) { return first_given(o->activation_format, o->format); }

Scheme quant_scheme(const QuantConfig *c, const QuantOverride *o)
{
    if (o != NULL && o->activation_scheme > 0) return (Scheme)(o->activation_scheme - 1);
    const bool integers = o != NULL && (o->activation_bits > 0 || format_bits(quant_activation_choice(o)) > 0);
    return integers ? SCHEME_STATIC : (Scheme)c->activations.scheme;
}

int quant_weight_quantizer(const QuantConfig *c, const QuantOverride *o)
{
    const int own = o == NULL ? 0 : first_given(o->weight_quantizer, o->quantizer);
    return first_given(own, c->weights.quantizer);
}

int quant_activation_quantizer(const QuantConfig *c, const QuantOverride *o)
{
    const int own = o == NULL ? 0 : first_given(o->activation_quantizer, o->quantizer);
    return first_given(own, c->activations.quantizer);
}

bool quant_override_is_per_channel(const QuantOverride *o)
{
    return o != NULL && o->granularity == 1 + GRANULARITY_PER_CHANNEL;
}

Format quant_weight_format(const QuantConfig *c, QuantPlace place)
{
    const QuantOverride *o = quant_override(c, place.name);
    return quant_choice_format(first_given(o == NULL ? 0 : quant_weight_choice(o), c->weights.format));
}

/* Codes of 16 bits are narrowed by a key for them alone. */
static int activation_bits(const QuantConfig *c, QuantPlace place, const QuantOverride *o)
{
    int bits = quant_bits(c->activations.format, c->activations.bits);
    const bool wide = bits == QUANT_WIDE_BITS;
    if (place.feeds_avgpool && c->avgpool_input_bits > 0 && !wide) bits = c->avgpool_input_bits;
    if ((place.first || place.last) && c->first_last_bits > 0 && !wide) bits = c->first_last_bits;
    if (o != NULL && o->activation_bits > 0) bits = o->activation_bits;
    if (o != NULL) bits = quant_bits(quant_activation_choice(o), bits);
    if (place.feeds_table || (place.in_floats && bits == QUANT_WIDE_BITS)) return QUANT_MAX_BITS;
    if (!place.is_output) return bits;
    const bool asked = o != NULL && quant_bits(quant_activation_choice(o), o->activation_bits) == QUANT_WIDE_BITS;
    return asked ? QUANT_WIDE_BITS : quant_output_bits(c);
}

int quant_output_bits(const QuantConfig *c)
{
    if (c->output_bits > 0) return c->output_bits;
    return quant_bits(c->activations.format, c->activations.bits) == QUANT_WIDE_BITS ? QUANT_WIDE_BITS : QUANT_MAX_BITS;
}

Format quant_activation_format(const QuantConfig *c, QuantPlace place)
{
    const QuantOverride *o = quant_override(c, place.name);
    const Format format =
        quant_choice_format(first_given(o == NULL ? 0 : quant_activation_choice(o), c->activations.format));
    if (format_is_float(format)) return format;
    if (quant_scheme(c, o) == SCHEME_DYNAMIC) return FORMAT_FLOAT32;
    const int bits = activation_bits(c, place, o);
    return bits == QUANT_SUM_BITS ? FORMAT_INT32 : bits == QUANT_WIDE_BITS ? FORMAT_INT16 : FORMAT_INT8;
}

const char *quant_width(Arena *arena, int format, int bits)
{
    const Format chosen = quant_choice_format(format);
    return format_is_float(chosen) ? format_names[chosen] : arena_printf(arena, "%d", quant_bits(format, bits));
}

static const QuantizerType *choose_of_weights(int choice, int bits)
{
    return choice == 0 && bits == QUANT_LEAST_BITS ? quantizer_type("xnor") : choose_quantizer(choice, bits);
}

/* Whether a layer has its bits for a reason of its own, not because the section says so. */
static bool own_bits(const QuantConfig *c, int bits) { return bits != quant_bits(c->weights.format, c->weights.bits); }

/* The section's choice; auto where it cannot have the bits that a layer has for a reason of its own. */
static const QuantizerType *weight_type(const QuantConfig *c, const QuantOverride *o, int bits, bool affine)
{
    const int choice = quant_weight_quantizer(c, o);
    if (choice == 0 && affine && bits > QUANT_LEAST_BITS) return quantizer_type("observed");
    const QuantizerType *type = choose_of_weights(choice, bits);
    const bool asked = o != NULL && first_given(o->weight_quantizer, o->quantizer) > 0;
    if (asked || !own_bits(c, bits) || quantizer_takes(type, bits)) return type;
    return c->after_training && bits > QUANT_LEAST_BITS ? quantizer_type("observed") : choose_of_weights(0, bits);
}

QuantizerSpec quant_weight_spec(const QuantConfig *c, QuantPlace place)
{
    const WeightQuantConfig *w = &c->weights;
    int bits = quant_bits(w->format, w->bits);
    int granularity = w->granularity, scheme = w->scheme;
    if ((place.first || place.last) && c->first_last_bits > 0) bits = c->first_last_bits;
    const QuantOverride *o = quant_override(c, place.name);
    if (o != NULL && o->weight_bits > 0) bits = o->weight_bits;
    if (o != NULL) bits = quant_bits(quant_weight_choice(o), bits);
    if (bits > QUANT_MAX_BITS) bits = QUANT_MAX_BITS; /* int16: quant_check_formats refuses it in a config */
    if (o != NULL && o->granularity > 0) granularity = o->granularity - 1;
    if (o != NULL && o->weight_scheme > 0) scheme = o->weight_scheme - 1;
    /* Which 8 bits in integers have no room for: they are the ends' or an override's, and have none. */
    const bool plain = bits == QUANT_MAX_BITS && own_bits(c, bits) && !place.in_floats;
    if (plain && scheme == WEIGHTS_AFFINE) scheme = WEIGHTS_SYMMETRIC;
    if (plain && granularity == GRANULARITY_PER_GROUP) granularity = GRANULARITY_PER_CHANNEL;
    if (place.is_output && quant_output_is_sums(c)) granularity = GRANULARITY_PER_TENSOR;
    const QuantizerType *type = weight_type(c, o, bits, scheme == WEIGHTS_AFFINE);
    const bool symmetric = scheme == WEIGHTS_SYMMETRIC;
    const bool narrow = symmetric && (bits == 8 || (w->narrow_range == 0 ? !type->learns : w->narrow_range == 2));
    QuantizerSpec spec = {.bits = bits,
                          .per_channel = granularity != GRANULARITY_PER_TENSOR,
                          .narrow = narrow,
                          .symmetric = symmetric,
                          .affine = !symmetric,
                          .group = granularity == GRANULARITY_PER_GROUP ? w->group_size : 0,
                          .type = type,
                          .observer = choose_observer(w->observer, "max"),
                          .momentum = 1.0,
                          .percentile = w->percentile};
    set_keys(&spec, w->keys, o);
    return spec;
}

/* The same of outputs. */
static const QuantizerType *activation_type(const QuantConfig *c, const QuantOverride *o, int bits)
{
    const QuantizerType *type = choose_quantizer(quant_activation_quantizer(c, o), bits);
    const bool asked = o != NULL && first_given(o->activation_quantizer, o->quantizer) > 0;
    const bool of_weights = (type->uses & (QUANTIZES_SIGNED | QUANTIZES_UNSIGNED)) == 0;
    if (asked || of_weights || type->most_bits == 0 || quantizer_takes(type, bits)) return type;
    return bits == quant_bits(c->activations.format, c->activations.bits) ? type : choose_quantizer(0, bits);
}

QuantizerSpec quant_activation_spec(const QuantConfig *c, QuantPlace place)
{
    const ActivationQuantConfig *a = &c->activations;
    const QuantOverride *o = quant_override(c, place.name);
    const int bits = activation_bits(c, place, o);
    const QuantizerType *type = activation_type(c, o, bits);
    const bool wide = bits == QUANT_WIDE_BITS;
    QuantizerSpec spec = {.bits = bits,
                          .narrow = !type->learns && !wide,
                          .symmetric = a->symmetric || wide,
                          .type = type,
                          .observer = choose_observer(a->observer, type->learns ? "mse" : "ema_minmax"),
                          .momentum = a->momentum,
                          .percentile = a->percentile};
    set_keys(&spec, a->keys, o);
    return spec;
}
