/* Widths learned by gradient while the weights are trained: each layer's weights are a mixture of what its candidates make
 * of them; weights and shares descend together along the loss + price x cost, and the price rises from stage to stage. The
 * largest shares after each stage are a choice of formats: one path from the best network to the smallest.
 *
 * Sources: Cai and Vasconcelos, "Rethinking differentiable search for mixed-precision neural networks" (CVPR 2020), the
 * mixture; Sun et al., "Gradient-based automatic mixed precision quantization" (HGQ, 2405.00645), one training with a
 * rising price.  Shares are a softmax and move by Adam (Kingma and Ba 2014). */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "quant/quantizer.h"
#include "search/learned_state.h"
#include "search/price.h"
#include "search/weight_mix.h"
#include "train/batch_gradient.h"
#include "train/model_task.h"
#include "train/provenance.h"
#include "train/transfer.h"

/* A training of qat.epochs has PLANNED stages; prices go on rising for more of them where budgets ask for it. */
enum { PLANNED = 24, LEAST_STEPS = 8, MISSES = 3 };
static const double CHEAPEST = 1e-6, DEAREST = 0.1; /* the prices of the first and the last planned stage */
static const double MOMENT1 = 0.9, MOMENT2 = 0.99;
static const double BEST_LOGIT = 2.0; /* at the start of the choice of least loss; the others have 0 */
static const double LOGIT_RANGE =
    4.0; /* so far a share may fall behind the largest, and still come back within a stage */

typedef struct {
    const Search *s;
    Pricing pricing;
    double unit[KNAPSACK_COSTS];
    TrainJob job;
    Task task;
    Optimizer optimizer;
    Loader *loader;
    WeightMix mix;
    Arena *step_arena;
    Tape *tape;
    int batches;
    double lr, rate;
    float *start; /* the parameters of the float network */
    LearnedState state;
    int trained; /* the stage after which model, optimizer and shares are; -1: the start is still to be made */
} Learner;

/* ---- shares ---------------------------------------------------------------------------------------------------------- */

static void set_shares(Learner *l)
{
    WeightMix *mix = &l->mix;
    for (int i = 0; i < mix->layers; i++) {
        double sum = 0.0;
        const int at = i * mix->formats;
        for (int f = 0; f < mix->formats; f++)
            if (weight_mix_has(mix, i, f)) sum += exp(l->state.logit[at + f]);
        for (int f = 0; f < mix->formats; f++)
            mix->share[at + f] = weight_mix_has(mix, i, f) ? exp(l->state.logit[at + f]) / sum : 0.0;
    }
}

/* What a layer's weights in a format cost at the prices, outputs as in `choice`. */
static double priced(const Learner *l, const double *price, const int *choice, int layer, int f)
{
    const SearchSpace *space = l->s->space;
    const int group = space->decides[layer];
    const Cost *cost = space_cost(space, layer, f, group < 0 ? 0 : choice[space->s->groups.layers + group]);
    double sum = 0.0;
    for (int k = 0; k < l->pricing.costs; k++) sum += price[k] * cost->of[l->pricing.cost[k]] / l->unit[k];
    return sum;
}

/* One step of Adam, t = 1, 2, ... */
static void move_shares(Learner *l, const double *price, const int *choice, int layer, long t)
{
    const WeightMix *mix = &l->mix;
    const int n = mix->formats, at = layer * n;
    double slope[64] = {0}, mean = 0.0, largest = -(double)INFINITY;
    LearnedState *s = &l->state;
    ASSERT(n <= 64);
    for (int f = 0; f < n; f++) {
        if (!weight_mix_has(mix, layer, f)) continue;
        slope[f] = weight_mix_slope(mix, layer, f) + priced(l, price, choice, layer, f);
        mean += mix->share[at + f] * slope[f];
    }
    for (int f = 0; f < n; f++) {
        if (!weight_mix_has(mix, layer, f)) continue;
        const double g = mix->share[at + f] * (slope[f] - mean); /* of the softmax */
        s->first[at + f] = MOMENT1 * s->first[at + f] + (1.0 - MOMENT1) * g;
        s->second[at + f] = MOMENT2 * s->second[at + f] + (1.0 - MOMENT2) * g * g;
        const double m = s->first[at + f] / (1.0 - pow(MOMENT1, (double)t));
        const double v = s->second[at + f] / (1.0 - pow(MOMENT2, (double)t));
        s->logit[at + f] -= l->rate * m / (sqrt(v) + 1e-12);
        largest = fmax(largest, s->logit[at + f]);
    }
    for (int f = 0; f < n; f++) s->logit[at + f] = fmax(s->logit[at + f] - largest, -LOGIT_RANGE);
}

