#include "search/space_latency.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "graph/engine.h"
#include "kernels/kernels.h"
#include "quant/quant_config.h"

enum { WARM_UP = 10, LEAST_RUNS = 101, MOST_RUNS = 4000 };
static const double RUN_SECONDS = 0.15;

static Cost *cost_at(SearchSpace *space, int layer, int weights, int outputs)
{
    return &space->cost[(layer * space->formats.n + weights) * space->formats.n + outputs];
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

typedef struct {
    double *node; /* [nodes] medians, in seconds */
    double rest;  /* of a run that is no node's */
} Times;

/* Runs by one thread; a run's nodes are timed in the run itself, with the caches as they are there. */
static Status time_graph(Arena *arena, const Judge *judge, const Graph *g, Times *times)
{
    Engine *engine;
    TRY(engine_create_planned(arena, g, &engine));
    int8_t *codes = arena_alloc(arena, judge->sample.image_bytes);
    void *logits = arena_alloc(arena, graph_tensor_bytes(&g->tensor[g->output]));
    double *seconds = ARENA_ARRAY(arena, double, g->nodes), *all = ARENA_ARRAY(arena, double, MOST_RUNS);
    double *of_node = ARENA_ARRAY(arena, double, (size_t)g->nodes *MOST_RUNS), sum = 0.0;
    int n = 0;
    for (int i = -WARM_UP; n < LEAST_RUNS || (sum < RUN_SECONDS && n < MOST_RUNS); i++) {
        const double start = timing_seconds();
        graph_quantize_pixels(g, judge->sample.pixels, 1, codes);
        engine_run_timed(engine, codes, logits, seconds);
        if (i < 0) continue;
        sum += all[n] = timing_seconds() - start;
        for (int k = 0; k < g->nodes; k++) of_node[(size_t)k * MOST_RUNS + (size_t)n] = seconds[k];
        n++;
    }
    times->node = ARENA_ARRAY(arena, double, g->nodes);
    times->rest = timing_median(all, n);
    for (int k = 0; k < g->nodes; k++) {
        times->node[k] = timing_median(of_node + (size_t)k * MOST_RUNS, n);
        times->rest -= times->node[k];
    }
    times->rest = fmax(times->rest, 0.0);
    return STATUS_OK;
}

/* The first pair that the engine computes as it does this one. */
static bool alike(const SearchSpace *space, int a, int b)
{
    const Format p = quant_choice_format(space->formats.at[a]), q = quant_choice_format(space->formats.at[b]);
    const bool wide_p = quant_bits(space->formats.at[a], 8) > 8, wide_q = quant_bits(space->formats.at[b], 8) > 8;
    return p == q && wide_p == wide_q;
}

static int stands_for(const SearchSpace *space, int format)
{
    for (int f = 0; f < format; f++)
        if (alike(space, f, format)) return f;
    return format;
}

static Status measure_pair(const Judge *judge, SearchSpace *space, int weights, int outputs)
{
    const FormatGroups *g = &space->s->groups;
    Arena *own = arena_create();
    const FormatChoice choice = format_choice(own, g, space->formats.at[weights], space->formats.at[outputs]);
    Candidate c;
    Times times;
    Status status = judge_make(judge, own, g, &choice, &c);
    if (status == STATUS_OK) status = time_graph(own, judge, c.graph, &times);
    for (int i = 0; i < c.graph->nodes && status == STATUS_OK; i++) {
        const int layer = space_layer_of_node(own, space, c.model, c.graph->node[i].name);
        if (layer < 0)
            times.rest += times.node[i];
        else
            cost_at(space, layer, weights, outputs)->of[COST_LATENCY] += 1e6 * times.node[i];
    }
    if (status == STATUS_OK && weights == 0 && outputs == 0) space->fixed.of[COST_LATENCY] = 1e6 * times.rest;
    arena_destroy(own);
    return status;
}

static Status measure(const Judge *judge, SearchSpace *space, const LatencyJob *job)
{
    for (int w = 0; w < space->formats.n; w++)
        for (int a = 0; a < space->formats.n; a++) {
            const int as_w = stands_for(space, w), as_a = stands_for(space, a);
            if (job->stop != NULL && *job->stop != 0)
                return status_fail(STATUS_INTERRUPTED, "stopped while layers were timed");
            if (as_w == w && as_a == a) TRY(measure_pair(judge, space, w, a));
            for (int i = 0; i < space->s->groups.layers; i++)
                cost_at(space, i, w, a)->of[COST_LATENCY] = cost_at(space, i, as_w, as_a)->of[COST_LATENCY];
        }
    return STATUS_OK;
}

/* ---- the file -------------------------------------------------------------------------------------------------------- */

static Status write_file(const SearchSpace *space, const LatencyJob *job)
{
    const FormatGroups *g = &space->s->groups;
    const int n = space->formats.n;
    Arena *own = arena_create();
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "digest", job->digest);
    cJSON_AddStringToObject(json, "machine", job->machine);
    cJSON_AddStringToObject(json, "isa", job->isa);
    cJSON *formats = cJSON_AddArrayToObject(json, "formats");
    for (int f = 0; f < n; f++) cJSON_AddItemToArray(formats, cJSON_CreateString(format_choices[space->formats.at[f]]));
    json_add_number(json, "rest_us", space->fixed.of[COST_LATENCY]);
    cJSON *layers = cJSON_AddArrayToObject(json, "layers");
    double *us = ARENA_ARRAY(own, double, n *n);
    for (int i = 0; i < g->layers; i++) {
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddStringToObject(layer, "layer", g->layer[i].name);
        for (int k = 0; k < n * n; k++) us[k] = space_cost(space, i, k / n, k % n)->of[COST_LATENCY];
        cJSON_AddItemToObject(layer, "us", cJSON_CreateDoubleArray(us, n * n));
        cJSON_AddItemToArray(layers, layer);
    }
    const char *text = json_print(own, json);
    cJSON_Delete(json);
    const Status status = file_write(own, job->path, text, strlen(text));
    arena_destroy(own);
    return status;
}

