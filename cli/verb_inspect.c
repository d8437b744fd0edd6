/* inspect: what a model is made of and what its int8 deployment needs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/inspect_graph.h"
#include "cli/inspect_target.h"
#include "compress/weight_channels.h"
#include "deploy/lower.h"
#include "graph/node.h"
#include "graph/plan.h"
#include "train/transfer.h"

enum { HISTOGRAM_CELLS = 24 };

/* Counts as a row of blocks, the tallest full. */
static void print_histogram(const float *w, long n)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    long count[HISTOGRAM_CELLS] = {0}, most = 1;
    float max_magnitude = 1e-12f;
    for (long i = 0; i < n; i++) max_magnitude = fmaxf(max_magnitude, fabsf(w[i]));
    for (long i = 0; i < n; i++) {
        int b = (int)((w[i] / max_magnitude + 1.0f) * 0.5f * HISTOGRAM_CELLS);
        count[b < 0 ? 0 : b >= HISTOGRAM_CELLS ? HISTOGRAM_CELLS - 1 : b]++;
    }
    for (int b = 0; b < HISTOGRAM_CELLS; b++) most = count[b] > most ? count[b] : most;
    cli_print("%9.4f ", -(double)max_magnitude);
    for (int b = 0; b < HISTOGRAM_CELLS; b++)
        fputs(blocks[count[b] == 0 ? 0 : 1 + (int)((double)count[b] / (double)most * 7.0)], stdout);
    cli_print(" %.4f", (double)max_magnitude);
}

/* How many codes the layer's weights may have and have; of affine weights and groups, whose codes are multiplied, and of
 * floats nothing: false. */
static bool count_codes(const Layer *l, const Node *n, int *all, int *used)
{
    if (l->weight_q == NULL || n == NULL || n->weights == NULL || l->weight_q->qp.zero != NULL ||
        n->weight_zero_point != NULL || n->weight_multiple != NULL)
        return false;
    bool has[256] = {false};
    const QuantParams *qp = &l->weight_q->qp;
    *all = qp->levels > 0 ? qp->levels : qp->qmax - qp->qmin + 1;
    *used = 0;
    for (long i = 0; i < node_weights(n); i++) {
        *used += !has[n->weights[i] + 128];
        has[n->weights[i] + 128] = true;
    }
    return true;
}

/* The graph of a model that has no ranges yet, for its sizes only.  Each activation gets a range that its neighbours do
 * not have, so that no input of a concat happens to be on its grid already: the graph is the largest that training can
 * end in.  No image runs: one may be of any size. */
static Status size_graph(Arena *arena, const Config *config, const Model *from, Graph **graph)
{
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1);
    *quant = ptq_quant_config(arena, &config->quant);
    Model *m;
    TRY(experiment_model(arena, config, quant, NULL, &m));
    model_transfer(arena, m, from, -1, NULL);
    for (int i = 0; i < m->quantizers; i++) {
        Quantizer *q = m->quantizer[i];
        const float most = 4.0f + 0.25f * (float)(i % 16);
        if (!q->is_weight) quantizer_start(q, q->goal.is_signed ? -most : 0.0f, most);
    }
    return model_lower(arena, m, (Rounding)quant->rounding, graph);
}