static void read_choice(const Learner *l, int *choice)
{
    const WeightMix *mix = &l->mix;
    for (int i = 0; i < mix->layers; i++) {
        int best = -1;
        for (int f = 0; f < mix->formats; f++)
            if (weight_mix_has(mix, i, f) &&
                (best < 0 || mix->share[i * mix->formats + f] > mix->share[i * mix->formats + best]))
                best = f;
        if (best >= 0) choice[i] = best;
    }
}

/* ---- training -------------------------------------------------------------------------------------------------------- */

/* The float network, its weights as they were trained, and the shares of the choice of least loss ahead. */
static void restart(Arena *arena, Learner *l)
{
    const SearchSpace *space = l->s->space;
    const int *best = space_best(arena, space), n = space->formats.n;
    const Judge *judge = l->s->trials->judge;
    model_transfer(arena, l->job.model, judge->model, -1, NULL);
    for (int k = 0; k < l->optimizer.type->slots; k++)
        memset(l->optimizer.slot[k], 0, sizeof(float) * l->job.model->params.count);
    for (int k = 0; k < space->s->groups.layers * n; k++)
        l->state.logit[k] = l->state.first[k] = l->state.second[k] = 0.0;
    for (int i = 0; i < space->s->groups.layers; i++) l->state.logit[i * n + best[i]] = BEST_LOGIT;
    l->state.stages = l->trained = 0;
}

static Status one_step(Learner *l, long number, const double *price, const int *choice, LearnedStage *stage,
                       double *images)
{
    const Batch *batch;
    TRY(loader_get(l->loader, (int)(number / l->batches), (int)(number % l->batches), &batch));
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = true};
    BatchLoss loss;
    set_shares(l);
    Status status = weight_mix_apply(&l->mix);
    if (status == STATUS_OK) status = batch_gradient(l->tape, l->job.model, &mode, batch, &l->task, &loss);
    weight_mix_undo(&l->mix);
    TRY(status);
    for (int i = 0; i < l->mix.layers; i++)
        if (l->mix.of[i] != NULL) move_shares(l, price, choice, i, number + 1);
    if (!isfinite(optimizer_step(&l->optimizer, (float)l->lr, number + 1)))
        return status_fail(STATUS_NUMERIC, "the gradient is not finite");
    stage->loss += loss.loss * batch->n;
    *images += batch->n;
    return STATUS_OK;
}

static double moved(const Learner *l)
{
    double change = 0.0, size = 0.0;
    for (int i = 0; i < l->mix.layers; i++) {
        const Param *w = l->mix.of[i] == NULL ? NULL : l->mix.of[i]->weight;
        for (long k = 0; w != NULL && k < w->count; k++) {
            const double was = (double)l->start[(long)w->offset + k], d = (double)w->x[k] - was;
            change += d * d, size += was * was;
        }
    }
    return sqrt(change / fmax(size, 1e-300));
}