/* Whether the file has the times of this space. */
static bool take(Arena *arena, const cJSON *json, SearchSpace *space, LatencyJob *job)
{
    const int n = space->formats.n;
    const cJSON *digest = json_get(json, "digest"), *machine = json_get(json, "machine"), *isa = json_get(json, "isa");
    const cJSON *layers = json_get(json, "layers");
    const double rest = json_number(json, "rest_us");
    if (!cJSON_IsString(digest) || strcmp(digest->valuestring, job->digest) != 0 || !cJSON_IsString(machine) ||
        !cJSON_IsString(isa) || cJSON_GetArraySize(layers) != space->s->groups.layers || !isfinite(rest))
        return false;
    const cJSON *layer = layers->child;
    for (int i = 0; i < space->s->groups.layers; i++, layer = layer->next) {
        const cJSON *us = json_get(layer, "us");
        if (cJSON_GetArraySize(us) != n * n) return false;
        const cJSON *item = us->child;
        for (int k = 0; k < n * n; k++, item = item->next) {
            if (!cJSON_IsNumber(item) || item->valuedouble < 0.0) return false;
            cost_at(space, i, k / n, k % n)->of[COST_LATENCY] = item->valuedouble;
        }
    }
    space->fixed.of[COST_LATENCY] = rest;
    job->machine = arena_strdup(arena, machine->valuestring);
    job->isa = arena_strdup(arena, isa->valuestring);
    return true;
}

Status space_latency(Arena *arena, const Judge *judge, SearchSpace *space, LatencyJob *job)
{
    cJSON *json = NULL;
    if (file_exists(job->path)) TRY(json_read(arena, job->path, &json));
    const bool known = json != NULL && take(arena, json, space, job);
    cJSON_Delete(json);
    space->timed = true;
    job->measured = !known;
    if (known) return STATUS_OK;
    for (int i = 0; i < space->s->groups.layers * space->formats.n * space->formats.n; i++)
        space->cost[i].of[COST_LATENCY] = 0.0;
    job->machine = machine_cpu(arena);
    job->isa = kernels()->isa;
    const int threads = parallel_threads();
    parallel_set_threads(1);
    const Status status = measure(judge, space, job);
    parallel_set_threads(threads);
    TRY(status);
    return write_file(space, job);
}
