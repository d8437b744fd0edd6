/* Gradients in few bits: their levels and their mean, the key of their noise, and where operations apply them; DoReFa's
 * weights of 1 bit. */
#include <math.h>
#include <string.h>

#include "quant/fake_quant.h"
#include "quant/fused_ops.h"
#include "quant/gradient_quant.h"
#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

enum { IMAGES = 5, IMAGE = 24, N = IMAGES * IMAGE };

static void filled(Arena *arena, float *dr)
{
    memcpy(dr, random_values(arena, N, 41), sizeof *dr * N);
    for (int i = 0; i < IMAGE; i++) dr[3 * IMAGE + i] = 0.0f; /* one image has no gradient */
    for (int i = 0; i < IMAGE; i++) dr[4 * IMAGE + i] *= 1e-6f;
}

START_TEST(gradients_lie_on_levels_and_keep_their_mean)
{
    Arena *arena = arena_create();
    float dr[N], dq[N];
    filled(arena, dr);
    for (int bits = 1; bits <= 8; bits++) {
        enum { DRAWS = 3000 };
        double sum[N] = {0};
        const int levels = (1 << bits) - 1;
        for (int k = 0; k < DRAWS; k++) {
            const GradientQuant g = {.bits = bits, .seed = 7, .key = gradient_key(k, 2)};
            memcpy(dq, dr, sizeof dq);
            gradient_quantize(&g, 0, IMAGES, IMAGE, dq);
            for (int i = 0; i < N; i++) sum[i] += (double)dq[i];
        }
        for (int image = 0; image < IMAGES; image++) {
            double m0 = 0;
            for (int i = image * IMAGE; i < (image + 1) * IMAGE; i++) m0 = fmax(m0, fabs((double)dr[i]));
            for (int i = image * IMAGE; i < (image + 1) * IMAGE; i++) {
                if (m0 == 0) ck_assert(dq[i] == 0.0f);
                if (m0 == 0) continue;
                const double code = ((double)dq[i] / (2 * m0) + 0.5) * levels;
                ck_assert_msg(fabs(code - rint(code)) < 1e-3 && code > -1e-3 && code < levels + 1e-3, "%g", code);
                /* The noise is uniform over a step; what is clipped at the ends is where m0 is reached. */
                const double inside = fabs((double)dr[i]) / m0, step = 2 * m0 / levels;
                if (inside > 1 - 1.0 / levels) continue;
                ck_assert_msg(fabs(sum[i] / DRAWS - (double)dr[i]) < 6 * step / sqrt(DRAWS), "%d bits: %g of %g", bits,
                              sum[i] / DRAWS, (double)dr[i]);
            }
        }
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(noise_has_a_key_for_each_image_layer_and_step)
{
    Arena *arena = arena_create();
    float dr[N], whole[N], parts[N];
    filled(arena, dr);
    const GradientQuant g = {.bits = 4, .seed = 7, .key = gradient_key(3, 1)};
    memcpy(whole, dr, sizeof dr);
    memcpy(parts, dr, sizeof dr);
    gradient_quantize(&g, 0, IMAGES, IMAGE, whole);
    gradient_quantize(&g, 2, IMAGES - 2, IMAGE, parts + 2 * IMAGE);
    gradient_quantize(&g, 0, 2, IMAGE, parts);
    ck_assert_mem_eq(whole, parts, sizeof whole);
    const GradientQuant others[] = {{4, 8, gradient_key(3, 1)}, {4, 7, gradient_key(4, 1)}, {4, 7, gradient_key(3, 2)}};
    for (int k = 0; k < 3; k++) {
        memcpy(parts, dr, sizeof dr);
        gradient_quantize(&others[k], 0, IMAGES, IMAGE, parts);
        ck_assert(memcmp(whole, parts, sizeof whole) != 0);
    }
    arena_destroy(arena);
}
END_TEST

/* dw and dx of a convolution whose gradient is quantized are those of one whose gradient is the quantized one. */
START_TEST(a_convolution_reads_the_quantized_gradient)
{
    const Shape x_shape = {4, {3, 6, 6, 4}}, w_shape = {4, {8, 3, 3, 4}}, b_shape = {1, {8}};
    const ConvGeom geom = {.sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
    for (int way = 0; way < 2; way++) { /* op_conv_block; op_conv2d and op_quantize_gradient */
        float *dw[2], *dx[2];
        Bench b = bench_make();
        const GradientQuant g = {.bits = 3, .seed = 1, .key = gradient_key(9, 0)};
        float *x = random_values(b.owner, shape_elements(x_shape), 1), *w = random_values(b.owner, 288, 2);
        float *bias = random_values(b.owner, 8, 3);
        const float *r = random_values(b.owner, 3 * 4 * 4 * 8, 4);
        float *quantized = memcpy(arena_alloc(b.owner, sizeof(float) * 384), r, sizeof(float) * 384);
        gradient_quantize(&g, 0, 3, 128, quantized);
        for (int k = 0; k < 2; k++) {
            tape_reset(b.tape, true);
            dw[k] = ARENA_ARRAY(b.owner, float, 288), dx[k] = ARENA_ARRAY(b.owner, float, shape_elements(x_shape));
            Tensor *tx = tape_leaf(b.tape, "x", x_shape, x, dx[k]), *tw = tape_leaf(b.tape, "w", w_shape, w, dw[k]);
            Tensor *tb = tape_leaf(b.tape, "b", b_shape, bias, NULL), *y;
            const ConvBlock block = {.kind = CONV_FULL,
                                     .geom = &geom,
                                     .bias = tb,
                                     .epilogue = {.act = {.limit = INFINITY}},
                                     .gradient = k == 0 ? &g : NULL};
            if (way == 0)
                y = op_conv_block(b.tape, tx, tw, &block);
            else
                y = op_quantize_gradient(b.tape, op_conv2d(b.tape, tx, tw, tb, &geom), k == 0 ? &g : NULL);
            ck_assert_msg(y != NULL, "%s", b.tape->message);
            ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, k == 0 ? r : quantized)), STATUS_OK);
        }
        ck_assert_mem_eq(dw[0], dw[1], sizeof(float) * 288);
        ck_assert_mem_eq(dx[0], dx[1], sizeof(float) * (size_t)shape_elements(x_shape));
        bench_end(&b);
    }
}
END_TEST

