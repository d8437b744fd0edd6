#include "compress/channel_groups.h"

/* Channels of all tensors in one row, joined into sets by pointing at each other. */
typedef struct {
    Arena *arena;
    const Model *m;
    int *first; /* [1 + layers] where the channels of the image, and of each layer, begin */
    int *parent;
    const char **keeps; /* of a set's root */
} Sets;

static int root_of(const Sets *s, int channel)
{
    while (s->parent[channel] != channel) {
        s->parent[channel] = s->parent[s->parent[channel]];
        channel = s->parent[channel];
    }
    return channel;
}

/* The smaller index is the root. */
static void join(Sets *s, int a, int b)
{
    a = root_of(s, a), b = root_of(s, b);
    if (a == b) return;
    const int root = a < b ? a : b, other = a < b ? b : a;
    s->parent[other] = root;
    if (s->keeps[root] == NULL) s->keeps[root] = s->keeps[other];
}

static void keep(Sets *s, int tensor, int channels, const char *why)
{
    for (int c = 0; c < channels; c++) {
        const int root = root_of(s, s->first[tensor] + c);
        if (s->keeps[root] == NULL) s->keeps[root] = why;
    }
}

bool layer_makes_channels(const Layer *l)
{
    return l->type->channels == CHANNELS_OWN || l->type->channels == CHANNELS_EACH;
}

/* A convolution in groups: its weights read a part of the channels. */
static bool reads_a_part(const Layer *l)
{
    if (l->type->channels != CHANNELS_OWN) return false;
    const Shape *w = &l->weight->shape;
    return w->rank == 4 && w->dim[3] != l->in[0].c;
}

static bool reads_freely(const Layer *l) { return l->type->channels != CHANNELS_UNKNOWN && !reads_a_part(l); }

/* Why the channels that the layer gives cannot go, nor, unless it reads_freely, those it reads; NULL: they can. */
static const char *obstacle(const Sets *s, const Layer *l)
{
    const char *name = layer_given_name(l);
    if (l->type->channels == CHANNELS_UNKNOWN)
        return arena_printf(s->arena, "layer \"%s\": no channel of what a layer %s reads or gives can be removed", name,
                            l->type->name);
    if (!reads_freely(l)) return arena_printf(s->arena, "layer \"%s\": convolves in groups", name);
    if (layer_makes_channels(l) && l->frozen) return arena_printf(s->arena, "layer \"%s\": is frozen", name);
    return NULL;
}

static void join_layer(Sets *s, int i)
{
    const Layer *l = &s->m->layer[i];
    const int out = s->first[1 + i], in = s->first[1 + l->input[0]], C = l->in[0].c;
    const char *why = obstacle(s, l);
    if (why != NULL) {
        keep(s, 1 + i, l->out.c, why);
        for (int k = 0; k < l->inputs && !reads_freely(l); k++) keep(s, 1 + l->input[k], l->in[k].c, why);
    }
    switch (l->type->channels) {
    case CHANNELS_UNKNOWN:
    case CHANNELS_OWN:
        break;
    case CHANNELS_EACH:
        for (int c = 0; c < l->out.c; c++) join(s, out + c, in + c / (l->out.c / C));
        break;
    case CHANNELS_SAME:
        for (int k = 0; k < l->inputs; k++)
            for (int c = 0; c < l->out.c; c++) join(s, out + c, s->first[1 + l->input[k]] + c);
        break;
    case CHANNELS_JOINED:
        for (int k = 0, at = out; k < l->inputs; at += l->in[k++].c)
            for (int c = 0; c < l->in[k].c; c++) join(s, at + c, s->first[1 + l->input[k]] + c);
        break;
    case CHANNELS_FLAT:
        for (int c = 0; c < l->out.c; c++) join(s, out + c, in + c % C);
        break;
    }
}

/* Numbers the sets by their roots. */
static ChannelGroups number(Sets *s)
{
    const Model *m = s->m;
    ChannelGroups g = {.m = m, .of = ARENA_ARRAY(s->arena, int *, 1 + m->layers)};
    const int all = s->first[m->layers] + m->layer[m->layers - 1].out.c;
    int *number = ARENA_ARRAY(s->arena, int, all);
    g.keeps = ARENA_ARRAY(s->arena, const char *, all);
    for (int c = 0; c < all; c++) {
        const int root = root_of(s, c);
        if (root == c) g.keeps[g.n] = s->keeps[c], number[c] = g.n++;
        number[c] = number[root];
    }
    for (int t = 0; t <= m->layers; t++) g.of[t] = number + s->first[t];
    g.members = ARENA_ARRAY(s->arena, int, (long)g.n * m->layers);
    for (int i = 0; i < m->layers; i++)
        for (int c = 0; c < m->layer[i].out.c; c++) g.members[(long)g.of[1 + i][c] * m->layers + i]++;
    return g;
}

ChannelGroups channel_groups(Arena *arena, const Model *m)
{
    Sets s = {.arena = arena, .m = m, .first = ARENA_ARRAY(arena, int, 1 + m->layers)};
    int all = m->input.c;
    for (int i = 0; i < m->layers; all += m->layer[i++].out.c) s.first[1 + i] = all;
    s.parent = ARENA_ARRAY(arena, int, all);
    s.keeps = ARENA_ARRAY(arena, const char *, all);
    for (int c = 0; c < all; c++) s.parent[c] = c;
    keep(&s, 0, m->input.c, "the image's channels");
    for (int i = 0; i < m->layers; i++) join_layer(&s, i);
    const Layer *last = &m->layer[m->layers - 1];
    keep(&s, m->layers, last->out.c,
         arena_printf(arena, "layer \"%s\": its outputs are the network's", layer_given_name(last)));
    return number(&s);
}
