/* loader and augmentation: the same batches however they are asked for, and images that stay what they may become. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "datasets/augment.h"
#include "datasets/loader.h"
#include "datasets/mix.h"
#include "tests/support/suite.h"

enum { N = 23, H = 6, W = 5, C = 2, IMAGE = H * W * C };

static uint8_t images[N * IMAGE];
static int32_t labels[N];

static Dataset make_data(void)
{
    Rng rng = rng_make(5, RNG_TEST, 0);
    for (int i = 0; i < N * IMAGE; i++) images[i] = (uint8_t)rng_u32(&rng);
    for (int i = 0; i < N; i++) labels[i] = i;
    static SampleSource source;
    source = (SampleSource){.count = N, .input = {SAMPLE_U8, {H, W, C}}, .targets = {.label = labels}, .bytes = images};
    return dataset_of(&source, N);
}

static const AugmentConfig some = {.crop_padding = 1, .flip = true, .shift = 1, .rotate = 10},
                           mixes = {.flip = true, .shift = 1, .mixup = 1, .cutmix = 1};

typedef struct {
    int n;
    uint8_t pixels[8 * IMAGE];
    int32_t labels[8], other[8];
    float share[8];
} Copy;

static const Batch *batch_of(Loader *loader, int epoch, int index)
{
    const Batch *b;
    ck_assert_msg(loader_get(loader, epoch, index, &b) == STATUS_OK, "%s", status_message());
    return b;
}

static Copy copy_of(const Batch *b)
{
    Copy copy = {.n = b->n};
    ck_assert_int_le(b->n, 8);
    memcpy(copy.pixels, b->pixels, (size_t)b->n * IMAGE);
    memcpy(copy.labels, b->targets.label, (size_t)b->n * sizeof *b->targets.label);
    if (b->targets.other == NULL) return copy;
    memcpy(copy.other, b->targets.other, (size_t)b->n * sizeof *b->targets.other);
    memcpy(copy.share, b->targets.share, (size_t)b->n * sizeof *b->targets.share);
    return copy;
}

/* All batches of epochs 0 and 1 through a plain loader are the reference for every other way to ask. */
START_TEST(batches_do_not_depend_on_the_way)
{
    enum { BATCH = 8, BATCHES = 3, EPOCHS = 2 };
    const Dataset data = make_data();
    const AugmentConfig *const augments[] = {NULL, &some, &mixes};
    for (int kind = 0; kind < 6; kind++) {
        Arena *a = arena_create();
        LoaderConfig cfg = {
            .data = &data, .batch = BATCH, .seed = 9, .shuffle = kind % 2, .augment = augments[kind / 2]};
        Loader *plain, *ahead;
        ck_assert_int_eq(loader_create(a, &cfg, &plain), STATUS_OK);
        cfg.prefetch = true;
        ck_assert_int_eq(loader_create(a, &cfg, &ahead), STATUS_OK);
        ck_assert_int_eq(loader_batches(plain), BATCHES);
        static Copy want[EPOCHS][BATCHES];
        for (int e = 0; e < EPOCHS; e++)
            for (int i = 0; i < BATCHES; i++) want[e][i] = copy_of(batch_of(plain, e, i));

        const size_t calls = arena_system_calls(a), used = arena_used_bytes(a);
        const int orders[][2] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2},  /* in order, across the epochs  */
                                 {0, 1}, {0, 1}, {1, 2}, {0, 0}, {1, 0}, {0, 2}}; /* seeking                      */
        for (size_t k = 0; k < sizeof orders / sizeof orders[0]; k++) {
            const int e = orders[k][0], i = orders[k][1];
            const Copy got = copy_of(batch_of(ahead, e, i)), again = copy_of(batch_of(plain, e, i));
            ck_assert_int_eq(got.n, i == 2 ? N - 16 : BATCH);
            ck_assert_mem_eq(&got, &want[e][i], sizeof got);
            ck_assert_mem_eq(&again, &want[e][i], sizeof again);
        }
        ck_assert_uint_eq(arena_system_calls(a), calls);
        ck_assert_uint_eq(arena_used_bytes(a), used);
        const bool differs = memcmp(&want[0][0], &want[1][0], sizeof want[0][0]) != 0;
        ck_assert_int_eq(differs, kind != 0); /* another epoch: another order, other changes */
        loader_destroy(plain);
        loader_destroy(ahead);
        arena_destroy(a);
    }
    loader_destroy(NULL);
}
END_TEST

