/* Removing channels: which go together, that nothing else changes, what is worth keeping. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "compress/channel_scores.h"
#include "search/prune_plan.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/model_task.h"

/* Every rule: a residual with a depthwise branch, a gate that multiplies, two branches joined, a flattened map. */
static const char network[] =
    "{\"input\": [8, 8, 3], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"depthwise_conv2d\", \"name\": \"dw\", \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu6\"},"
    "{\"type\": \"conv2d\", \"name\": \"pw\", \"filters\": 8, \"kernel\": 1, \"batch_norm\": true},"
    "{\"type\": \"add\", \"name\": \"sum\", \"inputs\": [\"pw\", \"stem\"], \"activation\": \"relu\"},"
    "{\"type\": \"global_avgpool\", \"name\": \"squeeze\"},"
    "{\"type\": \"conv2d\", \"name\": \"reduce\", \"filters\": 6, \"kernel\": 1, \"activation\": \"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"gate\", \"filters\": 8, \"kernel\": 1, \"activation\": \"hard_sigmoid\"},"
    "{\"type\": \"multiply\", \"name\": \"scaled\", \"inputs\": [\"sum\", \"gate\"]},"
    "{\"type\": \"conv2d\", \"name\": \"left\", \"inputs\": \"scaled\", \"filters\": 5, \"kernel\": 3, \"stride\": 2, "
    "\"activation\": \"relu\"},"
    "{\"type\": \"depthwise_conv2d\", \"name\": \"right\", \"inputs\": \"scaled\", \"kernel\": 3, \"stride\": 2, "
    "\"multiplier\": 2},"
    "{\"type\": \"concat\", \"name\": \"cat\", \"inputs\": [\"left\", \"right\"]},"
    "{\"type\": \"maxpool\", \"name\": \"pool\", \"kernel\": 2},"
    "{\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"hidden\", \"units\": 9, \"activation\": \"relu\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]}";

static int group_of(const ChannelGroups *g, const char *layer, int channel)
{
    return g->of[1 + small_layer(g->m, layer)][channel];
}

START_TEST(channels_that_go_together)
{
    begin();
    const Model *m = small_model(arena, network, NULL, 3);
    const ChannelGroups g = channel_groups(arena, m);
    static const char *const together[] = {"stem", "dw", "pw", "sum", "squeeze", "gate", "scaled"};
    for (int c = 0; c < 8; c++) {
        const int k = group_of(&g, "stem", c);
        for (int i = 0; i < 7; i++) ck_assert_msg(group_of(&g, together[i], c) == k, "%s of %d", together[i], c);
        ck_assert(group_of(&g, "right", 2 * c) == k && group_of(&g, "right", 2 * c + 1) == k);
        ck_assert(group_of(&g, "cat", 5 + 2 * c) == k && group_of(&g, "pool", 6 + 2 * c) == k);
        for (int cell = 0; cell < 4; cell++)
            ck_assert_int_eq(g.of[1 + small_layer(m, "pool") + 1][21 * cell + 5 + 2 * c], k);
        ck_assert_ptr_null(g.keeps[k]);
        ck_assert_int_eq(group_members(&g, k, small_layer(m, "right")), 2);
        ck_assert_int_eq(group_members(&g, k, small_layer(m, "left")), 0);
        if (c > 0) ck_assert_int_ne(k, group_of(&g, "stem", c - 1));
    }
    for (int c = 0; c < 5; c++) ck_assert_int_eq(group_of(&g, "left", c), group_of(&g, "cat", c));
    ck_assert_int_ne(group_of(&g, "hidden", 0), group_of(&g, "hidden", 1));
    has(g.keeps[group_of(&g, "logits", 3)], "layer \"logits\": its outputs are the network's");
    has(g.keeps[g.of[0][2]], "the image");
    int can = 0;
    for (int k = 0; k < g.n; k++) can += g.keeps[k] == NULL;
    ck_assert_int_eq(can, 8 + 6 + 5 + 9);
    end();
}
END_TEST

