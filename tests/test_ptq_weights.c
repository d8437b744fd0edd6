/* Steps of post-training quantization that move weights before they are on grids. */
#include <math.h>
#include <string.h>

#include "compress/weight_channels.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/ptq_net.h"
#include "tests/support/suite.h"

static void same_outputs(const float *a, const float *b, int n)
{
    float largest = 0.0f;
    for (int i = 0; i < n; i++) largest = fmaxf(largest, fabsf(a[i]));
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) < 1e-4f * largest, "output %d: %g, was %g", i, (double)b[i], (double)a[i]);
}

static void ranges(const Model *m, const char *name, int inputs, float *written, float *read)
{
    const WeightChannels w = weight_channels(arena, ptq_net_layer(m, name), inputs);
    weight_output_ranges(&w, written);
    weight_input_ranges(&w, read);
}

/* Through ReLU, ReLU6, a linear layer, pool and flatten: the float network stays, every range is that of its neighbours. */
START_TEST(equalize_keeps_the_network)
{
    begin();
    static const char *const plain[] = {"model.layers.dw.activation=relu", NULL};
    PtqNet net = ptq_net(plain);
    int n;
    const float *before = ptq_net_outputs(&net, net.m, &n);
    ptq_net_step(&net, net.m, "equalize", NULL, NULL);
    same_outputs(before, ptq_net_outputs(&net, net.m, &n), n);
    float stem[8], dw[8], dw_in[8], pw[12], pw_in[8], dense_in[12], unused[12];
    ranges(net.m, "stem", 1, stem, unused);
    ranges(net.m, "dw", 8, dw, dw_in);
    ranges(net.m, "pw", 8, pw, pw_in);
    ranges(net.m, "logits", 12, unused, dense_in);
    for (int c = 0; c < 8; c++) {
        ck_assert_msg(fabsf(stem[c] / dw[c] - 1.0f) < 2e-3f, "%d: %g %g", c, (double)stem[c], (double)dw[c]);
        ck_assert_msg(fabsf(pw_in[c] / dw[c] - 1.0f) < 2e-3f, "%d: %g %g", c, (double)pw_in[c], (double)dw[c]);
    }
    for (int c = 0; c < 12; c++) ck_assert(fabsf(pw[c] / dense_in[c] - 1.0f) < 2e-3f);
    end();
}
END_TEST

/* Below 6 a channel moves as far as it stays there; one that reaches 6 does not; with relu6 off none. */
START_TEST(equalize_respects_relu6)
{
    begin();
    PtqNet net = ptq_net(NULL);
    Layer *dw = ptq_net_layer(net.m, "dw");
    for (long c = 0; c < dw->beta->count; c++) dw->beta->x[c] = c % 2 == 0 ? 7.0f : 0.4f; /* even ones reach 6 */
    Model *off = ptq_net_again(&net, net.m);
    int n;
    const float *before = ptq_net_outputs(&net, net.m, &n);
    const float *gamma = memcpy(arena_alloc(arena, sizeof(float) * 8), dw->gamma->x, sizeof(float) * 8);
    ptq_net_step(&net, net.m, "equalize", NULL, NULL);
    same_outputs(before, ptq_net_outputs(&net, net.m, &n), n);
    int moved = 0;
    for (int c = 0; c < 8; c++) {
        if (c % 2 == 0) ck_assert_msg(dw->beta->x[c] == 7.0f, "channel %d is %g", c, (double)dw->beta->x[c]);
        moved += dw->gamma->x[c] != gamma[c];
    }
    ck_assert_int_ge(moved, 2);
    const struct {
        int sweeps;
        double tolerance;
        bool relu6;
    } keys = {20, 1e-4, false};
    ptq_net_step(&net, off, "equalize", NULL, &keys);
    ck_assert_mem_eq(ptq_net_layer(off, "dw")->gamma->x, gamma, sizeof(float) * 8);
    end();
}
END_TEST

