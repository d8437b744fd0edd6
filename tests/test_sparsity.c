/* Weights that become 0 in training, and stay 0. */
#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "compress/sparsity.h"
#include "deploy/lower.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/run.h"

START_TEST(the_share_rises_by_a_cube)
{
    const SparsityConfig c = {.target = 0.8, .begin = 0.25, .end = 0.75};
    ck_assert_double_eq(sparsity_share(&c, 0, 400), 0.0);
    ck_assert_double_eq(sparsity_share(&c, 100, 400), 0.0);
    ck_assert_double_eq_tol(sparsity_share(&c, 200, 400), 0.8 * (1 - 0.125), 1e-12);
    ck_assert_double_eq_tol(sparsity_share(&c, 250, 400), 0.8 * (1 - 0.015625), 1e-12);
    ck_assert_double_eq(sparsity_share(&c, 300, 400), 0.8);
    ck_assert_double_eq(sparsity_share(&c, 399, 400), 0.8);
}
END_TEST

static const char network[] =
    "{\"input\": [6, 6, 3], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"a\", \"filters\": 8, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"depthwise_conv2d\", \"name\": \"dw\", \"kernel\": 3},"
    "{\"type\": \"conv2d\", \"name\": \"b\", \"filters\": 12, \"kernel\": 1, \"activation\": \"relu\"},"
    "{\"type\": \"global_avgpool\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]}";

static const Param *weights_of(const Model *m, const char *layer) { return m->layer[small_layer(m, layer)].weight; }

static long zeros_of(const Param *p)
{
    long zeros = 0;
    for (long i = 0; i < p->count; i++) zeros += p->x[i] == 0.0f;
    return zeros;
}

/* An update that moves every weight. */
static void move(Model *m)
{
    for (size_t i = 0; i < m->params.count; i++) m->params.x[i] += 0.01f * (float)(1 + i % 5);
}

/* The smallest go, in every layer that is asked for, and none comes back. */
START_TEST(the_smallest_go_and_stay)
{
    enum { STEPS = 40 };
    begin();
    Model *m = small_model(arena, network, NULL, 3);
    const SparsityConfig c = {
        .target = 0.75, .begin = 0.1, .end = 0.5, .every = 3, .except = {1, (const char *[]){"log*"}}};
    Sparsity *s;
    must(sparsity_watch(arena, &c, m, true, "c.json", &s));
    const Param *a = weights_of(m, "a");
    float *was = ARENA_ARRAY(arena, float, a->count);
    long before = 0;
    for (long step = 0; step < STEPS; step++) {
        memcpy(was, a->x, sizeof *was * (size_t)a->count);
        sparsity_before_step(s, step, STEPS);
        float least_kept = INFINITY, most_gone = 0;
        for (long i = 0; i < a->count; i++)
            if (a->x[i] != 0.0f)
                least_kept = fminf(least_kept, fabsf(was[i]));
            else
                most_gone = fmaxf(most_gone, fabsf(was[i]));
        ck_assert(most_gone <= least_kept);
        const long zeros = zeros_of(a);
        ck_assert_int_ge(zeros, before);
        ck_assert(step >= 4 || zeros == 0);
        before = zeros;
        move(m);
        sparsity_after_step(s);
        ck_assert_int_eq(zeros_of(a), zeros);
    }
    ck_assert_int_eq(before, a->count * 3 / 4);
    ck_assert_int_eq(zeros_of(weights_of(m, "b")), weights_of(m, "b")->count * 3 / 4);
    ck_assert_int_eq(zeros_of(weights_of(m, "dw")), 0);
    ck_assert_int_eq(zeros_of(weights_of(m, "logits")), 0);
    ck_assert_double_eq(sparsity_measured(s), 0.75);
    end();
}
END_TEST

START_TEST(two_of_each_four)
{
    enum { STEPS = 10 };
    begin();
    Model *m = small_model(arena, network, NULL, 3);
    const SparsityConfig c = {.target = 0.5, .pattern = SPARSITY_2_4, .begin = 0, .end = 0.5, .every = 1};
    Sparsity *s;
    must(sparsity_watch(arena, &c, m, true, "c.json", &s));
    const Param *b = weights_of(m, "b");
    float *first = ARENA_ARRAY(arena, float, b->count);
    memcpy(first, b->x, sizeof *first * (size_t)b->count);
    for (long step = 0; step < STEPS; step++) {
        sparsity_before_step(s, step, STEPS);
        sparsity_after_step(s);
    }
    for (long at = 0; at < b->count; at += 4) {
        float gone = 0, kept = INFINITY;
        int zeros = 0;
        for (long i = at; i < at + 4; i++) {
            zeros += b->x[i] == 0.0f;
            if (b->x[i] == 0.0f)
                gone = fmaxf(gone, fabsf(first[i]));
            else
                kept = fminf(kept, fabsf(first[i]));
        }
        ck_assert(zeros == 2 && gone <= kept);
    }
    ck_assert_int_eq(zeros_of(weights_of(m, "a")), 0); /* reads 3 channels */
    ck_assert_int_eq(zeros_of(weights_of(m, "logits")), weights_of(m, "logits")->count / 2);
    end();
}
END_TEST

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static const char *const sparse[] = {"train.sparsity.target=0.6", "train.sparsity.every=2",
                                     "train.sparsity.except=logits", NULL};

