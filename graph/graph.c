#include "graph/graph.h"

#include <math.h>
#include <string.h>

#include "graph/node_groups.h"
#include "kernels/requant_s16.h"
#include "quant/quantizer.h"

long graph_tensor_elements(const GraphTensor *t) { return (long)t->h * t->w * t->c; }

int graph_tensor_named(const Graph *g, const char *name)
{
    for (int i = 0; i < g->tensors; i++)
        if (strcmp(g->tensor[i].name, name) == 0) return i;
    return -1;
}

int graph_node_named(const Graph *g, const char *name)
{
    for (int i = 0; i < g->nodes; i++)
        if (strcmp(g->node[i].name, name) == 0) return i;
    return -1;
}

size_t graph_tensor_bytes(const GraphTensor *t)
{
    const size_t each = graph_tensor_is_float(t) ? sizeof(float) : format_bytes(t->format);
    return (size_t)graph_tensor_elements(t) * each;
}

bool graph_is_integer(const Graph *g)
{
    for (int i = 0; i < g->tensors; i++)
        if (graph_tensor_is_float(&g->tensor[i])) return false;
    return true;
}

int graph_version(const Graph *g)
{
    for (int i = 0; i < g->nodes; i++)
        if (node_has_weights(&g->node[i]) && node_is_split(&g->node[i])) return 3;
    for (int i = 0; i < g->tensors; i++)
        if (g->tensor[i].format != FORMAT_INT8 || graph_tensor_is_signs(&g->tensor[i])) return 2;
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].levels > 0) return 2;
    return 1;
}

/* real = scale * code, each in float32. */
static void sums_reals(size_t count, const int32_t *sums, float scale, float *reals)
{
    for (size_t i = 0; i < count; i++) reals[i] = scale * (float)sums[i];
}

void graph_tensor_reals(const GraphTensor *t, const void *values, size_t count, float *reals)
{
    if (graph_tensor_is_float(t))
        memcpy(reals, values, sizeof *reals * count);
    else if (graph_tensor_is_sums(t))
        sums_reals(count, values, t->scale, reals);
    else if (graph_tensor_is_wide(t))
        dequantize_s16(count, values, t->scale, reals);
    else
        dequantize_tensor(values, count, t->scale, t->zero_point, reals);
}

int graph_tensor_max_magnitude(const GraphTensor *t)
{
    const int below = t->zero_point - t->qmin, above = t->qmax - t->zero_point;
    return below > above ? below : above;
}

size_t graph_flash_bytes(const Graph *g)
{
    size_t bytes = 0;
    for (int i = 0; i < g->nodes; i++) {
        const NodeType *type = node_type(&g->node[i]);
        if (type->flash_bytes != NULL) bytes += type->flash_bytes(&g->node[i]);
    }
    return bytes;
}

/* The grid of tensor[0] is the pixels' own: real = scale (q - z) = (p/255 - mean)/std for q = p - 128. */
static bool codes_are_pixels(const Graph *g)
{
    const GraphTensor *x = &g->tensor[0];
    for (int c = 1; c < g->channels; c++)
        if (g->mean[c] != g->mean[0] || g->std[c] != g->std[0]) return false;
    const double mean = 255.0 * (double)g->mean[0], step = 1.0 / (255.0 * (double)g->std[0]);
    return fabs(mean - round(mean)) < 1e-3 && (double)x->zero_point == round(mean) - 128.0 &&
           fabs((double)x->scale - step) <= 1e-6 * step;
}

void graph_quantize_pixels(const Graph *g, const uint8_t *pixels, int n, int8_t *codes)
{
    const GraphTensor *x = &g->tensor[0];
    const bool exact = codes_are_pixels(g);
    const size_t step = (size_t)g->channels, total = (size_t)n * (size_t)graph_tensor_elements(x);
    for (int c = 0; c < g->channels; c++) {
        int8_t table[256];
        for (int p = 0; p < 256; p++) {
            const int q = p - 128;
            const float value = ((float)p / 255.0f - g->mean[c]) / g->std[c];
            table[p] = (int8_t)(exact ? (q < x->qmin   ? x->qmin
                                         : q > x->qmax ? x->qmax
                                                       : q)
                                      : quantize_value(value, x->scale, x->zero_point, x->qmin, x->qmax));
        }
        for (size_t i = (size_t)c; i < total; i += step) codes[i] = table[pixels[i]];
    }
}

Status target_scale_check(const char *path, const TargetScale *scale, int n)
{
    for (int k = 0; k < n; k++)
        if (!isfinite(scale->mean[k]) || !isfinite(scale->std[k]) || scale->std[k] <= 0.0f)
            return status_fail(STATUS_FORMAT,
                               "%s: target.mean[%d], target.std[%d]: %g, %g; must be finite, std above 0", path, k, k,
                               (double)scale->mean[k], (double)scale->std[k]);
    return STATUS_OK;
}
