/* Which channels of a network can only be removed together.
 *
 * A channel of a layer's output is read by others, added to channels of other layers, multiplied, joined, flattened: what
 * must go with it follows from the rule of each layer (LayerType.channels).  A group is a set of such channels, over all
 * layers; a network without it is one whose layers have fewer channels and compute the rest as before. */
#ifndef BITFOLD_COMPRESS_CHANNEL_GROUPS_H
#define BITFOLD_COMPRESS_CHANNEL_GROUPS_H

#include "layers/model.h"

typedef struct {
    const Model *m;
    int n;    /* groups */
    int **of; /* [1 + layers][channels]: the group of each channel of the image, [0], and of layer i, [1 + i] */
    const char *
        *keeps;   /* [n] why the group cannot go, "layer \"logits\": its outputs are the network's"; NULL: it can */
    int *members; /* [n][layers]: how many channels of each layer's output are in a group */
} ChannelGroups;

/* The groups of a float model, in the order of their first channels; in the arena.  Kept are what the image and the
 * outputs are made of, and channels of layers that are frozen, convolve in groups, or are of a type without a rule. */
ChannelGroups channel_groups(Arena *arena, const Model *m);

static inline int group_members(const ChannelGroups *g, int group, int layer)
{
    return g->members[(long)group * g->m->layers + layer];
}

/* Whether the layer makes channels by weights of its own, which are among its members where it is of the group. */
bool layer_makes_channels(const Layer *l);

/* The groups of the channels of a layer's k-th input. */
static inline const int *input_groups(const ChannelGroups *g, const Layer *l, int k) { return g->of[1 + l->input[k]]; }

#endif
