/* Augmentation: images stay what they may become. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "datasets/augment.h"
#include "datasets/augment_jpeg.h"
#include "datasets/mix.h"
#include "tests/support/suite.h"

enum { H = 6, W = 5, C = 2, IMAGE = H * W * C };

static const AugmentConfig some = {.crop_padding = 1, .flip = true, .shift = 1, .rotate = 10};

/* Shares of Beta(alpha, alpha) have mean 1/2 and variance 1 / (4 (2 alpha + 1)); rectangles lie in the image. */
START_TEST(shares_are_of_the_beta_distribution)
{
    enum { DRAWS = 20000 };
    static const double alpha[] = {0.001, 0.2, 1, 8};
    const int hwc[3] = {H, W, C};
    for (int i = 0; i < 4; i++) {
        double sum = 0, squares = 0;
        for (uint64_t draw = 0; draw < DRAWS; draw++) {
            Rng rng = rng_make(6, RNG_MIX, draw);
            const Mix m = mix_draw(&(AugmentConfig){.mixup = alpha[i]}, hwc, &rng);
            ck_assert(m.share >= 0 && m.share <= 1 && !m.cut);
            sum += m.share;
            squares += (m.share - 0.5) * (m.share - 0.5);
        }
        const double variance = 1 / (4 * (2 * alpha[i] + 1));
        ck_assert_double_eq_tol(sum / DRAWS, 0.5, 4 * sqrt(variance / DRAWS));
        ck_assert_double_eq_tol(squares / DRAWS / variance, 1, 0.05);
    }
    int cuts = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        Rng rng = rng_make(7, RNG_MIX, draw);
        const Mix m = mix_draw(&(AugmentConfig){.mixup = 1, .cutmix = 1}, hwc, &rng);
        cuts += m.cut;
        if (!m.cut) continue;
        ck_assert(m.y >= 0 && m.x >= 0 && m.h >= 0 && m.w >= 0 && m.y + m.h <= H && m.x + m.w <= W);
        ck_assert_double_eq_tol(m.share, 1 - (double)(m.h * m.w) / (H * W), 1e-12);
    }
    ck_assert(cuts > DRAWS * 0.48 && cuts < DRAWS * 0.52);
    ck_assert(!mix_is_on(NULL) && !mix_is_on(&some) && !augment_is_off(&(AugmentConfig){.mixup = 0.1}) &&
              !augment_is_off(&(AugmentConfig){.cutmix = 0.1}));
}
END_TEST

static uint8_t source[H * W * C];

static void fill_source(void)
{
    for (int i = 0; i < IMAGE; i++) source[i] = (uint8_t)(i + 1); /* every byte differs and none is 0 */
}

/* Each result must be one of the moves that the settings allow, and all of them must come up. */
static void check_moves(const AugmentConfig *cfg, int reach)
{
    const int hwc[3] = {H, W, C};
    int hits[2][9][9] = {{{0}}}, kinds = 0;
    fill_source();
    for (uint64_t draw = 0; draw < 4000; draw++) {
        Rng rng = rng_make(1, RNG_AUGMENT, draw);
        uint8_t guarded[IMAGE + 2], *out = guarded + 1;
        memset(guarded, 0xee, sizeof guarded);
        augment_image(cfg, hwc, &rng, source, out, NULL);
        ck_assert(guarded[0] == 0xee && guarded[IMAGE + 1] == 0xee);
        int matches = 0;
        for (int mirror = 0; mirror <= (cfg->flip ? 1 : 0); mirror++)
            for (int dy = -reach; dy <= reach; dy++)
                for (int dx = -reach; dx <= reach; dx++) {
                    bool equal = true;
                    for (int y = 0; y < H && equal; y++)
                        for (int x = 0; x < W * C && equal; x++) {
                            const int fy = y - dy, column = x / C - dx, fx = mirror ? W - 1 - column : column;
                            const bool inside = fy >= 0 && fy < H && fx >= 0 && fx < W;
                            equal = out[y * W * C + x] == (inside ? source[(fy * W + fx) * C + x % C] : 0);
                        }
                    if (equal) matches++, kinds += hits[mirror][dy + 4][dx + 4]++ == 0;
                }
        ck_assert_int_eq(matches, 1);
    }
    ck_assert_int_eq(kinds, (cfg->flip ? 2 : 1) * (2 * reach + 1) * (2 * reach + 1));
}