START_TEST(an_epoch_holds_each_image_once)
{
    const Dataset data = make_data();
    for (int batch = 1; batch <= N + 3; batch += 5)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            Arena *a = arena_create();
            Loader *loader;
            const LoaderConfig cfg = {.data = &data, .batch = batch, .seed = 2, .shuffle = shuffle, .prefetch = true};
            ck_assert_int_eq(loader_create(a, &cfg, &loader), STATUS_OK);
            for (int epoch = 0; epoch < 3; epoch++) {
                int seen[N] = {0}, in_order = 0, total = 0;
                for (int i = 0; i < loader_batches(loader); i++) {
                    const Batch *b = batch_of(loader, epoch, i);
                    for (int k = 0; k < b->n; k++, total++) {
                        ck_assert_mem_eq(b->pixels + k * IMAGE, images + b->targets.label[k] * IMAGE, IMAGE);
                        seen[b->targets.label[k]]++;
                        in_order += b->targets.label[k] == total;
                    }
                }
                for (int i = 0; i < N; i++) ck_assert_int_eq(seen[i], 1);
                ck_assert(shuffle ? in_order < N / 2 : in_order == N);
            }
            loader_destroy(loader);
            arena_destroy(a);
        }
}
END_TEST

/* Another seed, another order; an image changes with (seed, epoch, image) and not with its place in a batch. */
START_TEST(augmentation_follows_the_image)
{
    const Dataset data = make_data();
    Arena *a = arena_create();
    LoaderConfig cfg = {.data = &data, .batch = 4, .seed = 7, .shuffle = true, .augment = &some};
    Loader *four, *seven, *other;
    ck_assert_int_eq(loader_create(a, &cfg, &four), STATUS_OK);
    cfg.batch = 7;
    ck_assert_int_eq(loader_create(a, &cfg, &seven), STATUS_OK);
    cfg.seed = 8;
    ck_assert_int_eq(loader_create(a, &cfg, &other), STATUS_OK);
    static uint8_t by_image[N][IMAGE];
    int32_t order[N], at = 0, same = 0;
    for (int i = 0; i < loader_batches(four); i++) {
        const Batch *b = batch_of(four, 3, i);
        for (int k = 0; k < b->n; k++) {
            memcpy(by_image[b->targets.label[k]], b->pixels + k * IMAGE, IMAGE);
            order[at++] = b->targets.label[k];
        }
    }
    at = 0;
    for (int i = 0; i < loader_batches(seven); i++) {
        const Batch *b = batch_of(seven, 3, i);
        for (int k = 0; k < b->n; k++) {
            ck_assert_int_eq(b->targets.label[k], order[at++]);
            ck_assert_mem_eq(b->pixels + k * IMAGE, by_image[b->targets.label[k]], IMAGE);
        }
    }
    const Batch *b = batch_of(other, 3, 0);
    for (int k = 0; k < b->n; k++) same += b->targets.label[k] == order[k];
    ck_assert_int_lt(same, b->n);
    arena_destroy(a);
}
END_TEST

START_TEST(bad_loaders_are_refused)
{
    const Dataset data = make_data(), empty = {.source = data.source};
    Arena *a = arena_create();
    Loader *loader;
    ck_assert_int_eq(loader_create(a, &(LoaderConfig){.data = &empty, .batch = 4}, &loader), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(status_message(), "0 images; must be 1 or more"));
    ck_assert_int_eq(loader_create(a, &(LoaderConfig){.data = &data, .batch = 0}, &loader), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(status_message(), "batch 0; must be 1 or more"));
    static SampleSource values;
    values = *data.source;
    values.targets = targets_values(1, (const float[N]){0});
    const Dataset numbers = dataset_of(&values, 1);
    ck_assert_int_eq(loader_create(a, &(LoaderConfig){.data = &numbers, .batch = 4, .augment = &mixes}, &loader),
                     STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(status_message(), "mixed images of value targets; must be of classes"));
    arena_destroy(a);
}
END_TEST