static void inspect_text(Arena *arena, const Model *m, const Graph *g, bool real, bool trained)
{
    long macs = 0;
    cli_print("%-18s %-17s %14s %9s %11s  %-20s %s\n", "layer", "type", "output", "weights", "MACs", "kernel",
              real ? "bits W/A  scale       zero  range                    largest sum" : "");
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        char shape[48];
        snprintf(shape, sizeof shape, "%dx%dx%d", l->out.h, l->out.w, l->out.c);
        const char *kernel = layer_kernel(arena, l, real && (!l->in_floats || l->input_dynamic));
        cli_print("%-18s %-17s %14s %9ld %11ld  %-20s", l->name, l->type->name, shape,
                  l->weight == NULL ? 0 : l->weight->count, layer_macs(l), kernel == NULL ? "" : kernel);
        macs += layer_macs(l);
        const int named = graph_node_named(g, l->name);
        const Node *node = named < 0 ? NULL : &g->node[named];
        if (real && node != NULL) inspect_print_grid(g, node);
        cli_print("\n");
    }
    cli_print(
        "\n%ld parameters, %ld MACs an image\nint8 deployment%s: flash %zu bytes (weights, biases, scales), RAM %zu "
        "bytes "
        "(activations)\nkernels: %s\n",
        model_parameters(m), macs, real ? "" : " (as configured; ranges are not trained yet)", graph_flash_bytes(g),
        graph_arena_bytes(g), kernels()->isa);
    if (!m->exact_pixels)
        cli_print(
            "note: the image's codes are not the pixels; one mean and std with 255 * mean an integer makes them so\n");
    if (real) inspect_print_warnings(arena, g);
    if (!trained) return;
    cli_print("\nweights; ranges of channels: the largest over the median\n");
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->weight == NULL) continue;
        cli_print("  %-18s ", l->name);
        print_histogram(l->weight->x, l->weight->count);
        const int named = graph_node_named(g, l->name);
        int all, used;
        if (layer_multiplies(l)) cli_print("  ranges of channels %.1f", weight_range_ratio(arena, &m->layer[i]));
        if (real && count_codes(l, named < 0 ? NULL : &g->node[named], &all, &used))
            cli_print(", codes unused %d of %d", all - used, all);
        cli_print("\n");
    }
}

static void inspect_json(Arena *arena, const Model *m, const Graph *g, bool real, bool trained)
{
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "layers");
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", l->name);
        cJSON_AddStringToObject(item, "type", l->type->name);
        cJSON_AddItemToObject(item, "output", cJSON_CreateIntArray((int[]){l->out.h, l->out.w, l->out.c}, 3));
        cJSON_AddNumberToObject(item, "weights", l->weight == NULL ? 0.0 : (double)l->weight->count);
        cJSON_AddNumberToObject(item, "macs", (double)layer_macs(l));
        if (l->type->kernels != NULL) {
            cJSON_AddStringToObject(item, "kernel_float", layer_kernel(arena, l, false));
            cJSON_AddStringToObject(item, "kernel_int8", layer_kernel(arena, l, true));
        }
        const int named = graph_node_named(g, l->name);
        const Node *node = named < 0 ? NULL : &g->node[named];
        int all, used;
        if (trained && layer_multiplies(l))
            cJSON_AddNumberToObject(item, "channel_range_ratio", weight_range_ratio(arena, &m->layer[i]));
        if (real && count_codes(l, node, &all, &used)) {
            cJSON_AddNumberToObject(item, "codes", all);
            cJSON_AddNumberToObject(item, "unused_codes", all - used);
        }
        if (real && node != NULL) inspect_add_grid(g, node, item);
        cJSON_AddItemToArray(list, item);
    }
    if (real) inspect_add_warnings(arena, g, json);
    cJSON_AddNumberToObject(json, "parameters", (double)model_parameters(m));
    cJSON_AddNumberToObject(json, "flash_bytes", (double)graph_flash_bytes(g));
    cJSON_AddNumberToObject(json, "arena_bytes", (double)graph_arena_bytes(g));
    cJSON_AddStringToObject(json, "isa", kernels()->isa);
    cli_print_json(arena, json);
}

static Status run_inspect(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    const char *path = o->argument[0];
    OpenModel open = {0};
    Graph *graph = NULL;
    if (file_ends(path, ".json")) {
        Config *config;
        TRY(config_read(arena, path, o->sets, &config));
        open.config = config;
        TRY(experiment_model(arena, config, NULL, NULL, &open.model));
        model_init(open.model, config->seed);
    } else {
        TRY(any_open(arena, path, o->sets, &open, &graph));
    }
    const bool real = graph != NULL, trained = real || open.state.steps > 0;
    if (!real) TRY(size_graph(arena, open.config, open.model, &graph));
    if (o->target != NULL) return inspect_target(arena, o, graph);
    if (open.model->layers == 0)
        inspect_graph(arena, o, graph);
    else if (o->json)
        inspect_json(arena, open.model, graph, real, trained);
    else
        inspect_text(arena, open.model, graph, real, trained);
    return STATUS_OK;
}

const Verb verb_inspect = {
    "inspect", "MODEL|CONFIG", "Layers, shapes, MACs, bits, scales, and what an int8 deployment needs", "sg", 1,
    1,         run_inspect};
