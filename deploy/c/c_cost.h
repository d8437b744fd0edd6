/* What a model costs as C: flash by layer, RAM as it runs, multiplications. */
#ifndef BITFOLD_DEPLOY_C_C_COST_H
#define BITFOLD_DEPLOY_C_C_COST_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "deploy/c/c_plan.h"

typedef struct {
    const Node *node;
    long macs;
    int weight_width;    /* bits of a weight in flash (c_weight_width); 0: no weights */
    size_t weight_bytes; /* packed, with their levels; 256 of a table */
    size_t bias_bytes;   /* int32 or float each; on int16 codes int64 */
    /* int32 and int8 each; on int16 codes int16 and int8; in floats a scale each, where the weights are codes. */
    size_t multiplier_bytes;
    size_t alive_bytes; /* of the arena while it runs */
    double cycles;      /* instructions of a Cortex-M4, as deploy/c/c_cycles.h counts them */
} CLayerCost;

typedef struct {
    int layers; /* nodes that run */
    const CLayerCost *layer;
    long macs;
    size_t pixel_table_bytes;
    size_t flash_bytes; /* weights, biases, multipliers, tables: the kernels' own code comes on top */
    size_t arena_bytes, input_bytes, output_bytes;
    double cycles; /* of all layers */
} CCost;

CCost c_cost(Arena *arena, const Graph *g, const Plan *plan);

/* Entries of the table of levels, one for each index (c_has_levels). */
size_t c_level_count(const Node *n);

/* Camera bytes to codes: no table where a code is its byte - 128, one for all channels, or one for each. */
typedef struct {
    int tables;
    int8_t (*code)[256]; /* [channels] */
} CPixels;

CPixels c_pixels(Arena *arena, const Graph *g);

/* The text, fit for a C comment. */
char *c_comment(Arena *arena, const char *text);

/* The table, one layer a line, each line after `margin`; then the totals.  cycles: with the instructions. */
void c_cost_print(Arena *arena, const Graph *g, const CCost *cost, const char *margin, bool cycles, FILE *out);
cJSON *c_cost_json(const Graph *g, const CCost *cost); /* the caller frees it */

#endif
