#include <stdio.h>
#include <string.h>

#include "quant/split_weights.h"

#define QUANTIZER(name) extern const QuantizerType quantizer_##name;
#include "quant/quantizers.def"
#undef QUANTIZER

#define QUANTIZER(name) &quantizer_##name,
const QuantizerType *const quantizer_types[] = {
#include "quant/quantizers.def"
    NULL};
#undef QUANTIZER

const QuantizerType *quantizer_type(const char *name)
{
    for (int i = 0; quantizer_types[i] != NULL; i++)
        if (strcmp(quantizer_types[i]->name, name) == 0) return quantizer_types[i];
    return NULL;
}

static int least_bits(const QuantizerType *type) { return type->least_bits > 0 ? type->least_bits : QUANT_MIN_BITS; }
static int most_bits(const QuantizerType *type) { return type->most_bits > 0 ? type->most_bits : QUANT_MAX_BITS; }

bool quantizer_takes(const QuantizerType *type, int bits)
{
    return (bits >= least_bits(type) && bits <= most_bits(type)) || (bits == QUANT_WIDE_BITS && type->most_bits == 0);
}

static const char *use_words(unsigned uses)
{
    static const char *const words[] = {"nothing",
                                        "weights",
                                        "the outputs of a ReLU",
                                        "weights and the outputs of a ReLU",
                                        "outputs without a ReLU",
                                        "weights and outputs without a ReLU",
                                        "outputs",
                                        "weights and outputs"};
    return words[uses & QUANTIZES_ALL];
}

static Status check_use(const QuantizerType *type, QuantizedTensor tensor)
{
    const unsigned use = tensor.is_weight   ? QUANTIZES_WEIGHTS
                         : tensor.is_signed ? QUANTIZES_SIGNED
                                            : QUANTIZES_UNSIGNED;
    if ((type->uses & use) != 0) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "quantizer \"%s\" for its %s; it is for %s only: an override of this layer with "
                       "\"%s\" must name another",
                       type->name,
                       tensor.is_weight   ? "weights"
                       : tensor.is_signed ? "output, which may be below 0"
                                          : "output",
                       use_words(type->uses), tensor.is_weight ? "weight_quantizer" : "activation_quantizer");
}

static Status check_width(const QuantizerType *type, int bits, QuantizedTensor tensor)
{
    if (!tensor.is_weight && bits == QUANT_LEAST_BITS) {
        if (!tensor.is_signed || quantizer_gives_signs(type, bits)) return STATUS_OK;
        return status_fail(STATUS_CONFIG,
                           "1 bit for its output, which may be below 0; 1 bit is for the outputs of a ReLU "
                           "and for the quantizers \"xnor\", \"bireal\" and \"irnet\": one of them, or an override of "
                           "this layer with \"activation_bits\" is required");
    }
    if (quantizer_takes(type, bits)) return STATUS_OK;
    const int least = least_bits(type), most = most_bits(type);
    char range[24];
    snprintf(range, sizeof range, least == most ? "%d" : "%d to %d", least, most);
    return status_fail(STATUS_CONFIG, "quantizer \"%s\" for %s of %d bit%s; it is for %s bit%s", type->name,
                       tensor.is_weight ? "weights" : "an output", bits, bits == 1 ? "" : "s", range,
                       most == 1 ? "" : "s");
}

/* The type's keys: the spec's or the defaults, and those given apart in their place. */
static Status copy_keys(Arena *arena, const QuantizerSpec *spec, const void **copy)
{
    const QuantizerType *type = spec->type;
    *copy = NULL;
    if (type->fields == NULL) return STATUS_OK;
    ASSERT(type->config_bytes <= QUANTIZER_KEYS_BYTES);
    void *keys = arena_zalloc(arena, type->config_bytes);
    cJSON *all = spec->keys == NULL ? cJSON_CreateObject() : field_dump(type->fields, spec->keys);
    const cJSON *own = spec->own_keys == NULL ? NULL : spec->own_keys->child;
    for (; own != NULL; own = own->next) {
        cJSON_DeleteItemFromObjectCaseSensitive(all, own->string);
        cJSON_AddItemToObject(all, own->string, cJSON_Duplicate(own, true));
    }
    const Status status = field_parse(type->fields, all, type->name, keys, arena);
    cJSON_Delete(all);
    *copy = keys;
    return status;
}

Param *quantizer_param(Quantizer *q, ParamSet *params, Arena *arena, const char *suffix, int values, ParamRule rule)
{
    ASSERT(q->params < QUANTIZER_PARAMS);
    const char *name = arena_printf(arena, "%s.%s", q->name, suffix);
    Param *p = param_add(params, arena, name, PARAM_QUANTIZER, shape_1(values));
    if (p == NULL) return NULL;
    p->rule = rule;
    return q->param[q->params++] = p;
}

Quantizer *quantizer_create(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec,
                            QuantizedTensor tensor)
{
    const void *keys;
    if (check_use(spec->type, tensor) != STATUS_OK || check_width(spec->type, spec->bits, tensor) != STATUS_OK ||
        copy_keys(arena, spec, &keys) != STATUS_OK)
        return NULL;
    const bool is_signed = tensor.is_weight || tensor.is_signed;
    const bool affine = tensor.is_weight && spec->affine;
    const bool symmetric = !affine && (tensor.is_weight || spec->symmetric || spec->type->centred);
    const int scales = tensor.is_weight && spec->per_channel ? tensor.channels : 1;
    Quantizer *q = ARENA_ARRAY(arena, Quantizer, 1);
    *q = (Quantizer){
        .name = arena_strdup(arena, name),
        .type = spec->type,
        .keys = keys,
        .is_weight = tensor.is_weight,
        .in_floats = tensor.in_floats,
        .symmetric = symmetric,
        .qp = {.bits = spec->bits,
               .is_signed = is_signed,
               .n = scales,
               .axis = tensor.is_weight ? tensor.axis : -1,
               .groups = 1,
               .scale = ARENA_ARRAY(arena, float, scales)},
        .observer = observer_make(spec->observer, arena, spec->momentum),
        .goal = {.bits = spec->bits, .is_signed = is_signed, .symmetric = symmetric, .percentile = spec->percentile}};
    for (int i = 0; i < scales; i++) q->qp.scale[i] = 1.0f;
    const int bits = is_signed && spec->bits < QUANT_MIN_BITS ? QUANT_MIN_BITS : spec->bits;
    grid_range(bits, is_signed, is_signed && symmetric && spec->narrow, &q->qp.qmin, &q->qp.qmax);
    q->qp.zero_point = is_signed ? 0 : q->qp.qmin;
    if (tensor.is_weight && split_grid_make(arena, q, spec, tensor) != STATUS_OK) return NULL;
    if (spec->type->create != NULL && !spec->type->create(q, params, arena)) return NULL;
    return q;
}

void quantizer_start(Quantizer *q, float lo, float hi)
{
    if (!q->fixed) q->type->start(q, &(QuantizerStart){.lo = lo, .hi = hi});
}

void quantizer_set_scale(Quantizer *q, float scale)
{
    q->qp.scale[0] = scale;
    if (q->type->adopt != NULL) q->type->adopt(q);
}
