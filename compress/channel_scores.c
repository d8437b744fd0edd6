#include "compress/channel_scores.h"

#include <math.h>

const char *const channel_score_names[] = {"taylor", "l1", "gamma", NULL};

/* ---- of one layer ------------------------------------------------------------------------------------------------ */

/* Adds f of each weight to its channel's sum. */
static void sum_weights(const Layer *l, double (*f)(const Param *p, long i), double *sum)
{
    const long O = l->out.c, row = l->weight->count / O;
    const bool each = l->type->channels == CHANNELS_EACH; /* [1,KH,KW,O] */
    for (long i = 0; i < l->weight->count; i++) sum[each ? i % O : i / row] += f(l->weight, i);
}

static double magnitude(const Param *p, long i) { return fabs((double)p->x[i]); }
static double first_order(const Param *p, long i) { return (double)p->x[i] * (double)p->dx[i]; }

/* One number for each channel that layer i makes, added to its group's. */
static void add_to_groups(const ChannelGroups *g, int i, const double *of_channel, double *score)
{
    for (int c = 0; c < g->m->layer[i].out.c; c++) score[g->of[1 + i][c]] += of_channel[c];
}

/* ---- by the weights alone ---------------------------------------------------------------------------------------- */

static void l1_of_layer(const Layer *l, double *of_channel)
{
    const int O = l->out.c;
    double mean = 0;
    for (int c = 0; c < O; c++) of_channel[c] = 0;
    sum_weights(l, magnitude, of_channel);
    for (int c = 0; c < O; c++) mean += of_channel[c] / O;
    for (int c = 0; c < O && mean > 0; c++) of_channel[c] /= mean;
}

static void gamma_of_layer(const Layer *l, double *of_channel)
{
    for (int c = 0; c < l->out.c; c++) of_channel[c] = fabs((double)l->gamma->x[c]);
}

/* Means over the channels of a group that layers with such a number make. */
static void mean_scores(Arena *arena, const ChannelGroups *g, ChannelScore kind, double *score, int *channels)
{
    for (int i = 0; i < g->m->layers; i++) {
        const Layer *l = &g->m->layer[i];
        if (!layer_makes_channels(l) || (kind == SCORE_GAMMA && l->gamma == NULL)) continue;
        double *of_channel = ARENA_ARRAY(arena, double, l->out.c);
        (kind == SCORE_GAMMA ? gamma_of_layer : l1_of_layer)(l, of_channel);
        add_to_groups(g, i, of_channel, score);
        for (int c = 0; c < l->out.c; c++) channels[g->of[1 + i][c]]++;
    }
    for (int k = 0; k < g->n; k++)
        if (channels[k] > 0) score[k] /= channels[k];
}

/* The first layer that makes channels of a group. */
static const Layer *maker(const ChannelGroups *g, int group)
{
    for (int i = 0; i < g->m->layers; i++)
        if (group_members(g, group, i) > 0 && layer_makes_channels(&g->m->layer[i])) return &g->m->layer[i];
    return NULL;
}

static Status check_means(const ChannelGroups *g, const int *channels)
{
    for (int k = 0; k < g->n; k++) {
        if (g->keeps[k] != NULL || channels[k] > 0) continue;
        return status_fail(STATUS_STATE,
                           "layer \"%s\": no batch norm, whose gamma is the score; taylor or l1 is required",
                           layer_given_name(maker(g, k)));
    }
    return STATUS_OK;
}

/* ---- by the loss ------------------------------------------------------------------------------------------------- */

static void add_param(const Param *p, int channels, double *of_channel)
{
    for (int c = 0; p != NULL && c < channels; c++) of_channel[c] += first_order(p, c);
}

/* sum p dL/dp of each group, of the gradients as they are. */
static void first_orders(const ChannelGroups *g, double *of_channel, double *sum)
{
    for (int i = 0; i < g->m->layers; i++) {
        const Layer *l = &g->m->layer[i];
        if (!layer_makes_channels(l)) continue;
        for (int c = 0; c < l->out.c; c++) of_channel[c] = 0;
        sum_weights(l, first_order, of_channel);
        add_param(l->bias, l->out.c, of_channel);
        add_param(l->gamma, l->out.c, of_channel);
        add_param(l->beta, l->out.c, of_channel);
        add_to_groups(g, i, of_channel, sum);
    }
}

static Status gradient(Model *m, Tape *t, const Task *task, const PtqImages *part)
{
    static const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    double running = 0;
    tape_reset(t, true);
    param_set_zero_grad(&m->params);
    Tensor *z = model_forward(m, t, &mode, part->pixels, part->n);
    Tensor *loss = task->loss->run(t, task, z, part->targets, &running);
    if (tape_failed(t)) return status_fail(t->status, "%s", t->message);
    if (!isfinite(loss->x[0])) return status_fail(STATUS_NUMERIC, "the loss is not finite on these images");
    return tape_backward(t, loss);
}

static Status taylor(Arena *arena, Arena *step, const ChannelGroups *g, Model *m, const Task *task,
                     const PtqImages *images, double *score)
{
    Tape *t = tape_create(arena, step);
    int widest = 1, batches = 0;
    for (int i = 0; i < m->layers; i++) widest = m->layer[i].out.c > widest ? m->layer[i].out.c : widest;
    double *of_channel = ARENA_ARRAY(arena, double, widest), *sum = ARENA_ARRAY(arena, double, g->n);
    for (int at = 0; at < images->n; at += SCORE_BATCH, batches++) {
        const PtqImages part = ptq_images_part(images, at, SCORE_BATCH);
        TRY(gradient(m, t, task, &part));
        for (int k = 0; k < g->n; k++) sum[k] = 0;
        first_orders(g, of_channel, sum);
        for (int k = 0; k < g->n; k++) score[k] += sum[k] * sum[k];
    }
    for (int k = 0; k < g->n && batches > 0; k++) score[k] /= batches;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------------------------------ */

Status channel_scores(ChannelScore kind, const ChannelGroups *g, Model *m, const Task *task, const PtqImages *images,
                      double *score)
{
    for (int k = 0; k < g->n; k++) score[k] = 0;
    Arena *own = arena_create(), *step = arena_create();
    Status status = STATUS_OK;
    if (kind == SCORE_TAYLOR) {
        status = taylor(own, step, g, m, task, images, score);
    } else {
        int *channels = ARENA_ARRAY(own, int, g->n);
        mean_scores(own, g, kind, score, channels);
        status = check_means(g, channels);
    }
    for (int k = 0; k < g->n; k++)
        if (g->keeps[k] != NULL) score[k] = 0;
    arena_destroy(step);
    arena_destroy(own);
    return status;
}
