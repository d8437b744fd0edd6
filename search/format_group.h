/* What formats are chosen for: the weights of each layer, and the outputs of layers in groups. */
#ifndef BITFOLD_SEARCH_FORMAT_GROUP_H
#define BITFOLD_SEARCH_FORMAT_GROUP_H

#include "train/config.h"

typedef enum { PART_WEIGHTS, PART_ACTIVATIONS, PART_BOTH } FormatPart;
extern const char *const format_part_names[]; /* in this order, NULL-ended */

/* Layers whose outputs have one format: those that an add, a multiply or a concat reads together, and with each its pools
 * and reshapes, which stay on the grid of what they read.  Most groups are one layer. */
typedef struct {
    const char *name; /* the layers', joined by "+" */
    int layers;
    int *layer;       /* their places in `layers`, rising */
    bool has_weights; /* one of them has */
    bool fixed;       /* its codes have 8 bits whatever is asked for: the logits, or nothing but what a table gives */
} FormatGroup;

/* A layer of the config: with a curve as its activation it is two of the model's. */
typedef struct {
    const char *name;
    int first, last; /* of the model's layers: what has the weights, and what gives the output */
    bool has_weights, has_output;
    int group; /* -1: it has no output of its own */
} FormatLayer;

typedef struct {
    int layers, groups;
    FormatLayer *layer;
    FormatGroup *group;
} FormatGroups;

/* Those of a quantized model; in the arena. */
FormatGroups format_groups(Arena *arena, const Model *m);

/* The layer of the groups that a layer of the model belongs to. */
int format_layer_of(const FormatGroups *groups, int model_layer);

/* Whose grid the output of the model's layer i is on: i, or what its pools and reshapes read; -1: the image's. */
int format_grid_owner(const Model *m, int i);

/* Formats of every layer, as indices into format_choices. */
typedef struct {
    int *weights;     /* [layers] */
    int *activations; /* [groups] */
} FormatChoice;

/* All weights and all outputs in the same formats. */
FormatChoice format_choice(Arena *arena, const FormatGroups *groups, int weights, int activations);

/* Gives a unit of the part, a layer (PART_WEIGHTS) or a group, another format. */
void format_choice_set(const FormatGroups *groups, FormatChoice *choice, FormatPart part, int unit, int format);

/* quant.overrides that say so layer by layer, weights that are to be int16 in int8; what overrides of the config say
 * besides, granularity and quantizers, stays.  For the caller to delete. */
cJSON *format_choice_overrides(const Config *config, const FormatGroups *groups, const FormatChoice *choice);

/* The config with these overrides.  STATUS_CONFIG: what the config refuses. */
Status format_choice_config(Arena *arena, const Config *config, const FormatGroups *groups, const FormatChoice *choice,
                            Config **chosen);

#endif
