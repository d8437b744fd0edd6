/* The loader: the same batches however they are asked for. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "datasets/loader.h"
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

TEST_MAIN("loader", mixes_are_of_two_images, batches_do_not_depend_on_the_way, an_epoch_holds_each_image_once,
          augmentation_follows_the_image, bad_loaders_are_refused)