/* The next stage; `choice`: the formats of outputs. */
static Status train_stage(Arena *arena, Learner *l, const double *price, const int *choice)
{
    const Trials *trials = l->s->trials;
    const int k = l->state.stages;
    LearnedStage *stage = &l->state.stage[k];
    double images = 0.0;
    *stage = (LearnedStage){.choice = ARENA_ARRAY(arena, int, l->s->space->units)};
    memcpy(stage->choice, choice, sizeof *choice * (size_t)l->s->space->units);
    memcpy(stage->price, price, sizeof stage->price);
    weight_mix_find_ranges(&l->mix);
    for (long i = 0; i < l->state.steps; i++) {
        if (trials->stop != NULL && *trials->stop != 0)
            return status_fail(STATUS_INTERRUPTED, "stopped while learning widths, at price %d", k + 1);
        const Status status = one_step(l, k * l->state.steps + i, price, choice, stage, &images);
        if (status == STATUS_NUMERIC) {
            const char *reason = arena_strdup(arena, status_message());
            return status_fail(status, "learning widths: price %d, step %ld: %s; a smaller qat.lr is required", k + 1,
                               i + 1, reason);
        }
        TRY(status);
        if (trials->training != NULL)
            trials->training(trials->context, k + 1, i + 1, l->state.steps, stage->loss / images);
    }
    stage->loss /= images;
    stage->moved = moved(l);
    set_shares(l);
    read_choice(l, stage->choice);
    l->trained = ++l->state.stages;
    return learned_state_write(&l->state);
}

/* ---- prices ---------------------------------------------------------------------------------------------------------- */

/* Stage k at these prices: taken from the folder or trained. */
static Status stage_at(Arena *arena, Learner *l, int k, const double *price, const int **choice)
{
    if (k >= l->state.stages) {
        bool loaded = l->trained == l->state.stages;
        if (!loaded && l->state.stages > 0) TRY(learned_state_load(arena, &l->state, &loaded));
        l->trained = l->state.stages;
        if (!loaded) restart(arena, l);
    }
    while (l->state.stages <= k) {
        /* from the start where the folder lost what training goes on from: then earlier stages have their prices still */
        const double *at = l->state.stages == k ? price : l->state.stage[l->state.stages].price;
        double now[KNAPSACK_COSTS];
        memcpy(now, at, sizeof now);
        for (int i = 0; i < l->pricing.costs; i++) l->pricing.unit[i] = l->unit[i] / now[i];
        int *outputs = ARENA_ARRAY(arena, int, l->s->space->units);
        TRY(price_choose_predicted(arena, &l->pricing, 1.0, outputs));
        TRY(train_stage(arena, l, now, outputs));
    }
    *choice = l->state.stage[k].choice;
    return STATUS_OK;
}

/* Measures what a stage came to; whether that ends the search. */
static Status judge_stage(Arena *arena, const Learner *l, const int *choice, int *misses, bool *ends)
{
    const Search *s = l->s;
    int trial;
    *ends = false;
    if (isnan(s->options->tolerance)) {
        Cost cost = space_predict_cost(s->space, choice);
        cost.of[COST_RAM] = 0.0; /* what is left of formats fits */
        if (!search_within_budgets(s->options, &cost)) return STATUS_OK;
        TRY(trials_run(s->trials, choice, &trial));
        *ends = search_within_budgets(s->options, &s->trials->at[trial].cost);
        return *ends ? search_fill_budgets(arena, s, choice) : STATUS_OK;
    }
    TRY(trials_run(s->trials, choice, &trial));
    *misses = drop_within(s->trials->at[trial].drop, s->options->tolerance) ? 0 : *misses + 1;
    *ends = *misses == MISSES;
    return STATUS_OK;
}

/* Prices of what is to be small rise, and those of what is over its budget. */
static void raise_prices(const Learner *l, const int *choice, double *price)
{
    const Search *s = l->s;
    const double by = pow(DEAREST / CHEAPEST, 1.0 / (PLANNED - 1));
    const Cost cost = space_predict_cost(s->space, choice);
    bool raised = false;
    for (int i = 0; i < l->pricing.costs; i++) {
        const CostKind kind = l->pricing.cost[i];
        const bool small = i == 0 && !isnan(s->options->tolerance);
        if (!small && cost.of[kind] <= s->options->budget[kind]) continue;
        price[i] *= by;
        raised = true;
    }
    for (int i = 0; i < l->pricing.costs && !raised; i++) price[i] *= by; /* conversions take the rest */
}

