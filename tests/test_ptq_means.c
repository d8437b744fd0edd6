/* Steps of post-training quantization that mend means: bias_correct, reestimate_bn; and auto, which chooses. */
#include <math.h>
#include <string.h>

#include "compress/layer_means.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/ptq_net.h"
#include "tests/support/suite.h"

static PtqImages images_of(const PtqNet *net)
{
    const PtqContext c = ptq_net_context(net);
    PtqImages images;
    must(ptq_images_pick(arena, c.train, c.seed, 0, c.images, &images));
    return images;
}

/* The largest distance of a quantized channel's mean from the float network's, in its deviations. */
static double worst_mean(const PtqNet *net, Model *m, const RealNetwork *real, const char *layer)
{
    const PtqImages images = images_of(net);
    LayerMeans *is = ARENA_ARRAY(arena, LayerMeans, m->layers), *was = ARENA_ARRAY(arena, LayerMeans, m->layers);
    const RealNetwork *mine = real_network_take(arena, m);
    real_network_put(real, m);
    must(layer_means(arena, m, &images, false, -1, was));
    real_network_put(mine, m);
    must(layer_means(arena, m, &images, true, -1, is));
    double worst = 0.0;
    for (int i = 0; i < m->layers; i++)
        for (int c = 0; is[i].mean != NULL && c < m->layer[i].out.c; c++)
            if (layer == NULL || strcmp(layer, m->layer[i].name) == 0)
                worst = fmax(worst, fabs(is[i].mean[c] - was[i].mean[c]) / was[i].deviation[c]);
    return worst;
}

