#include "deploy/c/c_cost.h"
#include "deploy/c/c_cycles.h"
#include "graph/node_groups.h"

#include <math.h>
#include <string.h>

size_t c_level_count(const Node *n) { return (size_t)1 << c_weight_width(n); }

static int8_t (*pixel_codes(Arena *arena, const Graph *graph))[256]
{
    const int channels = graph->channels;
    GraphTensor strip = graph->tensor[0];
    Graph g = *graph;
    strip.h = 256, strip.w = 1;
    g.tensor = &strip;
    uint8_t *pixels = arena_alloc(arena, 256 * (size_t)channels);
    int8_t *codes = arena_alloc(arena, 256 * (size_t)channels);
    int8_t(*table)[256] = arena_alloc(arena, 256 * (size_t)channels);
    for (int i = 0; i < 256 * channels; i++) pixels[i] = (uint8_t)(i / channels);
    graph_quantize_pixels(&g, pixels, 1, codes);
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < 256; p++) table[c][p] = codes[p * channels + c];
    return table;
}

CPixels c_pixels(Arena *arena, const Graph *g)
{
    int8_t(*code)[256] = pixel_codes(arena, g);
    bool shifted = true, equal = true;
    for (int c = 0; c < g->channels; c++) {
        equal = equal && memcmp(code[c], code[0], sizeof code[0]) == 0;
        for (int p = 0; p < 256; p++) shifted = shifted && code[c][p] == p - 128;
    }
    return (CPixels){shifted ? 0 : equal ? 1 : g->channels, code};
}

/* Of each output of a node with weights. */
static size_t multiplier_bytes(const Graph *g, const Node *n)
{
    if (node_gives_sums(n) || (c_is_binary(g, n) && graph_tensor_is_signs(node_y(g, n)))) return 0;
    if (node_is_float(g, n)) return n->weights == NULL ? 0 : 4;
    if (node_is_wide(g, n)) return 3;
    return c_shifts(g) ? 1 : 5;
}

static CLayerCost layer_cost(const Graph *g, const Node *n, const PlanNode *planned)
{
    CLayerCost cost = {.node = n, .alive_bytes = planned->alive_bytes, .cycles = c_planned_cycles(g, n, planned)};
    if (!node_has_weights(n)) {
        if (node_type(n)->flash_bytes != NULL) cost.weight_bytes = node_type(n)->flash_bytes(n);
        return cost;
    }
    const size_t outputs = (size_t)n->geom.o;
    cost.macs = node_macs(g, n);
    cost.weight_width = c_weight_width(n);
    cost.weight_bytes = (size_t)c_runs(n) * c_run_bytes(n) + (c_has_levels(n) ? c_level_count(n) : 0);
    if (c_is_binary(g, n)) cost.weight_bytes = 4 * c_binary_words(n) * outputs;
    cost.bias_bytes = (node_is_wide(g, n) ? 8 : 4) * outputs;
    cost.multiplier_bytes = multiplier_bytes(g, n) * outputs;
    if (node_is_split(n) && (node_is_float(g, n) || c_is_split(n))) cost.multiplier_bytes += node_groups_bytes(n);
    return cost;
}

CCost c_cost(Arena *arena, const Graph *g, const Plan *plan)
{
    CLayerCost *layer = ARENA_ARRAY(arena, CLayerCost, g->nodes);
    CCost cost = {.layer = layer,
                  .arena_bytes = plan->bytes,
                  .input_bytes = (size_t)graph_tensor_elements(&g->tensor[0]),
                  .output_bytes = graph_tensor_bytes(&g->tensor[g->output]),
                  .pixel_table_bytes = 256 * (size_t)c_pixels(arena, g).tables};
    cost.flash_bytes = cost.pixel_table_bytes;
    for (int i = 0; i < g->nodes; i++) {
        if (!plan->node[i].runs) continue;
        const CLayerCost one = layer_cost(g, &g->node[i], &plan->node[i]);
        cost.macs += one.macs;
        cost.cycles += one.cycles;
        cost.flash_bytes += one.weight_bytes + one.bias_bytes + one.multiplier_bytes;
        layer[cost.layers++] = one;
    }
    return cost;
}