static Status walk(Arena *arena, Learner *l)
{
    double price[KNAPSACK_COSTS];
    for (int i = 0; i < KNAPSACK_COSTS; i++) price[i] = CHEAPEST;
    bool ends = false;
    int misses = 0;
    const int stages = isnan(l->s->options->tolerance) ? LEARNED_STAGES : PLANNED;
    for (int k = 0; k < stages && !ends; k++) {
        const int *choice;
        TRY(stage_at(arena, l, k, price, &choice));
        TRY(judge_stage(arena, l, choice, &misses, &ends));
        raise_prices(l, choice, price);
    }
    return STATUS_OK;
}

/* ---- beginning ------------------------------------------------------------------------------------------------------- */

static Status find_digest(Arena *arena, Learner *l)
{
    const Judge *judge = l->s->trials->judge;
    const char *data;
    TRY(provenance_data(arena, judge->data, &data));
    const RunStart start = {MODEL_QAT, provenance_weights(arena, judge->model), NULL};
    const Provenance p = provenance_now(arena, judge->config, start, data);
    const char *all =
        arena_printf(arena, "%s %s %s %s %s", l->s->trials->digest, l->s->trials->asked, p.config, data, start.start);
    l->state.digest = arena_printf(arena, "%016llx", (unsigned long long)text_hash(all));
    return STATUS_OK;
}

static Status begin(Arena *arena, const Search *s, Learner *l)
{
    const Judge *judge = s->trials->judge;
    const SearchSpace *space = s->space;
    TRY(price_begin(arena, s, &l->pricing));
    memcpy(l->unit, l->pricing.unit, sizeof l->unit);
    l->job = (TrainJob){.config = judge->config, .data = judge->data, .kind = MODEL_QAT};
    TRY(experiment_model(arena, judge->config, NULL, judge->data, &l->job.model));
    l->task = model_task(judge->config, l->job.model);
    TRY(weight_mix_begin(arena, judge, space, l->job.model, &l->mix));
    TRY(train_optimizer(arena, &l->job, &l->optimizer));
    TRY(train_loader(arena, &l->job, &l->loader));
    l->batches = loader_batches(l->loader);
    const long steps = ((long)judge->config->qat.epochs * l->batches + PLANNED - 1) / PLANNED;
    l->lr = qat_lr(judge->config, l->mix.narrowest_bits);
    l->rate = fmin(fmax(3.0 / (double)steps, 0.01), 0.3);
    l->tape = tape_create(arena, l->step_arena);
    const int n = space->s->groups.layers * space->formats.n;
    l->state = (LearnedState){.folder = s->trials->folder,
                              .space = space,
                              .costs = l->pricing.costs,
                              .cost = l->pricing.cost,
                              .logit = ARENA_ARRAY(arena, double, n),
                              .first = ARENA_ARRAY(arena, double, n),
                              .second = ARENA_ARRAY(arena, double, n),
                              .model = l->job.model,
                              .optimizer = &l->optimizer,
                              .steps = steps < LEAST_STEPS ? LEAST_STEPS : steps};
    TRY(find_digest(arena, l));
    restart(arena, l);
    l->start = ARENA_ARRAY(arena, float, l->job.model->params.count);
    memcpy(l->start, l->job.model->params.x, sizeof *l->start * l->job.model->params.count);
    return learned_state_read(arena, &l->state);
}

static Status run_learned(Arena *arena, const Search *s)
{
    Learner l = {.s = s, .step_arena = arena_create()};
    Status status = begin(arena, s, &l);
    if (status == STATUS_OK) status = walk(arena, &l);
    if (status == STATUS_OK) learned_state_finish(arena, &l.state);
    loader_destroy(l.loader);
    weight_mix_end(&l.mix);
    arena_destroy(l.step_arena);
    return status;
}

const SearchMethod search_method_learned = {
    "learned",
    "Weights and the shares of their candidates are trained together along the loss + price x cost, the price rising",
    run_learned, true};