/* What layer_means says of a layer in floats is its output before ReLU. */
START_TEST(means_are_those_before_the_activation)
{
    begin();
    static const char *const plain[] = {"model.layers.stem.activation=none", NULL};
    PtqNet with = ptq_net(NULL), without = ptq_net(plain);
    const PtqImages images = images_of(&with);
    LayerMeans *a = ARENA_ARRAY(arena, LayerMeans, with.m->layers), *b = ARENA_ARRAY(arena, LayerMeans, with.m->layers);
    must(layer_means(arena, with.m, &images, false, 0, a));
    must(layer_means(arena, without.m, &images, false, 0, b));
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    tape_reset(t, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    model_forward(without.m, t, &mode, images.pixels, images.n);
    const Tensor *y = without.m->out[0];
    for (int c = 0; c < 8; c++) {
        double sum = 0.0;
        const long n = tensor_elements(y);
        for (long i = c; i < n; i += 8) sum += (double)y->x[i];
        ck_assert(fabs(a[0].mean[c] - 8.0 * sum / (double)n) < 1e-5 * (1.0 + fabs(a[0].mean[c])));
        ck_assert(a[0].mean[c] == b[0].mean[c] && a[0].deviation[c] == b[0].deviation[c]);
    }
    ck_assert_ptr_null(a[2].mean);
    arena_destroy(step);
    end();
}
END_TEST

static const char *const coarse[] = {"quant.weights.bits=3", "quant.activations.bits=6", NULL};

START_TEST(bias_correct_mends_means)
{
    begin();
    PtqNet net = ptq_net(coarse);
    const RealNetwork *real = real_network_take(arena, net.m);
    ptq_net_step(&net, net.m, "calibrate", real, NULL);
    const double before = worst_mean(&net, net.m, real, NULL);
    ptq_net_step(&net, net.m, "bias_correct", real, NULL);
    const double after = worst_mean(&net, net.m, real, NULL);
    ck_assert_msg(before > 0.05 && after < 0.02, "%.4f, before %.4f", after, before);
    end();
}
END_TEST

/* Statistics that are those of the float network's own outputs: the 1x1 layer, which has no border, is mended without
 * images. */
START_TEST(bias_correct_by_statistics)
{
    begin();
    static const char *const one[] = {"quant.weights.bits=8", "quant.overrides=[{\"layers\":\"pw\",\"weight_bits\":3}]",
                                      NULL};
    PtqNet net = ptq_net(one);
    ptq_net_fit_norms(&net);
    const RealNetwork *real = real_network_take(arena, net.m);
    ptq_net_step(&net, net.m, "calibrate", real, NULL);
    const double before = worst_mean(&net, net.m, real, "pw");
    const int analytic = 1;
    ptq_net_step(&net, net.m, "bias_correct", real, &analytic);
    const double after = worst_mean(&net, net.m, real, "pw");
    ck_assert_msg(before > 0.05 && after < 0.5 * before, "%.4f, before %.4f", after, before);
    end();
}
END_TEST

/* From any statistics: afterwards they are those of the quantized network's own sums. */
START_TEST(reestimate_bn_takes_averages)
{
    begin();
    PtqNet net = ptq_net(coarse);
    Layer *stem = ptq_net_layer(net.m, "stem");
    ptq_net_step(&net, net.m, "calibrate", NULL, NULL);
    const float momentum = stem->norm->momentum;
    const int batch = 64; /* all images at once */
    ptq_net_step(&net, net.m, "reestimate_bn", NULL, &batch);
    ck_assert(stem->norm->momentum == momentum && !stem->frozen);
    const PtqImages images = images_of(&net);
    LayerMeans *means = ARENA_ARRAY(arena, LayerMeans, net.m->layers);
    must(layer_means(arena, net.m, &images, true, 0, means));
    for (int c = 0; c < 8; c++) {
        const double gamma = fabs((double)stem->gamma->x[c]);
        ck_assert_msg(fabs(means[0].mean[c] - (double)stem->beta->x[c]) < 1e-3 * gamma, "%g", means[0].mean[c]);
        ck_assert(fabs(means[0].deviation[c] / gamma - 1.0) < 1e-3);
    }
    end();
}
END_TEST

static const char *told(const PtqTold *t)
{
    const char *text = "";
    for (int i = 0; i < t->n; i++) text = arena_printf(arena, "%s%s\n", text, t->line[i]);
    return text;
}

/* A channel that batch norm has all but switched off is off by many of its own deviations, which says nothing. */
START_TEST(channels_that_hardly_move_are_told_apart)
{
    begin();
    PtqNet net = ptq_net(coarse);
    Layer *stem = ptq_net_layer(net.m, "stem");
    stem->gamma->x[2] = 1e-9f * stem->gamma->x[2];
    stem->beta->x[2] = 0.3f;
    PtqTold lines = {.arena = arena};
    const RealNetwork *real = real_network_take(arena, net.m);
    ptq_net_step(&net, net.m, "calibrate", real, NULL);
    PtqContext c = ptq_net_context(&net);
    c.real = real, c.told = &lines;
    stem->beta->x[2] = 0.31f; /* as a quantizer would have moved it */
    must(ptq_step_bias_correct.run(net.m, &c));
    const char *at = strstr(told(&lines), "off by at most ");
    ck_assert_ptr_nonnull(at);
    ck_assert_msg(strtod(at + strlen("off by at most "), NULL) < 5.0, "%s", at);
    has(at, " that hardly move");
    end();
}
END_TEST

/* Ranges apart and one scale for all: equalization is found and kept.  Eight bits per channel: nothing is found. */
START_TEST(auto_takes_what_helps)
{
    begin();
    static const char *const apart[] = {"quant.weights.granularity=per_tensor", "quant.weights.bits=6", NULL};
    static const char *const fine[] = {"quant.weights.bits=8", NULL};
    PtqTold told_apart = {.arena = arena}, told_fine = {.arena = arena};
    PtqNet net = ptq_net(apart), same = ptq_net(fine);
    ptq_net_label(&net);
    PtqContext c = ptq_net_context(&net);
    c.told = &told_apart;
    const float *before =
        memcpy(arena_alloc(arena, sizeof(float) * 8), ptq_net_layer(net.m, "stem")->gamma->x, sizeof(float) * 8);
    must(ptq_step_auto.run(net.m, &c));
    has(told(&told_apart), "channel ranges: the largest of ");
    has(told(&told_apart), "on 96 held-out images, kept");
    ck_assert(memcmp(before, ptq_net_layer(net.m, "stem")->gamma->x, sizeof(float) * 8) != 0);
    ck_assert(ptq_has_ranges(net.m));
    c = ptq_net_context(&same);
    c.told = &told_fine;
    const struct {
        int held_out;
        double range_ratio, bias;
    } keys = {16, 1e6, 1e6};
    c.keys = &keys;
    const RealNetwork *kept = real_network_take(arena, same.m);
    must(ptq_step_auto.run(same.m, &c));
    has(told(&told_fine), "which needs no cure");
    ck_assert_mem_eq(kept->params, same.m->params.x, sizeof(float) * same.m->params.count);
    c.images = 160;
    refused(ptq_step_auto.run(same.m, &c), "\"auto\" needs training images that calibration does not see");
    end();
}
END_TEST

TEST_MAIN("ptq_means", means_are_those_before_the_activation, bias_correct_mends_means, bias_correct_by_statistics,
          reestimate_bn_takes_averages, channels_that_hardly_move_are_told_apart, auto_takes_what_helps)