/* Every image of an epoch is itself and one other of the data, in the share that its targets say, whatever the batch. */
START_TEST(mixes_are_of_two_images)
{
    const Dataset data = make_data();
    const AugmentConfig kinds[] = {{.mixup = 0.4}, {.cutmix = 1}};
    for (int kind = 0; kind < 2; kind++) {
        Arena *a = arena_create();
        static uint8_t by_image[N][IMAGE];
        int32_t partner[N];
        int others = 0;
        for (int batch = 5; batch <= 8; batch += 3) {
            Loader *loader;
            const LoaderConfig cfg = {
                .data = &data, .batch = batch, .seed = 4, .shuffle = true, .augment = &kinds[kind], .prefetch = true};
            ck_assert_int_eq(loader_create(a, &cfg, &loader), STATUS_OK);
            for (int i = 0; i < loader_batches(loader); i++) {
                const Batch *b = batch_of(loader, 2, i);
                for (int k = 0; k < b->n; k++) {
                    const int32_t one = b->targets.label[k], other = b->targets.other[k];
                    const uint8_t *got = b->pixels + k * IMAGE, *x = images + one * IMAGE, *y = images + other * IMAGE;
                    const float share = b->targets.share[k];
                    int own = 0;
                    ck_assert(share >= 0 && share <= 1);
                    for (int p = 0; p < IMAGE; p++) {
                        own += got[p] == x[p];
                        if (kind == 0)
                            ck_assert_double_le(
                                fabs((double)(share * (float)x[p] + (1 - share) * (float)y[p] - (float)got[p])), 0.501);
                        else
                            ck_assert(got[p] == x[p] || got[p] == y[p]);
                    }
                    if (kind == 1 && one != other) /* bytes may be equal by chance */
                        ck_assert(own >= (int)(share * IMAGE + 0.5f) && own <= (int)(share * IMAGE + 0.5f) + 3);
                    others += one != other;
                    if (batch == 5) partner[one] = other, memcpy(by_image[one], got, IMAGE);
                    ck_assert_int_eq(partner[one], other);
                    ck_assert_mem_eq(by_image[one], got, IMAGE);
                }
            }
            loader_destroy(loader);
        }
        ck_assert_int_gt(others, N);
        arena_destroy(a);
    }
}
END_TEST

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
        augment_image(cfg, hwc, &rng, source, out);
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
        augment_image(&(AugmentConfig){.rotate = 1e-6}, hwc, &rng, disc, out);
        ck_assert_mem_eq(out, disc, sizeof out);
        augment_image(&(AugmentConfig){.rotate = 45}, hwc, &rng, disc, out);
        for (int i = 0; i < S * S; i++) ck_assert_int_le(abs(out[i] - disc[i]), 4);
    }
    /* A picture that is not round does turn. */
    fill_source();
    uint8_t small[IMAGE];
    int changed = 0;
    for (uint64_t draw = 0; draw < 50; draw++) {
        Rng rng = rng_make(3, RNG_AUGMENT, draw);
        augment_image(&(AugmentConfig){.rotate = 30, .flip = true, .shift = 2}, (const int[3]){H, W, C}, &rng, source,
                      small);
        changed += memcmp(small, source, IMAGE) != 0;
        augment_image(&(AugmentConfig){.shift = 64, .crop_padding = 64}, (const int[3]){H, W, C}, &rng, source, small);
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
        augment_image(&(AugmentConfig){.brightness = 0.25}, hwc, &rng, flat, out);
        for (int i = 1; i < PIXELS; i++) ck_assert_int_eq(out[i], out[0]);
        least = out[0] < least ? out[0] : least;
        most = out[0] > most ? out[0] : most;
        augment_image(&(AugmentConfig){.contrast = 0.5}, hwc, &rng, flat, out);
        ck_assert_mem_eq(out, flat, PIXELS); /* nothing differs from the mean */
        augment_image(&(AugmentConfig){.contrast = 0.5}, hwc, &rng, halves, out);
        ck_assert_int_ge(out[PIXELS - 1] - out[0], 19);
        ck_assert_int_le(out[PIXELS - 1] - out[0], 61);
        ck_assert_int_le(abs(out[0] + out[PIXELS - 1] - 200), 1); /* about the mean */
        augment_image(&(AugmentConfig){.brightness = 1}, hwc, &rng, (memset(halves, 250, PIXELS), halves), out);
        ck_assert_int_le(out[0], 255);
        for (int i = 0; i < PIXELS; i++) halves[i] = i < PIXELS / 2 ? 80 : 120;
    }
    ck_assert(least >= 75 && least < 80 && most > 120 && most <= 125);
    ck_assert(!augment_is_off(&(AugmentConfig){.brightness = 0.1}) &&
              !augment_is_off(&(AugmentConfig){.contrast = 0.1}));
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
        augment_image(&(AugmentConfig){.cutout = 4}, hwc, &rng, full, out);
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

        augment_image(&(AugmentConfig){.random_erasing = 0.3}, hwc, &rng, full, out);
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

TEST_MAIN("loader", mixes_are_of_two_images, shares_are_of_the_beta_distribution, brightness_and_contrast_are_factors,
          holes_are_squares_and_rectangles, batches_do_not_depend_on_the_way, an_epoch_holds_each_image_once,
          augmentation_follows_the_image, bad_loaders_are_refused, moves_are_exact_and_complete, turns_and_extremes)
