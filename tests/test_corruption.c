/* Calibration on other pictures than the training's: what the corruptions are, and that calibration alone sees them. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "datasets/batch_reader.h"
#include "datasets/corruption.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { N = 20, H = 9, W = 8, C = 2, IMAGE = H * W * C };

static Dataset pictures(uint8_t *bytes, int32_t *labels)
{
    static const int hwc[] = {H, W, C};
    return dataset_of(source_of_bytes(arena, N, hwc, bytes, targets_classes(labels)), 2);
}

static const uint8_t *corrupt(const Dataset *from, CorruptionKind kind, double amount)
{
    const CorruptionConfig config = {(int)kind, amount};
    Dataset out;
    must(dataset_corrupt(arena, from, &config, 11, &out));
    uint8_t *bytes = arena_alloc(arena, N * IMAGE);
    const uint8_t *pixels;
    must(dataset_read(&out, 0, N, bytes, &pixels));
    if (pixels != bytes) memcpy(bytes, pixels, N * IMAGE);
    return bytes;
}

START_TEST(pictures_are_changed)
{
    begin();
    uint8_t *bytes = arena_alloc(arena, N * IMAGE);
    int32_t labels[N] = {0};
    for (int i = 0; i < N * IMAGE; i++) bytes[i] = (uint8_t)(i * 37 % 256);
    const Dataset from = pictures(bytes, labels);
    const uint8_t *bright = corrupt(&from, CORRUPTION_BRIGHTNESS, 0.2),
                  *grey = corrupt(&from, CORRUPTION_CONTRAST, -0.5);
    for (int i = 0; i < N * IMAGE; i++) {
        ck_assert_int_eq(bright[i], bytes[i] + 51 > 255 ? 255 : bytes[i] + 51);
        ck_assert(fabs(grey[i] - (127.5 + 0.5 * (bytes[i] - 127.5))) <= 0.5);
    }
    for (int i = 0; i < N * IMAGE; i++) bytes[i] = 128;
    const uint8_t *noisy = corrupt(&from, CORRUPTION_NOISE, 0.1), *again = corrupt(&from, CORRUPTION_NOISE, 0.1);
    ck_assert_mem_eq(noisy, again, N * IMAGE);
    ck_assert(memcmp(noisy, noisy + IMAGE, IMAGE) != 0);
    double sum = 0.0, square = 0.0;
    for (int i = 0; i < N * IMAGE; i++) sum += noisy[i] - 128.0, square += (noisy[i] - 128.0) * (noisy[i] - 128.0);
    ck_assert(fabs(sum / (N * IMAGE)) < 2.0 && fabs(sqrt(square / (N * IMAGE)) - 25.5) < 1.5);
    bytes[(4 * W + 4) * C] = 255; /* one bright value on a plain picture */
    const uint8_t *soft = corrupt(&from, CORRUPTION_BLUR, 1.0);
    ck_assert(soft[(4 * W + 4) * C] > soft[(4 * W + 5) * C] && soft[(4 * W + 5) * C] > soft[(4 * W + 6) * C]);
    ck_assert(soft[(4 * W + 5) * C] == soft[(4 * W + 3) * C] && soft[(4 * W + 5) * C] == soft[(5 * W + 4) * C]);
    ck_assert(soft[(4 * W + 4) * C] == (uint8_t)rint(128.0 + 127.0 * 0.159241));
    ck_assert(soft[(4 * W + 4) * C + 1] == 128 && soft[IMAGE] == 128);
    end();
}
END_TEST

/* Ranges follow what calibration sees; the float network and its test do not. */
START_TEST(calibration_alone_sees_them)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.epochs=1");
    program_must(arena, folder, "ptq f --quiet --out plain");
    program_must(arena, folder,
                 "ptq f --quiet --out noisy --set ptq.calibration.corruption=noise --set ptq.calibration.amount=0.5");
    cJSON *plain = program_json(arena, folder, "eval f"),
          *noisy = program_json(arena, folder,
                                "eval f --set ptq.calibration.corruption=noise --set ptq.calibration.amount=0.5");
    ck_assert(json_get(plain, "loss")->valuedouble == json_get(noisy, "loss")->valuedouble);
    cJSON_Delete(plain);
    cJSON_Delete(noisy);
    plain = cJSON_Parse(text_of("plain/run.json")), noisy = cJSON_Parse(text_of("noisy/run.json"));
    const cJSON *x = cJSON_GetArrayItem(json_get(plain, "ptq"), 0), *y = cJSON_GetArrayItem(json_get(noisy, "ptq"), 0);
    ck_assert(json_get(x, "sqnr_after")->valuedouble != json_get(y, "sqnr_after")->valuedouble);
    cJSON_Delete(plain);
    cJSON_Delete(noisy);
    end();
}
END_TEST

/* Images of another folder, twice as bright: the image is the same, the ranges are not. */
START_TEST(another_folder)
{
    begin_zoo();
    static const char *const names[][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                           {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    must(file_make_dir(inside("dark")));
    must(file_make_dir(inside("bright")));
    uint8_t pixels[40 * 144], labels[40];
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < 40 * 144; i++) pixels[i] = (uint8_t)(i * 31 % 97 + (f == 1 ? 120 : 0));
        for (int i = 0; i < 40; i++) labels[i] = (uint8_t)(i % 4);
        for (int k = 0; k < 2; k++) {
            put_idx_images(inside(f == 0 ? "dark" : "bright"), names[k][0], 40, 12, 12, pixels, false);
            put_idx_labels(inside(f == 0 ? "dark" : "bright"), names[k][1], 40, labels, false);
        }
    }
    program_must(arena, folder,
                 "train zoo.json --quiet --out f --set train.epochs=1 --set data.dataset=idx --set data.dir=dark");
    program_must(arena, folder, "ptq f --quiet --out own");
    program_must(arena, folder,
                 arena_printf(arena, "ptq f --quiet --out same --set ptq.calibration.dir=%s", inside("dark")));
    program_must(arena, folder,
                 arena_printf(arena, "ptq f --quiet --out other --set ptq.calibration.dir=%s", inside("bright")));
    double sqnr[3];
    static const char *const runs[] = {"own/run.json", "same/run.json", "other/run.json"};
    for (int i = 0; i < 3; i++) {
        cJSON *run = cJSON_Parse(text_of(runs[i]));
        sqnr[i] = json_number(cJSON_GetArrayItem(json_get(run, "ptq"), 0), "sqnr_after");
        cJSON_Delete(run);
    }
    ck_assert(sqnr[0] == sqnr[1] && sqnr[2] < sqnr[0] - 1.0);
    program_refuses(arena, folder, "ptq f --quiet --out none --set ptq.calibration.dir=nowhere",
                    "ptq.calibration.dir: ");
    end();
}
END_TEST

TEST_MAIN("corruption", another_folder, pictures_are_changed, calibration_alone_sees_them)
