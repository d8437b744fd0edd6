#include "cli/inspect_graph.h"

#include <stdio.h>

#include "deploy/runtime_limits.h"
#include "kernels/kernels.h"
#include "graph/node_levels.h"
#include "graph/plan.h"

/* Of a signed integer that holds -v .. v. */
static int signed_bits(int64_t v)
{
    int bits = 1;
    for (; v > 0; v /= 2) bits++;
    return bits;
}

void inspect_print_warnings(Arena *arena, const Graph *g)
{
    for (int i = 0; i < g->nodes; i++) {
        const char *warning = node_runtime_warning(arena, g, &g->node[i]);
        if (warning != NULL) cli_print("warning: %s: %s\n", g->node[i].name, warning);
    }
}

void inspect_add_warnings(Arena *arena, const Graph *g, cJSON *json)
{
    cJSON *list = cJSON_AddArrayToObject(json, "warnings");
    for (int i = 0; i < g->nodes; i++) {
        const char *warning = node_runtime_warning(arena, g, &g->node[i]);
        if (warning == NULL) continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "layer", g->node[i].name);
        cJSON_AddStringToObject(item, "warning", warning);
        cJSON_AddItemToArray(list, item);
    }
}

void inspect_print_grid(const Graph *g, const Node *n)
{
    const GraphTensor *y = &g->tensor[n->output];
    if (graph_tensor_is_float(y)) {
        const char *weights = !node_has_weights(n)                ? "-"
                              : format_is_float(n->weight_format) ? format_names[n->weight_format]
                                                                  : "int8";
        cli_print(" %4s/%s", weights, format_names[y->format]);
        if (n->input_bits > 0) cli_print("  input %d bits, on a grid found at run time", n->input_bits);
        return;
    }
    char width[8] = "-", sum[32] = "";
    if (node_has_weights(n)) {
        const int64_t most = node_largest_sum(g, n);
        snprintf(width, sizeof width, "%d", node_weight_width(n));
        snprintf(sum, sizeof sum, "%lld (%d bits)", (long long)most, signed_bits(most));
    }
    cli_print(" %4s/%d  %-10.5g %5d  [%.4g, %.4g]%4s%s", width, y->bits, (double)y->scale, y->zero_point,
              (double)y->scale * (y->qmin - y->zero_point), (double)y->scale * (y->qmax - y->zero_point), "", sum);
}

void inspect_add_grid(const Graph *g, const Node *n, cJSON *item)
{
    const GraphTensor *y = &g->tensor[n->output];
    if (graph_tensor_is_float(y)) {
        if (node_has_weights(n)) cJSON_AddStringToObject(item, "weight_format", format_names[n->weight_format]);
        if (node_has_weights(n) && n->weight_bits > 0)
            cJSON_AddNumberToObject(item, "weight_bits", node_weight_width(n));
        if (n->input_bits > 0) cJSON_AddNumberToObject(item, "input_bits", n->input_bits);
        cJSON_AddStringToObject(item, "format", format_names[y->format]);
        return;
    }
    if (node_has_weights(n)) {
        const int64_t most = node_largest_sum(g, n);
        cJSON_AddNumberToObject(item, "weight_bits", node_weight_width(n));
        cJSON_AddNumberToObject(item, "largest_sum", (double)most);
        cJSON_AddNumberToObject(item, "sum_bits", signed_bits(most));
    }
    cJSON_AddNumberToObject(item, "act_bits", y->bits);
    cJSON_AddNumberToObject(item, "scale", (double)y->scale);
    cJSON_AddNumberToObject(item, "zero_point", y->zero_point);
}

static void text(Arena *arena, const Graph *g)
{
    long macs = 0, weights = 0;
    cli_print("%-18s %-17s %14s %9s %11s  bits W/A  scale       zero  range                    largest sum\n", "node",
              "op", "output", "weights", "MACs");
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        const GraphTensor *y = &g->tensor[n->output];
        char shape[48];
        snprintf(shape, sizeof shape, "%dx%dx%d", y->h, y->w, y->c);
        cli_print("%-18s %-17s %14s %9ld %11ld ", n->name, node_type(n)->name, shape, node_weights(n), node_macs(g, n));
        inspect_print_grid(g, n);
        cli_print("\n");
        macs += node_macs(g, n);
        weights += node_weights(n);
    }
    cli_print(
        "\n%ld weights, %ld MACs an image\nint8 deployment: flash %zu bytes (weights, biases, scales), RAM %zu bytes "
        "(activations)\nrounding: %s\n",
        weights, macs, graph_flash_bytes(g), graph_arena_bytes(g), rounding_names[g->rounding]);
    inspect_print_warnings(arena, g);
}

static void json(Arena *arena, const Graph *g)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "nodes");
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        const GraphTensor *y = &g->tensor[n->output];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", n->name);
        cJSON_AddStringToObject(item, "op", node_type(n)->name);
        cJSON_AddItemToObject(item, "output", cJSON_CreateIntArray((int[]){y->h, y->w, y->c}, 3));
        cJSON_AddNumberToObject(item, "weights", (double)node_weights(n));
        cJSON_AddNumberToObject(item, "macs", (double)node_macs(g, n));
        inspect_add_grid(g, n, item);
        cJSON_AddItemToArray(list, item);
    }
    inspect_add_warnings(arena, g, root);
    cJSON_AddStringToObject(root, "rounding", rounding_names[g->rounding]);
    cJSON_AddNumberToObject(root, "flash_bytes", (double)graph_flash_bytes(g));
    cJSON_AddNumberToObject(root, "arena_bytes", (double)graph_arena_bytes(g));
    cli_print_json(arena, root);
}

void inspect_graph(Arena *arena, const Options *o, const Graph *g)
{
    if (o->json)
        json(arena, g);
    else
        text(arena, g);
}
