#include "deploy/runtime_limits.h"
#include "graph/node.h"

#include <stdio.h>

enum { WHY_BYTES = NODE_GIVEN_BYTES + 80 };

/* Whose kernels run the graph, as the reader of a message knows them. */
static const char *runtime_of(const Graph *g)
{
    return g->rounding == ROUNDING_ONNXRUNTIME ? "ONNX Runtime" : "XNNPACK";
}

static bool outside(const Graph *g, const Node *n, char why[WHY_BYTES])
{
    if (node_is_float(g, n) || node_is_wide(g, n)) return false; /* XNNPACK has no int16 */
    const NodeType *type = node_type(n);
    char given[NODE_GIVEN_BYTES];
    if (type->exceeds == NULL || !type->exceeds(g, n, given)) return false;
    snprintf(why, WHY_BYTES, "%s; %s needs %s", given, runtime_of(g), type->ratio_limits->needs);
    return true;
}

Status graph_check_runtime(const Graph *g)
{
    char why[WHY_BYTES];
    for (int i = 0; i < g->nodes; i++)
        if (outside(g, &g->node[i], why))
            return status_fail(STATUS_UNSUPPORTED, "layer \"%s\": %s", g->node[i].name, why);
    return STATUS_OK;
}

const char *graph_runtime_refusal(Arena *arena, const Graph *g)
{
    if (!rounding_is_float(g->rounding) || graph_check_runtime(g) == STATUS_OK) return NULL;
    return arena_printf(
        arena,
        "%s: export to .onnx, and to .tflite with the rounding xnnpack, will refuse the model; verify and .safetensors "
        "will not",
        status_message());
}

/* The largest sum that is not a constant: one of a channel without weights is its bias, however it is added. */
static int64_t largest_mixed_sum(const Graph *g, const Node *n)
{
    int64_t most = 0;
    for (int o = 0; node_has_weights(n) && !node_is_float(g, n) && !node_is_wide(g, n) && o < n->geom.o; o++) {
        if (node_channel_weights(n, o).magnitude == 0) continue;
        const int64_t sum = node_output_sum(g, n, o);
        most = sum > most ? sum : most;
    }
    return most;
}

const char *node_runtime_warning(Arena *arena, const Graph *g, const Node *n)
{
    char why[WHY_BYTES];
    if (outside(g, n, why)) return arena_strdup(arena, why);
    const int64_t most = largest_mixed_sum(g, n);
    if (!rounding_is_float(g->rounding) || most <= 1 << 24) return NULL;
    return arena_printf(arena,
                        "sums up to %lld; beyond 2^24 float32 rounds them, and a runtime that adds the bias later "
                        "rounds otherwise",
                        (long long)most);
}

/* The two largest weights of one sign, added, of any output. */
static int largest_pair(const int8_t *weights, long inner, int outputs)
{
    int most = 0;
    for (int o = 0; o < outputs; o++, weights += inner) {
        int first[2] = {0, 0}, second[2] = {0, 0}; /* [negative] */
        for (long i = 0; i < inner; i++) {
            const int sign = weights[i] < 0, w = sign ? -weights[i] : weights[i];
            if (w > first[sign])
                second[sign] = first[sign], first[sign] = w;
            else if (w > second[sign])
                second[sign] = w;
        }
        for (int sign = 0; sign < 2; sign++)
            if (first[sign] + second[sign] > most) most = first[sign] + second[sign];
    }
    return most;
}

bool node_products_saturate(const Graph *g, const Node *n)
{
    if (!node_has_weights(n) || node_is_float(g, n) || (n->op == NODE_DWCONV2D && n->geom.o == n->geom.c)) return false;
    const int highest = node_is_wide(g, n) ? UINT8_MAX : node_x(g, n)->qmax + 128; /* int16: what were 8 bits */
    /* Depthwise weights are [KH,KW,C M]: their pairs are looked for among all, which is never too few. */
    const bool depthwise = n->op == NODE_DWCONV2D;
    const int outputs = depthwise ? 1 : n->geom.o;
    return highest * largest_pair(n->weights, node_weights(n) / outputs, outputs) > INT16_MAX;
}
