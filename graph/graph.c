#include "graph/graph.h"

#include <math.h>

#include "quant/quantizer.h"

#define NODE(ID, name) [NODE_##ID] = #name,
const char *const node_type_names[] = {
#include "graph/nodes.def"
    NULL};
#undef NODE
bool node_type_has_weights(NodeType op) { return op == NODE_CONV2D || op == NODE_DWCONV2D || op == NODE_DENSE; }

long graph_tensor_elements(const GraphTensor *t) { return (long)t->h * t->w * t->c; }

long node_weights(const Node *n)
{
    const ConvGeom *g = &n->geom;
    if (!node_type_has_weights(n->op)) return 0;
    return (long)g->kh * g->kw * (n->op == NODE_DWCONV2D ? g->o : (long)(g->c / g->groups) * g->o);
}

int node_weight_shape(const Node *n, int64_t dim[4])
{
    const ConvGeom *g = &n->geom;
    const bool depthwise = n->op == NODE_DWCONV2D;
    dim[0] = depthwise ? 1 : g->o;
    dim[1] = n->op == NODE_DENSE ? g->c : g->kh;
    dim[2] = g->kw;
    dim[3] = depthwise ? g->o : g->c / g->groups;
    return n->op == NODE_DENSE ? 2 : 4;
}

long node_macs(const Graph *graph, const Node *n)
{
    if (!node_type_has_weights(n->op)) return 0;
    const GraphTensor *y = &graph->tensor[n->output];
    return node_weights(n) * y->h * y->w;
}

int graph_tensor_max_magnitude(const GraphTensor *t)
{
    const int below = t->zero_point - t->qmin, above = t->qmax - t->zero_point;
    return below > above ? below : above;
}

ChannelWeights node_channel_weights(const Node *n, int output)
{
    const bool depthwise = n->op == NODE_DWCONV2D;
    const long count = node_weights(n) / n->geom.o, step = depthwise ? n->geom.o : 1;
    const int8_t *w = n->weights + (depthwise ? output : output * count);
    ChannelWeights sums = {0, 0};
    for (long i = 0; i < count; i++) {
        sums.magnitude += w[i * step] < 0 ? -w[i * step] : w[i * step];
        sums.total += w[i * step];
    }
    return sums;
}

int64_t node_output_sum(const Graph *g, const Node *n, int output)
{
    const int64_t bias = n->bias[output];
    return node_channel_weights(n, output).magnitude * graph_tensor_max_magnitude(&g->tensor[n->input[0]]) +
           (bias < 0 ? -bias : bias);
}

int64_t node_largest_sum(const Graph *g, const Node *n)
{
    int64_t most = 0;
    for (int o = 0; node_type_has_weights(n->op) && o < n->geom.o; o++) {
        const int64_t sum = node_output_sum(g, n, o);
        most = sum > most ? sum : most;
    }
    return most;
}

size_t graph_flash_bytes(const Graph *g)
{
    size_t bytes = 0;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        if (node_type_has_weights(n->op))
            bytes += ((size_t)node_weights(n) * (size_t)n->weight_bits + 7) / 8 + 8 * (size_t)n->geom.o;
        if (n->op == NODE_LUT) bytes += 256;
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

void node_clamp(const Graph *g, const Node *n, int *lo, int *hi)
{
    const GraphTensor *x = &g->tensor[n->input[0]];
    const bool none = n->op == NODE_MAXPOOL || n->op == NODE_CONCAT, mean = n->op == NODE_AVGPOOL;
    *lo = none || (mean && n->lo <= x->qmin) ? INT8_MIN : n->lo;
    *hi = none || (mean && n->hi >= x->qmax) ? INT8_MAX : n->hi;
}
