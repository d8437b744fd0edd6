#include "quant/qgraph.h"

#include <math.h>

#include "quant/quantizer.h"

#define QOP(ID, name) [QOP_##ID] = #name,
const char *const qop_names[] = {
#include "quant/qops.def"
    NULL};
#undef QOP
const char *const qgraph_dialect_names[] = {[DIALECT_XNNPACK] = "xnnpack",
                                            [DIALECT_TFLITE_SINGLE] = "tflite-single",
                                            [DIALECT_TFLITE_DOUBLE] = "tflite-double",
                                            [DIALECT_ONNXRUNTIME] = "onnxruntime",
                                            [DIALECTS] = NULL};

const char *qgraph_add_needs(Dialect dialect)
{
    return dialect_is_float(dialect) ? "ratios in [2^-10, 2^8)" : "ratios below 2^19";
}

const char *qgraph_requant_needs(Dialect dialect)
{
    return dialect == DIALECT_XNNPACK ? "a ratio in [2^-8, 2^7]" : "a finite ratio";
}

bool qop_has_weights(QOp op) { return op == QOP_CONV2D || op == QOP_DWCONV2D || op == QOP_DENSE; }

long qtensor_elements(const QTensor *t) { return (long)t->h * t->w * t->c; }

long qnode_weights(const QNode *n)
{
    const ConvGeom *g = &n->geom;
    if (!qop_has_weights(n->op)) return 0;
    return (long)g->kh * g->kw * (n->op == QOP_DWCONV2D ? g->o : (long)(g->c / g->groups) * g->o);
}

int qnode_weight_shape(const QNode *n, int64_t dim[4])
{
    const ConvGeom *g = &n->geom;
    const bool depthwise = n->op == QOP_DWCONV2D;
    dim[0] = depthwise ? 1 : g->o;
    dim[1] = n->op == QOP_DENSE ? g->c : g->kh;
    dim[2] = g->kw;
    dim[3] = depthwise ? g->o : g->c / g->groups;
    return n->op == QOP_DENSE ? 2 : 4;
}

long qnode_macs(const QGraph *graph, const QNode *n)
{
    if (!qop_has_weights(n->op)) return 0;
    const QTensor *y = &graph->tensor[n->output];
    return qnode_weights(n) * y->h * y->w;
}

int qtensor_reach(const QTensor *t)
{
    const int below = t->zero_point - t->qmin, above = t->qmax - t->zero_point;
    return below > above ? below : above;
}

ChannelWeights qnode_channel_weights(const QNode *n, int output)
{
    const bool depthwise = n->op == QOP_DWCONV2D;
    const long count = qnode_weights(n) / n->geom.o, step = depthwise ? n->geom.o : 1;
    const int8_t *w = n->weights + (depthwise ? output : output * count);
    ChannelWeights sums = {0, 0};
    for (long i = 0; i < count; i++) {
        sums.magnitude += w[i * step] < 0 ? -w[i * step] : w[i * step];
        sums.total += w[i * step];
    }
    return sums;
}

int64_t qnode_output_sum(const QGraph *g, const QNode *n, int output)
{
    const int64_t bias = n->bias[output];
    return qnode_channel_weights(n, output).magnitude * qtensor_reach(&g->tensor[n->input[0]]) +
           (bias < 0 ? -bias : bias);
}

int64_t qnode_largest_sum(const QGraph *g, const QNode *n)
{
    int64_t most = 0;
    for (int o = 0; qop_has_weights(n->op) && o < n->geom.o; o++) {
        const int64_t sum = qnode_output_sum(g, n, o);
        most = sum > most ? sum : most;
    }
    return most;
}

size_t qgraph_flash_bytes(const QGraph *g)
{
    size_t bytes = 0;
    for (int i = 0; i < g->nodes; i++) {
        const QNode *n = &g->node[i];
        if (qop_has_weights(n->op))
            bytes += ((size_t)qnode_weights(n) * (size_t)n->weight_bits + 7) / 8 + 8 * (size_t)n->geom.o;
        if (n->op == QOP_LUT) bytes += 256;
    }
    return bytes;
}

/* The grid of tensor[0] is the pixels' own: real = scale (q - z) = (p/255 - mean)/std for q = p - 128. */
static bool codes_are_pixels(const QGraph *g)
{
    const QTensor *x = &g->tensor[0];
    for (int c = 1; c < g->channels; c++)
        if (g->mean[c] != g->mean[0] || g->std[c] != g->std[0]) return false;
    const double mean = 255.0 * (double)g->mean[0], step = 1.0 / (255.0 * (double)g->std[0]);
    return fabs(mean - round(mean)) < 1e-3 && (double)x->zero_point == round(mean) - 128.0 &&
           fabs((double)x->scale - step) <= 1e-6 * step;
}

void qgraph_quantize_pixels(const QGraph *g, const uint8_t *pixels, int n, int8_t *codes)
{
    const QTensor *x = &g->tensor[0];
    const bool exact = codes_are_pixels(g);
    const size_t step = (size_t)g->channels, total = (size_t)n * (size_t)qtensor_elements(x);
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

void qnode_clamp(const QGraph *g, const QNode *n, int *lo, int *hi)
{
    const QTensor *x = &g->tensor[n->input[0]];
    const bool none = n->op == QOP_MAXPOOL || n->op == QOP_CONCAT, mean = n->op == QOP_AVGPOOL;
    *lo = none || (mean && n->lo <= x->qmin) ? INT8_MIN : n->lo;
    *hi = none || (mean && n->hi >= x->qmax) ? INT8_MAX : n->hi;
}