START_TEST(channels_that_are_kept)
{
    begin();
    Model *m =
        small_model(arena,
                    "{\"input\": [6, 6, 4], \"layers\": ["
                    "{\"type\": \"conv2d\", \"name\": \"a\", \"filters\": 4, \"kernel\": 1},"
                    "{\"type\": \"conv2d\", \"name\": \"halves\", \"filters\": 6, \"kernel\": 1, \"groups\": 2},"
                    "{\"type\": \"conv2d\", \"name\": \"b\", \"filters\": 5, \"kernel\": 1},"
                    "{\"type\": \"conv2d\", \"name\": \"c\", \"filters\": 5, \"kernel\": 1},"
                    "{\"type\": \"global_avgpool\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]}",
                    NULL, 3);
    ChannelGroups g = channel_groups(arena, m);
    has(g.keeps[group_of(&g, "halves", 5)], "layer \"halves\": convolves in groups");
    has(g.keeps[group_of(&g, "a", 3)], "layer \"halves\": convolves in groups");
    ck_assert_ptr_null(g.keeps[group_of(&g, "b", 0)]);
    m->layer[small_layer(m, "b")].frozen = true;
    g = channel_groups(arena, m);
    has(g.keeps[group_of(&g, "b", 0)], "layer \"b\": is frozen");
    ck_assert_ptr_null(g.keeps[group_of(&g, "c", 0)]);
    end();
}
END_TEST

/* Every type that a config can have says how its channels follow from what it reads. */
START_TEST(every_type_has_a_rule)
{
    for (int i = 0; layer_types[i] != NULL; i++) {
        const LayerType *type = layer_types[i];
        ck_assert_msg((type->channels_key != NULL) == (type->channels == CHANNELS_OWN), "%s", type->name);
        ck_assert_msg(!type->has_weights || type->channels == CHANNELS_OWN || type->channels == CHANNELS_EACH ||
                          type->channels == CHANNELS_UNKNOWN,
                      "%s", type->name);
    }
}
END_TEST

/* ---- what is left ------------------------------------------------------------------------------------------------ */

static Config *config_of(const char *model)
{
    put_text(folder, "net.json",
             arena_printf(arena,
                          "{\"data\": {\"dataset\": \"synthetic\", \"classes\": 4, \"synthetic_train\": 64, "
                          "\"synthetic_test\": 32}, \"model\": %s, \"train\": {\"epochs\": 2, \"batch\": 16}, "
                          "\"ptq\": {\"images\": 32}, \"qat\": {\"epochs\": 1}}",
                          model));
    Config *c;
    must(config_read(arena, inside("net.json"), NULL, &c));
    return c;
}

/* Parameters of a trained network's size, none of them neutral. */
static Model *model_of(const Config *c)
{
    Model *m;
    must(experiment_model(arena, c, NULL, NULL, &m));
    model_init(m, 7);
    for (int i = 0; i < m->params.n; i++) {
        Param *p = m->params.param[i];
        if (p->kind == PARAM_WEIGHT) continue;
        const float *random = random_values(arena, p->count, (uint64_t)i + 1);
        for (long k = 0; k < p->count; k++)
            p->x[k] = (p->kind == PARAM_NORM && strstr(p->name, "gamma") ? 1.0f : 0.0f) + 0.3f * random[k];
    }
    for (int i = 0; i < m->layers; i++)
        for (int c2 = 0; m->layer[i].norm != NULL && c2 < m->layer[i].out.c; c2++)
            m->layer[i].norm->mean[c2] = 0.05f * (float)(c2 % 3),
            m->layer[i].norm->var[c2] = 0.5f + 0.25f * (float)(c2 % 4);
    return m;
}

/* What a layer makes of a group becomes 0: batch norm's factor and shift, or, without it, weights and bias. */
static void silence(const ChannelGroups *g, int group)
{
    for (int i = 0; i < g->m->layers; i++) {
        const Layer *l = &g->m->layer[i];
        if (!layer_makes_channels(l)) continue;
        const long row = l->weight->count / l->out.c;
        for (int c = 0; c < l->out.c; c++) {
            if (g->of[1 + i][c] != group) continue;
            if (l->gamma != NULL) {
                l->gamma->x[c] = l->beta->x[c] = 0.0f;
                continue;
            }
            if (l->bias != NULL) l->bias->x[c] = 0.0f;
            for (long k = 0; k < row; k++)
                l->weight->x[l->type->channels == CHANNELS_EACH ? k * l->out.c + c : c * row + k] = 0.0f;
        }
    }
}