/* One scale for the layer, whatever the granularity: the mean magnitude; the gradient passes as it is. */
START_TEST(dorefa_of_one_bit_is_the_sign_times_a_mean)
{
    for (int per_channel = 0; per_channel < 2; per_channel++) {
        Bench b = bench_make();
        ParamSet params = {0};
        const QuantizerSpec spec = {.bits = 1,
                                    .per_channel = per_channel != 0,
                                    .symmetric = true,
                                    .type = quantizer_type("dorefa"),
                                    .observer = observer_type("max"),
                                    .momentum = 1};
        Quantizer *q = quantizer_create(b.owner, &params, "w", &spec,
                                        (QuantizedTensor){.is_weight = true, .channels = 2, .axis = 0});
        ck_assert_ptr_nonnull(q);
        float w[] = {0.5f, -0.25f, 0.0f, -2.0f, 1.0f, -0.25f}, dw[6] = {0};
        const float r[] = {1, 2, 3, 4, 5, 6};
        Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 3), w, dw), q, NULL);
        ck_assert_mem_eq(y->codes, ((const int8_t[]){1, -1, 1, -1, 1, -1}), 6);
        for (int i = 0; i < 6; i++) ck_assert_double_eq_tol(fabs((double)y->x[i]), 4.0 / 6, 1e-6);
        ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, r)), STATUS_OK);
        ck_assert_mem_eq(dw, r, sizeof dw);
        bench_end(&b);
    }
}
END_TEST

TEST_MAIN("gradient_quant", gradients_lie_on_levels_and_keep_their_mean, noise_has_a_key_for_each_image_layer_and_step,
          a_convolution_reads_the_quantized_gradient, dorefa_of_one_bit_is_the_sign_times_a_mean)
