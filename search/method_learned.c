/* Widths learned by gradient: each layer's weights are a mixture of what its candidates make of them, in shares that
 * descend along the loss + price x cost; the candidate with the largest share is taken.  Weights themselves stay.
 *
 * Source: Cai and Vasconcelos, "Rethinking differentiable search for mixed-precision neural networks" (CVPR 2020), with
 * the shares as a softmax and Adam (Kingma and Ba 2014). */
#include <math.h>
#include <string.h>

#include "quant/quantizer.h"
#include "search/model_loss.h"
#include "search/price.h"

enum { IMAGES = 256, PRICES = 10, STEPS = 40 };
static const double RATE = 0.2, MOMENT1 = 0.9, MOMENT2 = 0.99;

typedef struct {
    ModelLoss loss;
    Sample sample;     /* of the training images */
    ParamBlock *block; /* [layers] the weights of each */
    double **change;   /* [layers][formats]: what a format adds to the weights; NULL: it cannot be chosen */
    float *x;          /* the weights as they are */
    double *gradient;
} Learned;

static bool learns(const SearchSpace *space, int layer)
{
    return space->chooses[layer] && space->s->groups.layer[layer].has_weights;
}

/* ---- what each format makes of the weights ----------------------------------------------------------------------------- */

static Status add_changes(Arena *arena, const Search *s, Learned *l, const Graph *floats, int f)
{
    const SearchSpace *space = s->space;
    const FormatGroups *g = &space->s->groups;
    Arena *own = arena_create();
    const FormatChoice choice = format_choice(own, g, space->formats.at[f], name_find(format_choices, "float32"));
    Candidate c;
    Status status = judge_make(s->trials->judge, own, g, &choice, &c);
    for (int i = 0; i < g->layers && status == STATUS_OK; i++) {
        if (!learns(space, i) || !isfinite(*space_loss(space, i, f))) continue;
        const Layer *layer = &s->trials->judge->model->layer[g->layer[i].first];
        double *change = ARENA_ARRAY(arena, double, l->block[i].count);
        status = weight_change(layer, floats, c.graph, change);
        l->change[i * space->formats.n + f] = change;
    }
    arena_destroy(own);
    return status;
}

static Status begin(Arena *arena, const Search *s, Learned *l)
{
    const Judge *judge = s->trials->judge;
    const SearchSpace *space = s->space;
    const FormatGroups *g = &space->s->groups;
    TRY(sample_draw(arena, &judge->data->train, IMAGES, judge->config->seed, &l->sample));
    l->block = ARENA_ARRAY(arena, ParamBlock, g->layers);
    for (int i = 0; i < g->layers; i++)
        if (learns(space, i)) l->block[i] = weight_block(&judge->model->layer[g->layer[i].first]);
    l->change = ARENA_ARRAY(arena, double *, g->layers * space->formats.n);
    const int float32 = name_find(format_choices, "float32");
    const FormatChoice all = format_choice(arena, g, float32, float32);
    Candidate floats;
    TRY(judge_make(judge, arena, g, &all, &floats));
    for (int f = 0; f < space->formats.n; f++) TRY(add_changes(arena, s, l, floats.graph, f));
    model_loss_begin(&l->loss, judge->model, &judge->task, &l->sample, s->trials->stop);
    const LossSurface *surface = &l->loss.surface;
    l->gradient = ARENA_ARRAY(arena, double, surface->n);
    l->x =
        memcpy(arena_alloc(arena, sizeof(float) * (size_t)surface->n), surface->x, sizeof(float) * (size_t)surface->n);
    return STATUS_OK;
}

/* ---- descending ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    double *logit, *share, *first, *second; /* [layers][formats]; Adam's moments of the logits' gradients */
} Shares;

static void shares_of(const SearchSpace *space, const Learned *l, int layer, Shares *a)
{
    const int n = space->formats.n;
    double sum = 0.0;
    for (int f = 0; f < n; f++)
        if (l->change[layer * n + f] != NULL) sum += exp(a->logit[layer * n + f]);
    for (int f = 0; f < n; f++)
        a->share[layer * n + f] = l->change[layer * n + f] == NULL ? 0.0 : exp(a->logit[layer * n + f]) / sum;
}