static float *logits_of(Model *m, const uint8_t *pixels, int n)
{
    Bench b = bench_make();
    tape_reset(b.tape, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Tensor *z = model_forward(m, b.tape, &mode, pixels, n);
    float *kept = ARENA_ARRAY(arena, float, n * m->classes);
    memcpy(kept, z->x, sizeof *kept * (size_t)(n * m->classes));
    bench_end(&b);
    return kept;
}

/* Channels that are 0 whatever the image can go: the outputs stay, but for the order in which sums are taken. */
START_TEST(silent_channels_change_nothing)
{
    enum { N = 6 };
    begin();
    Config *c = config_of(network);
    Model *m = model_of(c);
    const uint8_t *pixels = small_pixels(arena, m, 4);
    const float *loud = logits_of(m, pixels, N);
    const ChannelGroups g = channel_groups(arena, m);
    bool *removed = ARENA_ARRAY(arena, bool, g.n);
    for (int k = 0; k < g.n; k++) {
        removed[k] = g.keeps[k] == NULL && k % 3 == 1;
        if (removed[k]) silence(&g, k);
    }
    const float *before = logits_of(m, pixels, N);
    const PrunePlan plan = {.config = c, .model = m, .groups = &g};
    Config *smaller;
    Model *pruned;
    must(pruned_model(arena, &plan, removed, &smaller, &pruned));
    ck_assert_int_lt(model_parameters(pruned), model_parameters(m));
    const float *after = logits_of(pruned, pixels, N);
    double change = 0;
    for (int i = 0; i < N * 4; i++) {
        ck_assert_double_eq_tol((double)after[i], (double)before[i], 1e-5);
        change = fmax(change, fabs((double)before[i] - (double)loud[i]));
    }
    ck_assert_double_gt(change, 1e-2); /* what was silenced had something to say */
    int *left = ARENA_ARRAY(arena, int, m->layers);
    channels_left(&g, removed, left);
    double macs = 0;
    for (int i = 0; i < m->layers; i++) {
        ck_assert_int_eq(pruned->layer[i].out.c, left[i]);
        macs += (double)layer_macs(&pruned->layer[i]);
    }
    const ChannelCost cost = channel_cost(m, left);
    ck_assert_double_eq_tol(cost.macs, macs, 1e-6 * macs);
    /* The config that is written describes the same network. */
    char *text;
    must(config_text(arena, smaller, folder, &text));
    put_text(folder, "smaller.json", text);
    Config *again;
    Model *same;
    must(config_read(arena, inside("smaller.json"), NULL, &again));
    must(experiment_model(arena, again, NULL, NULL, &same));
    ck_assert_int_eq(model_parameters(same), model_parameters(pruned));
    end();
}
END_TEST

/* ---- what is worth keeping --------------------------------------------------------------------------------------- */

static double loss_of(Model *m, const Task *task, const PtqImages *part)
{
    Bench b = bench_make();
    tape_reset(b.tape, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    double running = 0;
    const double loss =
        (double)task->loss
            ->run(b.tape, task, model_forward(m, b.tape, &mode, part->pixels, part->n), part->targets, &running)
            ->x[0];
    bench_end(&b);
    return loss;
}

/* All parameters of a group's channels times `factor`. */
static void scale_group(const ChannelGroups *g, int group, float factor)
{
    for (int i = 0; i < g->m->layers; i++) {
        const Layer *l = &g->m->layer[i];
        if (!layer_makes_channels(l)) continue;
        const long row = l->weight->count / l->out.c;
        Param *params[] = {l->bias, l->gamma, l->beta};
        for (int c = 0; c < l->out.c; c++) {
            if (g->of[1 + i][c] != group) continue;
            for (int k = 0; k < 3; k++)
                if (params[k] != NULL) params[k]->x[c] *= factor;
            for (long k = 0; k < row; k++)
                l->weight->x[l->type->channels == CHANNELS_EACH ? k * l->out.c + c : c * row + k] *= factor;
        }
    }
}

/* Taylor's score is the square of what the loss changes by, for the share by which a group becomes smaller. */
START_TEST(taylor_is_the_slope_of_the_loss)
{
    begin();
    Config *c = config_of(network);
    Model *m = model_of(c);
    DataSplits data;
    must(experiment_data(arena, c, &data));
    const Task task = model_task(c, m);
    PtqImages images;
    must(ptq_images_pick(arena, &data.train, 1, 0, SCORE_BATCH, &images));
    const ChannelGroups g = channel_groups(arena, m);
    double *score = ARENA_ARRAY(arena, double, g.n), most = 0;
    must(channel_scores(SCORE_TAYLOR, &g, m, &task, &images, score));
    for (int k = 0; k < g.n; k++) most = fmax(most, score[k]);
    ck_assert_double_gt(most, 0);
    for (int k = 0; k < g.n; k += 2) {
        if (g.keeps[k] != NULL) {
            ck_assert_double_eq(score[k], 0.0);
            continue;
        }
        const float h = 1.0f / 64;
        scale_group(&g, k, 1 + h);
        const double up = loss_of(m, &task, &images);
        scale_group(&g, k, (1 - h) / (1 + h));
        const double down = loss_of(m, &task, &images);
        scale_group(&g, k, 1 / (1 - h));
        const double slope = (up - down) / (2 * (double)h);
        ck_assert_msg(fabs(sqrt(score[k]) - fabs(slope)) < 2e-3 + 0.02 * sqrt(most), "group %d: %g, %g", k,
                      sqrt(score[k]), slope);
    }
    end();
}
END_TEST

START_TEST(scores_of_weights_and_batch_norm)
{
    begin();
    Config *c =
        config_of("{\"input\": [6, 6, 1], \"layers\": ["
                  "{\"type\": \"conv2d\", \"name\": \"a\", \"filters\": 3, \"kernel\": 1, \"batch_norm\": true},"
                  "{\"type\": \"conv2d\", \"name\": \"b\", \"filters\": 3, \"kernel\": 1, \"batch_norm\": true},"
                  "{\"type\": \"add\", \"inputs\": [\"a\", \"b\"]}, {\"type\": \"global_avgpool\"},"
                  "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]}");
    Model *m = model_of(c);
    const ChannelGroups g = channel_groups(arena, m);
    const Layer *a = &m->layer[0], *b = &m->layer[1];
    double *score = ARENA_ARRAY(arena, double, g.n);
    must(channel_scores(SCORE_GAMMA, &g, m, NULL, NULL, score));
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(score[group_of(&g, "a", k)],
                                0.5 * (fabs((double)a->gamma->x[k]) + fabs((double)b->gamma->x[k])), 1e-6);
    must(channel_scores(SCORE_L1, &g, m, NULL, NULL, score));
    double mean[2] = {0}, l1[2][3] = {{0}};
    for (int k = 0; k < 3; k++) {
        l1[0][k] = fabs((double)a->weight->x[k]);
        for (int i = 0; i < 3; i++) l1[1][k] += fabs((double)b->weight->x[3 * k + i]);
        mean[0] += l1[0][k] / 3, mean[1] += l1[1][k] / 3;
    }
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq_tol(score[group_of(&g, "a", k)], 0.5 * (l1[0][k] / mean[0] + l1[1][k] / mean[1]), 1e-6);
    Model *plain = model_of(config_of(network));
    const ChannelGroups of_plain = channel_groups(arena, plain);
    refused(channel_scores(SCORE_GAMMA, &of_plain, plain, NULL, NULL, ARENA_ARRAY(arena, double, of_plain.n)),
            "layer \"reduce\": no batch norm, whose gamma is the score; taylor or l1 is required");
    end();
}
END_TEST

TEST_MAIN("prune", channels_that_go_together, channels_that_are_kept, every_type_has_a_rule,
          silent_channels_change_nothing, taylor_is_the_slope_of_the_loss, scores_of_weights_and_batch_norm)