START_TEST(moves_are_exact_and_complete)
{
    check_moves(&(AugmentConfig){.crop_padding = 3}, 3);
    check_moves(&(AugmentConfig){.shift = 2}, 2);
    check_moves(&(AugmentConfig){.flip = true}, 0);
    check_moves(&(AugmentConfig){.flip = true, .shift = 1, .crop_padding = 1}, 2);
}
END_TEST

/* Moves larger than the image leave nothing; a turn of nearly nothing is the image; a real one keeps what is round. */
START_TEST(turns_and_extremes)
{
    enum { S = 31 };
    static uint8_t disc[S * S], out[S * S];
    for (int y = 0; y < S; y++)
        for (int x = 0; x < S; x++) {
            const double r = hypot(x - 15, y - 15); /* smooth, about the centre, 0 at the border */
            disc[y * S + x] = (uint8_t)(r < 15 ? 120 + 120 * cos(r * 0.2094395) : 0);
        }
    const int hwc[3] = {S, S, 1};
    for (uint64_t draw = 0; draw < 50; draw++) {
        Rng rng = rng_make(2, RNG_AUGMENT, draw);
        augment_image(&(AugmentConfig){.rotate = 1e-6}, hwc, &rng, disc, out, NULL);
        ck_assert_mem_eq(out, disc, sizeof out);
        augment_image(&(AugmentConfig){.rotate = 45}, hwc, &rng, disc, out, NULL);
        for (int i = 0; i < S * S; i++) ck_assert_int_le(abs(out[i] - disc[i]), 4);
    }
    /* A picture that is not round does turn. */
    fill_source();
    uint8_t small[IMAGE];
    int changed = 0;
    for (uint64_t draw = 0; draw < 50; draw++) {
        Rng rng = rng_make(3, RNG_AUGMENT, draw);
        augment_image(&(AugmentConfig){.rotate = 30, .flip = true, .shift = 2}, (const int[3]){H, W, C}, &rng, source,
                      small, NULL);
        changed += memcmp(small, source, IMAGE) != 0;
        augment_image(&(AugmentConfig){.shift = 64, .crop_padding = 64}, (const int[3]){H, W, C}, &rng, source, small,
                      NULL);
    }
    ck_assert_int_ge(changed, 49);
    ck_assert(augment_is_off(NULL) && augment_is_off(&(AugmentConfig){0}) && !augment_is_off(&some));
}
END_TEST

/* Bytes of a constant image and of one with two values are what the factors make of them. */
START_TEST(brightness_and_contrast_are_factors)
{
    enum { PIXELS = 6 * 6 };
    const int hwc[3] = {6, 6, 1};
    uint8_t flat[PIXELS], halves[PIXELS], out[PIXELS];
    memset(flat, 100, PIXELS);
    for (int i = 0; i < PIXELS; i++) halves[i] = i < PIXELS / 2 ? 80 : 120;
    int least = 255, most = 0;
    for (uint64_t draw = 0; draw < 300; draw++) {
        Rng rng = rng_make(4, RNG_AUGMENT, draw);
        augment_image(&(AugmentConfig){.brightness = 0.25}, hwc, &rng, flat, out, NULL);
        for (int i = 1; i < PIXELS; i++) ck_assert_int_eq(out[i], out[0]);
        least = out[0] < least ? out[0] : least;
        most = out[0] > most ? out[0] : most;
        augment_image(&(AugmentConfig){.contrast = 0.5}, hwc, &rng, flat, out, NULL);
        ck_assert_mem_eq(out, flat, PIXELS); /* nothing differs from the mean */
        augment_image(&(AugmentConfig){.contrast = 0.5}, hwc, &rng, halves, out, NULL);
        ck_assert_int_ge(out[PIXELS - 1] - out[0], 19);
        ck_assert_int_le(out[PIXELS - 1] - out[0], 61);
        ck_assert_int_le(abs(out[0] + out[PIXELS - 1] - 200), 1); /* about the mean */
        augment_image(&(AugmentConfig){.brightness = 1}, hwc, &rng, (memset(halves, 250, PIXELS), halves), out, NULL);
        ck_assert_int_le(out[0], 255);
        for (int i = 0; i < PIXELS; i++) halves[i] = i < PIXELS / 2 ? 80 : 120;
    }
    ck_assert(least >= 75 && least < 80 && most > 120 && most <= 125);
    ck_assert(!augment_is_off(&(AugmentConfig){.brightness = 0.1}) &&
              !augment_is_off(&(AugmentConfig){.contrast = 0.1}));
}
END_TEST

