#include "quant/dynamic_conv.h"

#include "autograd/norm.h"
#include "base/align.h"
#include "kernels/requant_dynamic.h"

Status dynamic_conv_make(Arena *arena, const DynamicConvConfig *config, DynamicConv *c)
{
    const int outputs = config->geom.o;
    *c = (DynamicConv){.geom = config->geom,
                       .conv = conv_s8_of(config->depthwise),
                       .weight_scale = config->weight_scale,
                       .period = tile_period(outputs)};
    c->packed = arena_try_alloc(arena, c->conv->packed_bytes(&c->geom));
    if (c->packed == NULL) return STATUS_NOMEM;
    c->conv->pack(&c->geom, config->weights, c->packed);
    float *ones = ARENA_ARRAY(arena, float, outputs);
    for (int o = 0; o < outputs; o++) ones[o] = 1.0f;
    c->ones = tile_channels(arena, outputs, ones);
    c->bias = tile_channels(arena, outputs, config->bias);
    return STATUS_OK;
}

static size_t inputs(const ConvGeom *g) { return (size_t)g->h * (size_t)g->w * (size_t)g->c; }

size_t dynamic_conv_scratch_bytes(const DynamicConv *c)
{
    return align_up(inputs(&c->geom)) + align_up(sizeof(float) * c->period) + c->conv->scratch_bytes(&c->geom);
}

void dynamic_conv_run(const DynamicConv *c, const float *x, float *y, void *scratch)
{
    const ConvGeom *g = &c->geom;
    const size_t outputs = (size_t)g->o, count = outputs * (size_t)g->oh * (size_t)g->ow;
    int8_t *codes = scratch;
    float *factor = (void *)(codes + align_up(inputs(g)));
    void *rest = (char *)factor + align_up(sizeof(float) * c->period);
    const QuantizeGrid grid = dynamic_quantize(inputs(g), x, codes);
    for (size_t i = 0; i < c->period; i++) factor[i] = grid.scale * c->weight_scale[i % outputs];
    c->conv->sums(g, 1, codes, grid.zero_point, c->packed, (void *)y, rest);
    kernels()->scale_channels(count, c->period, factor, y);
    kernels()->scale_shift(count, c->period, c->ones, c->bias, y, y);
}

int64_t dynamic_products(ChannelWeights w)
{
    const int64_t lowest = channel_products(w, INT8_MIN, INT8_MIN, INT8_MAX),
                  highest = channel_products(w, INT8_MAX, INT8_MIN, INT8_MAX);
    return lowest > highest ? lowest : highest;
}
