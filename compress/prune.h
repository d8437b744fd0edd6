/* Removes groups of channels from a network: what is left is an ordinary smaller one. */
#ifndef BITFOLD_COMPRESS_PRUNE_H
#define BITFOLD_COMPRESS_PRUNE_H

#include "compress/channel_groups.h"

/* left[layers] = how many channels of each layer's output are not in a group that is removed[groups->n]; removed NULL: none
 * is. */
void channels_left(const ChannelGroups *groups, const bool *removed, int *left);

/* What one image takes with so many channels left[layers] in each layer: multiplications, weights, and values of all outputs
 * of layers together. */
typedef struct {
    double macs, weights, values;
} ChannelCost;
ChannelCost channel_cost(const Model *m, const int *left);

/* The config's list of layers, `layers`, with as many channels in each layer as are left; in the arena.  Names and inputs
 * stay. */
const cJSON *pruned_layers(Arena *arena, const ChannelGroups *groups, const bool *removed, const cJSON *layers);

/* Copies parameters and batch norm's statistics of the channels that are left to `to`, a float model of pruned_layers, and
 * with them names and scale of the outputs. */
void prune_copy(const ChannelGroups *groups, const bool *removed, Model *to);

#endif