static OpenModel model_in(const char *run)
{
    OpenModel open;
    must(model_open(arena, inside(arena_printf(arena, "%s/last.safetensors", run)), NULL, &open));
    return open;
}

/* In float, in quantization-aware training, and in the codes that are deployed. */
START_TEST(zeros_stay_through_quantization)
{
    begin_zoo();
    program_must(arena, folder,
                 "train zoo.json --quiet --out f --set train.sparsity.target=0.6 --set train.sparsity.every=2 "
                 "--set train.sparsity.except=logits");
    has(text_of("f/metrics.jsonl"), "\"sparsity\":0.6");
    program_must(arena, folder, "qat f --quiet --out q --set quant.weights.bits=4 --set quant.activations.bits=4");
    OpenModel f = model_in("f"), q = model_in("q");
    Graph *graph;
    must(model_lower(arena, q.model, (Rounding)q.config->quant.rounding, &graph));
    static const char *const layers[] = {"stem", "pw", "side", "fc"};
    for (int i = 0; i < 4; i++) {
        const Param *a = weights_of(f.model, layers[i]), *b = weights_of(q.model, layers[i]);
        ck_assert_int_eq(zeros_of(a), lrint(0.6 * (double)a->count));
        int moved = 0;
        for (long k = 0; k < a->count; k++) {
            ck_assert(a->x[k] != 0.0f || b->x[k] == 0.0f);
            moved += a->x[k] != b->x[k];
        }
        ck_assert_int_gt(moved, 0);
        long codes = 0;
        for (int n = 0; n < graph->nodes; n++)
            for (long k = 0; strcmp(graph->node[n].name, layers[i]) == 0 && k < a->count; k++)
                codes += graph->node[n].weights[k] == 0;
        ck_assert_int_ge(codes, zeros_of(b));
    }
    has(program_must(arena, folder, "verify q"), " 0 different");
    end();
}
END_TEST

static volatile sig_atomic_t stop_now;

static void stop_at_step(void *context, const TrainProgress *p)
{
    if (p->step == *(const long *)context) stop_now = 1;
}

static Status train_until(void *context, Arena *own, TrainJob *job, const char *label, TrainResult *result)
{
    (void)label;
    stop_now = 0;
    job->stop = &stop_now;
    job->progress = stop_at_step;
    job->progress_context = context;
    return train_run(own, job, result);
}

/* No mask is written: what is 0 is what is gone. */
START_TEST(a_run_that_was_stopped_goes_on_with_its_zeros)
{
    begin_zoo();
    long at = 0;
    RunOutcome out;
    RunRequest r = {
        .path = inside("zoo.json"), .sets = sparse, .out = inside("whole"), .train = train_until, .context = &at};
    must(run_train(arena, &r, &out));
    r.out = inside("parts");
    static const long stops[] = {5, 9, 0};
    for (int i = 0; i < 3; i++) {
        at = stops[i];
        r.resume = i > 0;
        ck_assert_int_eq(run_train(arena, &r, &out), at > 0 ? STATUS_INTERRUPTED : STATUS_OK);
    }
    static const char *const files[] = {"last.safetensors", "metrics.jsonl"};
    for (int i = 0; i < 2; i++) {
        unsigned char *x, *y;
        size_t n, m;
        must(file_read(arena, file_join(arena, inside("whole"), files[i]), 1 << 24, &x, &n));
        must(file_read(arena, file_join(arena, inside("parts"), files[i]), 1 << 24, &y, &m));
        ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s differs", files[i]);
    }
    end();
}
END_TEST

START_TEST(what_cannot_be_asked_for)
{
    begin_zoo();
    static const char *const bad[][2] = {
        {"--set train.sparsity.target=1", "train.sparsity.target: 1; must be"},
        {"--set train.sparsity.target=0.4 --set train.sparsity.pattern=2:4", "0.4 with the pattern 2:4; must be 0.5"},
        {"--set train.sparsity.target=0.4 --set train.sparsity.begin=0.7", "must be before train.sparsity.end, 0.6"},
        {"--set train.sparsity.target=0.4 --set train.sparsity.except=nothing", "\"nothing\"; must name a layer"},
        {"--set train.sparsity.target=0.4 --set train.ema=0.9", "one of them must be 0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program_refuses(arena, folder, arena_printf(arena, "train zoo.json --out x %s", bad[i][0]), bad[i][1]);
        ck_assert(!file_exists(inside("x")));
    }
    const Where where = {.folder = folder};
    const Outcome o = program_run(arena, &where, "train zoo.json --out y --set train.sparsity.every=7");
    ck_assert_int_eq(o.code, 0);
    has(o.err, "train.sparsity.every has no effect: train.sparsity.target is 0");
    ck_assert_ptr_null(strstr(text_of("y/metrics.jsonl"), "sparsity"));
    end();
}
END_TEST

TEST_MAIN("sparsity", the_share_rises_by_a_cube, the_smallest_go_and_stay, two_of_each_four,
          zeros_stay_through_quantization, a_run_that_was_stopped_goes_on_with_its_zeros, what_cannot_be_asked_for)