/* The weights of a layer as the mixture of its candidates. */
static void mix(const SearchSpace *space, const Learned *l, int layer, const Shares *a)
{
    const ParamBlock b = l->block[layer];
    for (long i = 0; i < b.count; i++) {
        double d = 0.0;
        for (int f = 0; f < space->formats.n; f++) {
            const double *change = l->change[layer * space->formats.n + f];
            if (change != NULL) d += a->share[layer * space->formats.n + f] * change[i];
        }
        l->loss.surface.x[b.first + i] = (float)((double)l->x[b.first + i] + d);
    }
}

/* What a layer in a format costs at the price, outputs as in `choice`. */
static double priced(const Pricing *p, double price, const int *choice, int layer, int f)
{
    const SearchSpace *space = p->s->space;
    const int group = space->decides[layer];
    const Cost *cost = space_cost(space, layer, f, group < 0 ? 0 : choice[space->s->groups.layers + group]);
    double sum = 0.0;
    for (int i = 0; i < p->costs; i++) sum += price * cost->of[p->cost[i]] / p->unit[i];
    return sum;
}

static void step(const Pricing *p, double price, const int *choice, int layer, int number, Shares *a)
{
    const Learned *l = p->context;
    const int n = p->s->space->formats.n, at = layer * n;
    const ParamBlock b = l->block[layer];
    double slope[64], mean = 0.0;
    for (int f = 0; f < n; f++) {
        slope[f] = 0.0;
        if (l->change[at + f] == NULL) continue;
        for (long i = 0; i < b.count; i++) slope[f] += l->gradient[b.first + i] * l->change[at + f][i];
        slope[f] += priced(p, price, choice, layer, f);
        mean += a->share[at + f] * slope[f];
    }
    for (int f = 0; f < n; f++) {
        if (l->change[at + f] == NULL) continue;
        const double g = a->share[at + f] * (slope[f] - mean); /* of the softmax */
        a->first[at + f] = MOMENT1 * a->first[at + f] + (1.0 - MOMENT1) * g;
        a->second[at + f] = MOMENT2 * a->second[at + f] + (1.0 - MOMENT2) * g * g;
        const double m = a->first[at + f] / (1.0 - pow(MOMENT1, number));
        const double v = a->second[at + f] / (1.0 - pow(MOMENT2, number));
        a->logit[at + f] -= RATE * m / (sqrt(v) + 1e-12);
    }
}

static Status descend(const Pricing *p, double price, const int *choice, Shares *a)
{
    const Learned *l = p->context;
    const SearchSpace *space = p->s->space;
    const LossSurface *surface = &l->loss.surface;
    Status status = STATUS_OK;
    for (int number = 1; number <= STEPS && status == STATUS_OK; number++) {
        for (int i = 0; i < space->s->groups.layers; i++) {
            if (!learns(space, i)) continue;
            shares_of(space, l, i, a);
            mix(space, l, i, a);
        }
        status = surface->gradient(surface->context, l->gradient);
        for (int i = 0; i < space->s->groups.layers && status == STATUS_OK; i++)
            if (learns(space, i)) step(p, price, choice, i, number, a);
    }
    memcpy(surface->x, l->x, sizeof *l->x * (size_t)surface->n);
    return status;
}

static Status choose_learned(Arena *arena, const Pricing *p, double price, int *choice)
{
    const SearchSpace *space = p->s->space;
    const int n = space->formats.n, layers = space->s->groups.layers;
    TRY(price_choose_predicted(arena, p, price, choice)); /* of outputs */
    Shares a = {ARENA_ARRAY(arena, double, layers *n), ARENA_ARRAY(arena, double, layers *n),
                ARENA_ARRAY(arena, double, layers *n), ARENA_ARRAY(arena, double, layers *n)};
    TRY(descend(p, price, choice, &a));
    for (int i = 0; i < layers; i++) {
        if (!learns(space, i)) continue;
        shares_of(space, p->context, i, &a);
        int best = -1;
        for (int f = 0; f < n; f++)
            if (isfinite(*space_loss(space, i, f)) && (best < 0 || a.share[i * n + f] > a.share[i * n + best]))
                best = f;
        choice[i] = best;
    }
    return STATUS_OK;
}

static Status run_learned(Arena *arena, const Search *s)
{
    Learned l = {0};
    Status status = begin(arena, s, &l);
    Pricing p = {.steps = PRICES, .choose = choose_learned, .context = &l};
    if (status == STATUS_OK) status = price_search(arena, s, &p);
    if (l.loss.own != NULL) model_loss_end(&l.loss);
    return status;
}

const SearchMethod search_method_learned = {
    "learned", "Shares of each layer's candidates descend along the loss + price x cost; the largest is taken",
    run_learned, true};
