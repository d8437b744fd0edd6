/* equalize: cross-layer equalization (Nagel 2019, 1906.04721).
 *
 * Where an activation is positively homogeneous, act(f x) = f act(x) for f > 0, a channel can be scaled down where it is
 * written and up where it is read.  With r1, r2 the ranges of the weights that write and read channel i,
 *     f_i = sqrt(r1_i r2_i) / r1_i
 * makes both sqrt(r1_i r2_i).  A depthwise layer between two others is taken with both (three ranges become their
 * geometric mean); swept until nothing moves.  ReLU6 is homogeneous below 6 alone: a channel is scaled up only as far as
 * the images show that it stays there, and one that reaches 6 is left.
 */
#include <math.h>

#include "compress/ptq_step.h"
#include "compress/weight_channels.h"

typedef struct {
    int sweeps;
    double tolerance;
    bool relu6;
} EqualizeKeys;

const Field ptq_step_equalize_fields[] = {
    {"sweeps", FIELD_INT, offsetof(EqualizeKeys, sweeps), .min = 1, .max = 1000, .def = "20",
     .doc = "passes over all pairs of layers, at most"},
    {"tolerance", FIELD_FLOAT, offsetof(EqualizeKeys, tolerance), .min = 0, .max = 1, .def = "1e-4",
     .doc = "done when no factor is further from 1"},
    {"relu6", FIELD_BOOL, offsetof(EqualizeKeys, relu6), .def = "true",
     .doc = "also through ReLU6, channel by channel, as far as ptq.images show that 6 is not reached; false: not at "
            "all. To have it replaced by ReLU set the layer's activation in the config"},
    FIELD_END};

enum { READERS = 8, BATCH = 128 };

/* A layer, those that read it, and how far each of its channels may be scaled up. */
typedef struct {
    WeightChannels writer, reader[READERS];
    int readers;
    float *most; /* [channels]; INFINITY: any factor, 1: none above or below, where clips are reached */
    bool *fixed; /* [channels] */
} Link;

typedef struct {
    Model *m;
    Link *link; /* [layers]; readers 0: none */
    Arena *arena;
} Links;

static void find_link(Links *links, int i, const EqualizeKeys *keys, const PtqContext *c)
{
    Layer *l = &links->m->layer[i];
    Link *link = &links->link[i];
    if (l->weight == NULL || l->type->real == NULL) return;
    int reader[READERS];
    const char *why = NULL;
    if (l->type->real(l).act.limit < INFINITY && !keys->relu6)
        why = "has a ReLU6, and ptq.equalize.relu6 is false";
    else
        link->readers = weight_readers(links->arena, links->m, i, READERS, reader, &why);
    if (why != NULL) {
        ptq_tell(c, "\"%s\" is left: it %s", l->name, why);
        return;
    }
    link->writer = weight_channels(links->arena, l, l->in[0].c);
    for (int k = 0; k < link->readers; k++)
        link->reader[k] = weight_channels(links->arena, &links->m->layer[reader[k]], l->out.c);
    link->most = ARENA_ARRAY(links->arena, float, l->out.c);
    link->fixed = ARENA_ARRAY(links->arena, bool, l->out.c);
    for (int o = 0; o < l->out.c; o++) link->most[o] = INFINITY;
}

/* largest[layers][channels], of those that are asked for. */
static Status keep_largest(void *context, Model *m, Tape *t, const Tensor *y, const PtqImages *part, int at)
{
    (void)t, (void)y, (void)part, (void)at;
    float *const *largest = context;
    for (int i = 0; i < m->layers; i++) {
        const int C = m->layer[i].out.c;
        const long n = largest[i] == NULL ? 0 : tensor_elements(m->out[i]);
        for (long k = 0; k < n; k++) largest[i][k % C] = fmaxf(largest[i][k % C], m->out[i]->x[k]);
    }
    return STATUS_OK;
}

/* Factors that keep every value that was below 6 there; none for channels that were clipped. */
static Status bound_clipped(Links *links, const PtqContext *c)
{
    Model *m = links->m;
    float **largest = ARENA_ARRAY(links->arena, float *, m->layers);
    bool any = false;
    for (int i = 0; i < m->layers; i++) {
        const Link *link = &links->link[i];
        if (link->readers == 0 || link->writer.op.act.limit == INFINITY) continue;
        largest[i] = ARENA_ARRAY(links->arena, float, m->layer[i].out.c);
        any = true;
    }
    if (!any) return STATUS_OK;
    PtqImages images;
    TRY(ptq_images_pick(links->arena, c->train, c->seed, 0, c->images, &images));
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    TRY(ptq_images_run(m, &mode, &images, BATCH, keep_largest, largest));
    for (int i = 0; i < m->layers; i++) {
        const Link *link = &links->link[i];
        int clipped = 0;
        for (int o = 0; largest[i] != NULL && o < m->layer[i].out.c; o++) {
            const float limit = link->writer.op.act.limit;
            link->fixed[o] = largest[i][o] >= limit;
            clipped += link->fixed[o];
            if (largest[i][o] > 0.0f) link->most[o] = limit / largest[i][o];
        }
        if (clipped > 0)
            ptq_tell(c, "\"%s\": %d of %d channels reach the limit of its ReLU6 and are left", m->layer[i].name,
                     clipped, m->layer[i].out.c);
    }
    return STATUS_OK;
}

