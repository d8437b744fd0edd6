#include "search/cost.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/c/c_cost.h"
#include "graph/node_levels.h"

const CostType cost_types[COSTS] = {[COST_FLASH] = {"flash", "flash_bytes", "flash", true},
                                    [COST_RAM] = {"ram", "ram_bytes", "RAM", true},
                                    [COST_CYCLES] = {"cycles", "cycles", "instructions", false},
                                    [COST_BOPS] = {"bops", "bops", "bit operations", false},
                                    [COST_LATENCY] = {"latency", "latency_us", "latency", false}};

static int bits_of_format(Format format) { return 8 * (int)format_bytes(format); }

static double bit_operations(const Graph *g, const Node *n)
{
    const GraphTensor *x = &g->tensor[n->input[0]];
    const int reads = graph_tensor_is_float(x) ? bits_of_format(x->format) : x->bits;
    const int meets = n->input_bits > 0 ? n->input_bits : reads;
    const int weight = n->weight_format == FORMAT_INT8 ? node_weight_width(n) : bits_of_format(n->weight_format);
    return (double)node_macs(g, n) * meets * weight;
}

static Cost node_cost(const Graph *g, const CLayerCost *c)
{
    const Node *n = c->node;
    return (Cost){{[COST_FLASH] = (double)(c->weight_bytes + c->bias_bytes + c->multiplier_bytes),
                   [COST_CYCLES] = c->cycles,
                   [COST_BOPS] = node_has_weights(n) ? bit_operations(g, n) : 0.0}};
}

Cost network_cost(Arena *arena, const Graph *g, Cost *of_node)
{
    const Plan plan = c_plan_make(arena, g);
    const CCost all = c_cost(arena, g, &plan);
    Cost cost = {{[COST_FLASH] = (double)all.pixel_table_bytes, [COST_RAM] = (double)all.arena_bytes}};
    for (int i = 0; i < all.layers; i++) {
        const Cost one = node_cost(g, &all.layer[i]);
        for (int k = 0; k < COSTS; k++) cost.of[k] += one.of[k];
        if (of_node != NULL) of_node[all.layer[i].node - g->node] = one;
    }
    return cost;
}

/* With a unit, which a number of seconds needs. */
static Status read_time(const char *text, double *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1.0}, {"ms", 1e3}, {"s", 1e6}};
    char *end;
    errno = 0;
    *us = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0] && errno == 0 && end != text; i++) {
        if (strcmp(end, units[i].name) != 0) continue;
        *us *= units[i].us;
        if (isfinite(*us) && *us > 0.0) return STATUS_OK;
    }
    return status_fail(STATUS_CONFIG, "--%s: \"%s\"; must be a time above 0, as 500us, 0.5ms or 1s",
                       cost_types[COST_LATENCY].name, text);
}

Status cost_read(CostKind kind, const char *text, double *value)
{
    if (kind == COST_LATENCY) return read_time(text, value);
    const CostType *type = &cost_types[kind];
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    const double thousand = type->binary ? 1024.0 : 1000.0;
    const bool kilo = *end == 'K' || *end == 'k';
    if (kilo || *end == 'M' || *end == 'G') {
        *value *= kilo ? thousand : *end == 'M' ? thousand * thousand : thousand * thousand * thousand;
        end++;
    }
    if (type->binary && *end == 'i' && end[1] == 'B') end++;
    if (type->binary && *end == 'B') end++;
    if (errno == 0 && end != text && *end == '\0' && isfinite(*value) && *value > 0.0) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "--%s: \"%s\"; must be a number above 0, as 20000, 32K or 1.5M", type->name,
                       text);
}

char *cost_text(Arena *arena, CostKind kind, double value)
{
    if (cost_types[kind].binary) return arena_printf(arena, "%.1f KiB", value / 1024.0);
    if (kind == COST_LATENCY)
        return arena_printf(arena, value >= 1e4 ? "%.1f ms" : "%.1f us", value >= 1e4 ? value / 1e3 : value);
    if (value >= 1e9) return arena_printf(arena, "%.2fG", value / 1e9);
    if (value >= 1e6) return arena_printf(arena, "%.2fM", value / 1e6);
    return arena_printf(arena, "%.0fK", value / 1e3);
}