/* Smooth pictures come back nearly as they were, the nearer the higher the quality; flat ones at once. */
START_TEST(a_jpeg_loses_by_its_quality)
{
    enum { S = 24 };
    for (int channels = 1; channels <= 3; channels += 2) {
        const int hwc[3] = {S, S, channels};
        uint8_t picture[S * S * 3], out[S * S * 3], again[S * S * 3], guarded[S * S * 3 + 1];
        const int bytes = S * S * channels;
        for (int i = 0; i < bytes; i++)
            picture[i] = (uint8_t)(128 + 60 * sin(0.5 * (i / channels % S)) * cos(0.4 * (i / channels / S)));
        double error[2] = {0};
        int different = 0;
        for (uint64_t draw = 0; draw < 40; draw++)
            for (int k = 0; k < 2; k++) {
                const AugmentConfig cfg = {.jpeg_quality = k == 0 ? 5 : 100};
                Rng rng = rng_make(8, RNG_AUGMENT, draw), same = rng;
                ck_assert_int_eq(augment_image(&cfg, hwc, &rng, picture, out, NULL), STATUS_OK);
                ck_assert_int_eq(augment_image(&cfg, hwc, &same, picture, again, NULL), STATUS_OK);
                ck_assert_mem_eq(out, again, (size_t)bytes);
                for (int i = 0; i < bytes; i++) error[k] += abs(out[i] - picture[i]) / (40.0 * bytes);
                different += k == 0 && memcmp(out, picture, (size_t)bytes) != 0;
            }
        ck_assert(error[1] < 1.0 && error[0] > 1.5 * error[1]);
        ck_assert_int_ge(different, 35);
        memset(guarded, 90, sizeof guarded);
        ck_assert_int_eq(augment_jpeg(50, hwc, guarded), STATUS_OK);
        for (int i = 0; i < S * S * 3 + 1; i++) ck_assert_int_le(abs(guarded[i] - 90), 1);
    }
    ck_assert(!augment_is_off(&(AugmentConfig){.jpeg_quality = 90}));
}
END_TEST

/* Cutout: exactly what of the square lies in the image is 0; erasing: a rectangle in a share of the images. */
START_TEST(holes_are_squares_and_rectangles)
{
    enum { S = 12 };
    const int hwc[3] = {S, S, 1};
    uint8_t full[S * S], out[S * S];
    memset(full, 200, sizeof full);
    int whole = 0, erased = 0, corner = 0;
    for (uint64_t draw = 0; draw < 1000; draw++) {
        Rng rng = rng_make(5, RNG_AUGMENT, draw);
        augment_image(&(AugmentConfig){.cutout = 4}, hwc, &rng, full, out, NULL);
        int zeros = 0, first_y = S, last_y = -1, first_x = S, last_x = -1;
        for (int i = 0; i < S * S; i++) {
            ck_assert(out[i] == 0 || out[i] == 200);
            if (out[i] != 0) continue;
            zeros++;
            first_y = i / S < first_y ? i / S : first_y, last_y = i / S > last_y ? i / S : last_y;
            first_x = i % S < first_x ? i % S : first_x, last_x = i % S > last_x ? i % S : last_x;
        }
        ck_assert_int_ge(zeros, 4);
        ck_assert_int_eq(zeros, (last_y - first_y + 1) * (last_x - first_x + 1));
        ck_assert(last_y - first_y < 4 && last_x - first_x < 4);
        whole += zeros == 16;
        corner += out[0] == 0;

        augment_image(&(AugmentConfig){.random_erasing = 0.3}, hwc, &rng, full, out, NULL);
        int changed = 0;
        for (int i = 0; i < S * S; i++) changed += out[i] != 200;
        erased += changed > 0;
        ck_assert_int_le(changed, S * S / 2);
    }
    ck_assert(whole > 450 && whole < 750 && corner > 5); /* of 12 places in each direction 9 are whole */
    ck_assert(erased > 240 && erased < 360);
    ck_assert(!augment_is_off(&(AugmentConfig){.cutout = 1}) && !augment_is_off(&(AugmentConfig){.random_erasing = 1}));
}
END_TEST

TEST_MAIN("augment", a_jpeg_loses_by_its_quality, shares_are_of_the_beta_distribution,
          brightness_and_contrast_are_factors, holes_are_squares_and_rectangles, moves_are_exact_and_complete,
          turns_and_extremes)
