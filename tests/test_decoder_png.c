/* picture_read: each kind of PNG to the bytes it stands for, resizing, and the refusals. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "datasets/reader.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static Status read_png(Arena *a, const char *folder, const char *name, int h, int w, int c, bool crop, uint8_t **pixels)
{
    return picture_read(a, file_join(a, folder, name), (const int[3]){h, w, c}, crop, pixels);
}

static const uint8_t gray_2x3[] = {0, 10, 255, 77, 128, 3};
static const uint8_t rgb_2x2[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 40, 90, 200};
static const uint8_t rgba_2x2[] = {255, 0, 0, 255, 0, 255, 0, 0, 100, 50, 30, 128, 40, 90, 200, 51};
static const uint8_t gray_alpha_1x2[] = {200, 255, 200, 64};
static const uint8_t gray16_1x2[] = {0x80, 0x7f, 0xff, 0xff}; /* 32895 / 257 = 127.996 */
static const uint8_t palette_rgb[] = {1, 2, 3, 250, 128, 0, 9, 8, 7};
static const uint8_t palette_alpha[] = {255, 255, 0};
static const uint8_t palette_rows[] = {0x18, 0x40}; /* 2 bits a pixel: 0 1 2, 1 0 0 */
static const uint8_t gray1_rows[] = {0xa0, 0x40};   /* 1 bit: 1 0 1, 0 1 0 */