/* The factor of channel o as far as it is allowed; the scale that is left is its own. */
static float allowed(Link *link, int o, float f)
{
    if (link->fixed[o] || !(f > 0.0f) || !isfinite(f)) return 1.0f;
    f = fminf(f, link->most[o]);
    link->most[o] /= f;
    return f;
}

static float apply(Arena *arena, Link *link, float *factor)
{
    float furthest = 0.0f;
    float *inverse = ARENA_ARRAY(arena, float, link->writer.by.channels);
    for (int o = 0; o < link->writer.by.channels; o++) {
        factor[o] = allowed(link, o, factor[o]);
        inverse[o] = 1.0f / factor[o];
        furthest = fmaxf(furthest, fmaxf(factor[o], inverse[o]) - 1.0f);
    }
    weight_scale_outputs(&link->writer, factor);
    for (int k = 0; k < link->readers; k++) weight_scale_inputs(&link->reader[k], inverse);
    return furthest;
}

/* The ranges of the weights that read the channels: the largest of all readers. */
static void reader_ranges(Arena *arena, const Link *link, float *range)
{
    const int n = link->writer.by.channels;
    float *one = ARENA_ARRAY(arena, float, n);
    for (int o = 0; o < n; o++) range[o] = 0.0f;
    for (int k = 0; k < link->readers; k++) {
        const WeightChannels now = weight_channels(arena, link->reader[k].l, link->reader[k].inputs);
        weight_input_ranges(&now, one);
        for (int o = 0; o < n; o++) range[o] = fmaxf(range[o], one[o]);
    }
}

/* sqrt of r1 r2, over r1; with a depthwise layer that is read once more the cube root of all three. */
static float equalize_one(Links *links, int i)
{
    Link *link = &links->link[i];
    Arena *arena = arena_create();
    const int n = link->writer.by.channels;
    float *r1 = ARENA_ARRAY(arena, float, n), *r2 = ARENA_ARRAY(arena, float, n), *r3 = ARENA_ARRAY(arena, float, n);
    float *first = ARENA_ARRAY(arena, float, n), *second = ARENA_ARRAY(arena, float, n), furthest;
    const WeightChannels now = weight_channels(arena, link->writer.l, link->writer.inputs);
    weight_output_ranges(&now, r1);
    reader_ranges(arena, link, r2);
    const WeightChannels *next = &link->reader[0];
    Link *last = &links->link[next->l - links->m->layer];
    const bool triple =
        link->readers == 1 && next->op.op == NODE_DWCONV2D && next->by.channels == n && last->readers > 0;
    if (triple) reader_ranges(arena, last, r3);
    for (int o = 0; o < n; o++) {
        const float mean = triple ? cbrtf(r1[o]) * cbrtf(r2[o]) * cbrtf(r3[o]) : sqrtf(r1[o]) * sqrtf(r2[o]);
        first[o] = mean > 0.0f ? mean / r1[o] : 1.0f;
        second[o] = mean > 0.0f && triple ? r3[o] / mean : 1.0f;
    }
    furthest = apply(arena, link, first);
    if (triple) furthest = fmaxf(furthest, apply(arena, last, second));
    arena_destroy(arena);
    return furthest;
}

static Status equalize(Arena *arena, Model *m, const EqualizeKeys *keys, const PtqContext *c)
{
    Links links = {m, ARENA_ARRAY(arena, Link, m->layers), arena};
    int found = 0, sweep = 0;
    for (int i = 0; i < m->layers; i++) {
        find_link(&links, i, keys, c);
        found += links.link[i].readers > 0;
    }
    TRY(bound_clipped(&links, c));
    for (bool moved = found > 0; moved && sweep < keys->sweeps; sweep++) {
        float furthest = 0.0f;
        for (int i = 0; i < m->layers; i++)
            if (links.link[i].readers > 0) furthest = fmaxf(furthest, equalize_one(&links, i));
        moved = (double)furthest > keys->tolerance;
    }
    ptq_tell(c, "%d layer%s equalized with what reads them, %d sweep%s", found, found == 1 ? "" : "s", sweep,
             sweep == 1 ? "" : "s");
    return STATUS_OK;
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const Status status = equalize(arena, m, ptq_keys(arena, &ptq_step_equalize, c), c);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_equalize = {.name = "equalize",
                                   .doc = "scales channels down where they are written and up where they are read, so "
                                          "that weights of both layers span the same (cross-layer equalization)",
                                   .moves_weights = true,
                                   .keeps_function = true,
                                   .fields = ptq_step_equalize_fields,
                                   .config_bytes = sizeof(EqualizeKeys),
                                   .run = run};