char *c_comment(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (char *p = copy; *p != '\0'; p++)
        if (*p < 0x20 || *p > 0x7e || strchr("*/\\?", *p) != NULL) *p = '_';
    return copy;
}

void c_cost_print(Arena *arena, const Graph *g, const CCost *cost, const char *margin, bool cycles, FILE *out)
{
    fprintf(out, "%s%-20s %-16s %14s %11s %4s %9s %8s %12s %10s%s\n", margin, "layer", "op", "output", "MACs", "bits",
            "weights", "biases", "multipliers", "arena", cycles ? "  M4 instructions" : "");
    for (int i = 0; i < cost->layers; i++) {
        const CLayerCost *c = &cost->layer[i];
        const GraphTensor *y = &g->tensor[c->node->output];
        fprintf(out, "%s%-20s %-16s %14s %11ld %4s %9zu %8zu %12zu %10zu%s\n", margin, c_comment(arena, c->node->name),
                node_type(c->node)->name, arena_printf(arena, "%dx%dx%d", y->h, y->w, y->c), c->macs,
                c->weight_width == 0 ? "" : arena_printf(arena, "%d", c->weight_width), c->weight_bytes, c->bias_bytes,
                c->multiplier_bytes, c->alive_bytes, cycles ? arena_printf(arena, " %16.0f", c->cycles) : "");
    }
    const size_t pixels = cost->pixel_table_bytes;
    fprintf(out,
            "%sflash %zu bytes (weights, biases, multipliers, tables%s; code and class names come on top)\n"
            "%sRAM %zu bytes (the arena; the caller's image of %zu and answer of %zu bytes come on top)\n"
            "%s%ld MACs\n",
            margin, cost->flash_bytes,
            pixels == 0 ? "" : arena_printf(arena, "; %zu of it the codes of camera bytes", pixels), margin,
            cost->arena_bytes, cost->input_bytes, cost->output_bytes, margin, cost->macs);
    if (cycles) fprintf(out, "%s%.0f instructions an image on a Cortex-M4, estimated\n", margin, cost->cycles);
}

cJSON *c_cost_json(const Graph *g, const CCost *cost)
{
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "layers");
    for (int i = 0; i < cost->layers; i++) {
        const CLayerCost *c = &cost->layer[i];
        const GraphTensor *y = &g->tensor[c->node->output];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", c->node->name);
        cJSON_AddStringToObject(item, "op", node_type(c->node)->name);
        cJSON_AddItemToObject(item, "output", cJSON_CreateIntArray((int[]){y->h, y->w, y->c}, 3));
        cJSON_AddNumberToObject(item, "macs", (double)c->macs);
        if (c->weight_width > 0) cJSON_AddNumberToObject(item, "weight_bits", c->weight_width);
        cJSON_AddNumberToObject(item, "weight_bytes", (double)c->weight_bytes);
        cJSON_AddNumberToObject(item, "bias_bytes", (double)c->bias_bytes);
        cJSON_AddNumberToObject(item, "multiplier_bytes", (double)c->multiplier_bytes);
        cJSON_AddNumberToObject(item, "arena_bytes", (double)c->alive_bytes);
        cJSON_AddNumberToObject(item, "cycles", round(c->cycles));
        cJSON_AddItemToArray(list, item);
    }
    cJSON_AddNumberToObject(json, "macs", (double)cost->macs);
    cJSON_AddNumberToObject(json, "cycles", round(cost->cycles));
    cJSON_AddNumberToObject(json, "pixel_table_bytes", (double)cost->pixel_table_bytes);
    cJSON_AddNumberToObject(json, "flash_bytes", (double)cost->flash_bytes);
    cJSON_AddNumberToObject(json, "arena_bytes", (double)cost->arena_bytes);
    cJSON_AddNumberToObject(json, "input_bytes", (double)cost->input_bytes);
    cJSON_AddNumberToObject(json, "output_bytes", (double)cost->output_bytes);
    return json;
}