/* What it is for: per tensor, channels of very different size. */
START_TEST(equalize_mends_a_scale_per_tensor)
{
    begin();
    static const char *const sets[] = {"quant.weights.granularity=per_tensor", "quant.weights.bits=6", NULL};
    PtqNet net = ptq_net(sets);
    int n;
    const float *real = ptq_net_outputs(&net, net.m, &n);
    const double before = ptq_net_measure(&net, net.m, real).sqnr;
    ptq_net_step(&net, net.m, "equalize", NULL, NULL);
    const double after = ptq_net_measure(&net, net.m, real).sqnr;
    ck_assert_msg(after > before + 6.0, "%.2f dB, before %.2f dB", after, before);
    end();
}
END_TEST

/* The 1x1 convolution without padding reads what is never below 0: the biases move, the network stays.  The padded depthwise
 * layer takes none, unless its borders may be off. */
START_TEST(absorb_bias_keeps_the_network)
{
    begin();
    static const char *const plain[] = {"model.layers.dw.activation=relu", NULL};
    PtqNet net = ptq_net(plain);
    Layer *dw = ptq_net_layer(net.m, "dw"), *stem = ptq_net_layer(net.m, "stem"), *pw = ptq_net_layer(net.m, "pw");
    for (long c = 0; c < 8; c++)
        dw->beta->x[c] = 9.0f, dw->gamma->x[c] = 0.5f, stem->beta->x[c] = 9.0f, stem->gamma->x[c] = 0.5f;
    for (long c = 0; c < 12; c++) ptq_net_layer(net.m, "pw")->beta->x[c] = 2.0f;
    ptq_net_fit_norms(&net);
    Model *borders = ptq_net_again(&net, net.m);
    struct {
        double deviations;
        bool borders;
    } keys = {10.0, false};
    int n;
    const float *before = ptq_net_outputs(&net, net.m, &n);
    ptq_net_step(&net, net.m, "absorb_bias", NULL, &keys);
    for (long c = 0; c < 8; c++) {
        ck_assert_msg(fabsf(dw->beta->x[c] - 5.0f) < 1e-6f, "%g", (double)dw->beta->x[c]);
        ck_assert(stem->beta->x[c] == 9.0f);
    }
    for (long c = 0; c < 12; c++) ck_assert(pw->beta->x[c] == 0.0f); /* linear, and read through pool and flatten */
    same_outputs(before, ptq_net_outputs(&net, net.m, &n), n);
    keys.borders = true;
    ptq_net_step(&net, borders, "absorb_bias", NULL, &keys);
    ck_assert(fabsf(ptq_net_layer(borders, "stem")->beta->x[0] - 5.0f) < 1e-6f);
    end();
}
END_TEST

START_TEST(clip_weights_clips)
{
    begin();
    PtqNet net = ptq_net(NULL);
    Layer *pw = ptq_net_layer(net.m, "pw");
    pw->weight->x[5] = 1e4f;
    const float kept = pw->weight->x[6];
    ptq_net_step(&net, net.m, "clip_weights", NULL, NULL);
    const WeightChannels w = weight_channels(arena, pw, 8);
    const float deployed = pw->weight->x[5] * w.factor[weight_output(&w, 5)];
    ck_assert_msg(fabsf(fabsf(deployed) - 15.0f) < 1e-4f, "%g", (double)deployed);
    ck_assert(pw->weight->x[6] == kept);
    const struct {
        double limit, deviations;
    } keys = {0.0, 2.0};
    ptq_net_step(&net, net.m, "clip_weights", NULL, &keys);
    const int o = weight_output(&w, 5);
    double square = 0.0;
    for (long i = 8 * o; i < 8 * o + 8; i++) square += (double)pw->weight->x[i] * (double)pw->weight->x[i];
    ck_assert_msg(fabsf(pw->weight->x[5]) < 14.0f / fabsf(w.factor[o]) && square > 0.0, "%g", (double)pw->weight->x[5]);
    end();
}
END_TEST

TEST_MAIN("ptq_weights", equalize_keeps_the_network, equalize_respects_relu6, equalize_mends_a_scale_per_tensor,
          absorb_bias_keeps_the_network, clip_weights_clips)