START_TEST(every_kind_of_png_reads_exactly)
{
    const struct {
        Picture picture;
        int c;
        uint8_t want[18];
    } cases[] = {
        {{3, 2, 8, PNG_COLOR_TYPE_GRAY, .rows = gray_2x3}, 1, {0, 10, 255, 77, 128, 3}},
        {{3, 2, 8, PNG_COLOR_TYPE_GRAY, .rows = gray_2x3},
         3,
         {0, 0, 0, 10, 10, 10, 255, 255, 255, 77, 77, 77, 128, 128, 128, 3, 3, 3}},
        {{3, 2, 8, PNG_COLOR_TYPE_GRAY, .interlaced = true, .rows = gray_2x3}, 1, {0, 10, 255, 77, 128, 3}},
        {{2, 2, 8, PNG_COLOR_TYPE_RGB, .rows = rgb_2x2}, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 40, 90, 200}},
        /* luma: 0.299 R + 0.587 G + 0.114 B */
        {{2, 2, 8, PNG_COLOR_TYPE_RGB, .rows = rgb_2x2}, 1, {76, 150, 29, 88}},
        /* over black: v * a / 255 */
        {{2, 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, .rows = rgba_2x2}, 3, {255, 0, 0, 0, 0, 0, 50, 25, 15, 8, 18, 40}},
        {{2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, .rows = gray_alpha_1x2}, 1, {200, 50}},
        {{2, 1, 16, PNG_COLOR_TYPE_GRAY, .rows = gray16_1x2}, 1, {128, 255}},
        {{3, 2, 2, PNG_COLOR_TYPE_PALETTE, .palette = palette_rgb, .entries = 3, .rows = palette_rows},
         3,
         {1, 2, 3, 250, 128, 0, 9, 8, 7, 250, 128, 0, 1, 2, 3, 1, 2, 3}},
        {{3, 2, 2, PNG_COLOR_TYPE_PALETTE, .palette = palette_rgb, .entries = 3, .alpha = palette_alpha,
          .rows = palette_rows},
         3,
         {1, 2, 3, 250, 128, 0, 0, 0, 0, 250, 128, 0, 1, 2, 3, 1, 2, 3}},
        {{3, 2, 1, PNG_COLOR_TYPE_GRAY, .rows = gray1_rows}, 1, {255, 0, 255, 0, 255, 0}},
    };
    Arena *a = arena_create();
    char *folder = folder_make(a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Picture *p = &cases[i].picture;
        put_png(folder, "x.png", p);
        uint8_t *got;
        const Status status = read_png(a, folder, "x.png", p->h, p->w, cases[i].c, false, &got);
        ck_assert_msg(status == STATUS_OK, "case %zu: %s", i, status_message());
        for (int k = 0; k < p->h * p->w * cases[i].c; k++)
            ck_assert_msg(got[k] == cases[i].want[k], "case %zu byte %d: %d, not %d", i, k, got[k], cases[i].want[k]);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A ramp stays the ramp away from the borders, to rounding and to the sampling of the filter at odd ratios; a flat
 * picture stays flat everywhere. */
START_TEST(resizing_keeps_ramps_and_flats)
{
    enum { N = 64 };
    static uint8_t ramp[N * N], flat[N * N];
    for (int y = 0; y < N; y++)
        for (int x = 0; x < N; x++) ramp[y * N + x] = (uint8_t)(2 * x + y), flat[y * N + x] = 201;
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_png(folder, "ramp.png", &(Picture){N, N, 8, PNG_COLOR_TYPE_GRAY, .rows = ramp});
    put_png(folder, "flat.png", &(Picture){N, N, 8, PNG_COLOR_TYPE_GRAY, .rows = flat});
    const int sizes[][2] = {{16, 16}, {17, 13}, {100, 90}, {128, 32}, {1, 1}};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const int h = sizes[s][0], w = sizes[s][1];
        uint8_t *got;
        ck_assert_int_eq(read_png(a, folder, "flat.png", h, w, 1, false, &got), STATUS_OK);
        for (int i = 0; i < h * w; i++) ck_assert_int_eq(got[i], 201);
        ck_assert_int_eq(read_png(a, folder, "ramp.png", h, w, 1, false, &got), STATUS_OK);
        for (int y = 2; y < h - 2; y++)
            for (int x = 2; x < w - 2; x++) {
                const double want = 2 * ((x + 0.5) * N / w - 0.5) + (y + 0.5) * N / h - 0.5;
                ck_assert_double_eq_tol(got[y * w + x], want, 0.75);
            }
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

START_TEST(crop_takes_the_centre)
{
    enum { H = 20, W = 60 };
    static uint8_t thirds[H * W]; /* 10, 100, 200 from left to right */
    for (int i = 0; i < H * W; i++) thirds[i] = (uint8_t)(i % W < 20 ? 10 : i % W < 40 ? 100 : 200);
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_png(folder, "x.png", &(Picture){W, H, 8, PNG_COLOR_TYPE_GRAY, .rows = thirds});
    uint8_t *got;
    ck_assert_int_eq(read_png(a, folder, "x.png", 10, 10, 1, true, &got), STATUS_OK);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(got[i], 100);
    ck_assert_int_eq(read_png(a, folder, "x.png", 10, 9, 1, false, &got), STATUS_OK);
    ck_assert_int_eq(got[0], 10);
    ck_assert_int_eq(got[4], 100);
    ck_assert_int_eq(got[8], 200);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

static void put_size(const char *folder, const char *name, uint32_t w, uint32_t h, int type, bool interlaced)
{
    const uint8_t zero[64] = {0};
    put_png(folder, name, &(Picture){3, 2, 8, type, .interlaced = interlaced, .rows = zero});
    for (int i = 0; i < 4; i++) {
        poke_file(folder, name, 16 + i, (uint8_t)(w >> (24 - 8 * i)));
        poke_file(folder, name, 20 + i, (uint8_t)(h >> (24 - 8 * i)));
    }
    /* the header's own CRC made right again, so that only the size is wrong */
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    uint8_t header[29];
    ck_assert_uint_eq(fread(header, 1, 29, f), 29);
    fclose(f);
    const uLong crc = crc32(0, header + 12, 17);
    for (int i = 0; i < 4; i++) poke_file(folder, name, 29 + i, (uint8_t)(crc >> (24 - 8 * i)));
}

START_TEST(bad_pngs_are_refused)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    static uint8_t noise[64 * 64];
    Rng rng = rng_make(1, RNG_TEST, 0);
    for (int i = 0; i < 64 * 64; i++) noise[i] = (uint8_t)rng_u32(&rng);
    const Picture good = {64, 64, 8, PNG_COLOR_TYPE_GRAY, .rows = noise};
    put_bytes(folder, "text.png", "this is no picture at all", 25);
    put_bytes(folder, "empty.png", "", 0);
    put_png(folder, "cut.png", &good);
    cut_file(folder, "cut.png", 1000);
    put_png(folder, "stump.png", &good);
    cut_file(folder, "stump.png", 20);
    put_png(folder, "flipped.png", &good);
    poke_file(folder, "flipped.png", 500, 0x5a);
    put_size(folder, "wide.png", 100000, 2, PNG_COLOR_TYPE_GRAY, false);
    put_size(folder, "zero.png", 0, 2, PNG_COLOR_TYPE_GRAY, false);
    put_size(folder, "hollow.png", 16000, 16000, PNG_COLOR_TYPE_GRAY, false);
    put_size(folder, "dense.png", 16384, 16384, PNG_COLOR_TYPE_RGB, false);
    put_size(folder, "interlaced.png", 5000, 4000, PNG_COLOR_TYPE_GRAY, true);
    put_png(folder, "good.png", &good);
    const struct {
        const char *name;
        int c;
        Status status;
        const char *words[3];
    } cases[] = {
        {"absent.png", 1, STATUS_IO, {"absent.png: cannot open"}},
        {"text.png", 1, STATUS_FORMAT, {"text.png: does not start as a PNG or JPEG"}},
        {"empty.png", 1, STATUS_FORMAT, {"empty.png: does not start as a PNG or JPEG"}},
        {"cut.png", 1, STATUS_FORMAT, {"cut.png: damaged PNG", "ends early", "required"}},
        {"stump.png", 1, STATUS_FORMAT, {"stump.png: damaged PNG"}},
        {"flipped.png", 1, STATUS_FORMAT, {"flipped.png: damaged PNG", "check"}},
        {"wide.png", 1, STATUS_FORMAT, {"wide.png: a picture of 100000 x 2", "16384"}},
        {"zero.png", 1, STATUS_FORMAT, {"zero.png: a picture of 0 x 2"}},
        {"hollow.png", 1, STATUS_FORMAT, {"hollow.png: damaged PNG", "too short for its size"}},
        {"dense.png", 1, STATUS_FORMAT, {"dense.png: a picture of 16384 x 16384", "805306368 bytes", "may hold 2684"}},
        {"interlaced.png", 1, STATUS_FORMAT, {"interlaced.png: an interlaced picture of 5000 x 4000", "16777216"}},
        {"good.png", 2, STATUS_SHAPE, {"good.png", "2 channels", "1 (gray) or 3 (RGB)"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *got;
        const Status status = read_png(a, folder, cases[i].name, 64, 64, cases[i].c, false, &got);
        ck_assert_msg(status == cases[i].status, "%s: status %d", cases[i].name, status);
        for (int w = 0; w < 3 && cases[i].words[w] != NULL; w++)
            ck_assert_msg(strstr(status_message(), cases[i].words[w]) != NULL, "\"%s\" lacks \"%s\"", status_message(),
                          cases[i].words[w]);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A picture costs its file and some rows, however many it has. */
START_TEST(a_large_picture_is_never_held_whole)
{
    enum { W = 6000, H = 500 };
    uint8_t *rows = calloc(W * 3, H), small[16 * 16 * 3];
    memset(rows, 200, W * 3 * H / 2);
    Arena *a = arena_create(), *scratch = arena_create();
    char *folder = folder_make(a);
    put_png(folder, "large.png", &(Picture){W, H, 8, PNG_COLOR_TYPE_RGB, .rows = rows});
    free(rows);
    ck_assert_int_eq(picture_read_into(scratch, file_join(a, folder, "large.png"), (int[3]){16, 16, 3}, false, small),
                     STATUS_OK);
    ck_assert_int_eq(small[0], 200);
    ck_assert_int_eq(small[16 * 16 * 3 - 1], 0);
    ck_assert_uint_lt(arena_peak_bytes(scratch), 2 << 20);
    folder_remove(folder);
    arena_destroy(scratch);
    arena_destroy(a);
}
END_TEST

static long most_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Behind the header of folder/name, a compressed text of `bytes` zeros. */
static void add_text(Arena *a, const char *folder, const char *name, size_t bytes)
{
    unsigned char *png, *chunk = arena_zalloc(a, bytes), *zeros = arena_zalloc(a, bytes);
    size_t length;
    ck_assert_int_eq(file_read(a, file_join(a, folder, name), 1 << 20, &png, &length), STATUS_OK);
    uLongf packed = bytes - 16;
    ck_assert_int_eq(compress2(chunk + 11, &packed, zeros, bytes, 9), Z_OK);
    const uint32_t data = (uint32_t)packed + 3;
    memcpy(chunk + 4, "zTXta\0\0", 7);
    const uLong crc = crc32(0, chunk + 4, data + 4);
    for (int i = 0; i < 4; i++) {
        chunk[i] = (uint8_t)(data >> (24 - 8 * i));
        chunk[8 + data + (uint32_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    }
    unsigned char *all = arena_alloc(a, length + data + 12);
    memcpy(all, png, 33);
    memcpy(all + 33, chunk, data + 12);
    memcpy(all + 33 + data + 12, png + 33, length - 33);
    put_bytes(folder, name, all, length + data + 12);
}

START_TEST(what_is_no_pixel_is_not_unpacked)
{
    Arena *a = arena_create();
    Arena *text = arena_create();
    char *folder = folder_make(a);
    put_png(folder, "x.png", &(Picture){3, 2, 8, PNG_COLOR_TYPE_GRAY, .rows = gray_2x3});
    add_text(text, folder, "x.png", 48 << 20);
    arena_destroy(text);
    const pid_t child = fork();
    if (child == 0) {
        Arena *own = arena_create();
        uint8_t *got;
        const long before = most_kib();
        const Status status = read_png(own, folder, "x.png", 2, 3, 1, false, &got);
        _exit(status != STATUS_OK ? 1 : got[2] != 255 ? 2 : most_kib() - before > 16 << 10 ? 3 : 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

TEST_MAIN("decoder_png", every_kind_of_png_reads_exactly, resizing_keeps_ramps_and_flats, crop_takes_the_centre,
          bad_pngs_are_refused, a_large_picture_is_never_held_whole, what_is_no_pixel_is_not_unpacked)
