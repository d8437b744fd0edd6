/* JPEG: the bytes, the eight ways to hold a camera, and the refusals. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "datasets/dataset.h"
#include "datasets/decoder.h"
#include "datasets/exif.h"
#include "tests/support/data_sets.h"
#include "tests/support/jpeg_files.h"
#include "tests/support/suite.h"

enum { BLOCK = 8 };
static const unsigned long GOLDEN = 0x82d2d529;

static Status read_picture(Arena *a, const char *folder, const char *name, int h, int w, int c, uint8_t **pixels)
{
    return picture_read(a, file_join(a, folder, name), (const int[3]){h, w, c}, false, pixels);
}

/* [rows BLOCK][columns BLOCK][c]: flat blocks of gray, which a JPEG of quality 100 keeps exactly. */
static uint8_t *flat_blocks(Arena *a, int rows, int columns, int c)
{
    uint8_t *pixels = arena_alloc(a, (size_t)(rows * columns * c) * BLOCK * BLOCK);
    const int w = columns * BLOCK;
    for (int y = 0; y < rows * BLOCK; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < c; k++)
                pixels[(y * w + x) * c + k] = (uint8_t)(20 + 30 * (y / BLOCK) + 7 * (x / BLOCK));
    return pixels;
}

START_TEST(gray_and_colour_read_to_any_channels)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    const int h = 2 * BLOCK, w = 3 * BLOCK;
    for (int kind = 0; kind < 8; kind++) {
        const int from = kind & 1 ? 3 : 1, to = kind & 2 ? 3 : 1;
        const uint8_t *want = flat_blocks(a, 2, 3, to);
        put_jpeg(folder, "x.jpg",
                 &(JpegPicture){w, h, from, flat_blocks(a, 2, 3, from), .progressive = (kind & 4) != 0});
        uint8_t *got;
        ck_assert_msg(read_picture(a, folder, "x.jpg", h, w, to, &got) == STATUS_OK, "%s", status_message());
        ck_assert_mem_eq(got, want, (size_t)(h * w * to));
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

static void noise(uint8_t *pixels, size_t n)
{
    Rng rng = rng_make(4, RNG_TEST, 0);
    for (size_t i = 0; i < n; i++) pixels[i] = (uint8_t)(rng_u32(&rng) & 127);
}

/* The bytes themselves, of noise with chroma at half its size: another transform, a smoothed chroma, or another
 * rounding of either would show.  Gray of a colour is what it is of a PNG with the same pixels. */
START_TEST(bytes_are_those_of_the_accurate_transform)
{
    enum { H = 19, W = 33 };
    static uint8_t rows[H * W * 3];
    noise(rows, sizeof rows);
    Arena *a = arena_create();
    char *folder = folder_make(a);
    for (int progressive = 0; progressive < 2; progressive++) {
        put_jpeg(folder, "x.jpg",
                 &(JpegPicture){W, H, 3, rows, .quality = 80, .sub_sampled = true, .progressive = progressive});
        uint8_t *colour, *gray, *of_png;
        ck_assert_int_eq(read_picture(a, folder, "x.jpg", H, W, 3, &colour), STATUS_OK);
        ck_assert_uint_eq(crc32_z(0, colour, H * W * 3), GOLDEN);
        put_png(folder, "x.png", &(Picture){W, H, 8, PNG_COLOR_TYPE_RGB, .rows = colour});
        ck_assert_int_eq(read_picture(a, folder, "x.jpg", H, W, 1, &gray), STATUS_OK);
        ck_assert_int_eq(read_picture(a, folder, "x.png", H, W, 1, &of_png), STATUS_OK);
        ck_assert_mem_eq(gray, of_png, H * W);
        ck_assert_int_eq(read_picture(a, folder, "x.jpg", 7, 40, 3, &gray), STATUS_OK);
        ck_assert_int_eq(read_picture(a, folder, "x.png", 7, 40, 3, &of_png), STATUS_OK);
        ck_assert_mem_eq(gray, of_png, 7 * 40 * 3);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* Where the upright picture's pixel (y, x) of h x w is stored, by the standard's words for each orientation: which sides
 * row 0 and column 0 are. */
static void stored_place(int orientation, int h, int w, int y, int x, int *row, int *column)
{
    static const char *const sides[] = {"", "TL", "TR", "BR", "BL", "LT", "RT", "RB", "LB"};
    int at[2];
    for (int i = 0; i < 2; i++) {
        const char side = sides[orientation][i];
        at[i] = side == 'T' ? y : side == 'B' ? h - 1 - y : side == 'L' ? x : w - 1 - x;
    }
    *row = at[0], *column = at[1];
}

START_TEST(all_orientations_come_out_upright)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    const int h = 2 * BLOCK, w = 5 * BLOCK;
    const uint8_t *upright = flat_blocks(a, 2, 5, 1);
    uint8_t *stored = arena_alloc(a, (size_t)(h * w)), *got, *small;
    for (int o = 1; o <= 8; o++)
        for (int big_endian = 0; big_endian < 2; big_endian++) {
            const int stored_w = o >= 5 ? h : w, stored_h = o >= 5 ? w : h;
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++) {
                    int row, column;
                    stored_place(o, h, w, y, x, &row, &column);
                    stored[row * stored_w + column] = upright[y * w + x];
                }
            put_jpeg(folder, "x.jpg",
                     &(JpegPicture){stored_w, stored_h, 1, stored, .orientation = o, .big_endian = big_endian});
            ck_assert_int_eq(read_picture(a, folder, "x.jpg", h, w, 1, &got), STATUS_OK);
            ck_assert_mem_eq(got, upright, (size_t)(h * w));
            ck_assert_int_eq(read_picture(a, folder, "x.jpg", 2, 5, 3, &small),
                             STATUS_OK); /* resized: a pixel a block */
            for (int i = 0; i < 2 * 5 * 3; i++)
                ck_assert_int_le(abs(small[i] - upright[i / 3 / 5 * BLOCK * w + i / 3 % 5 * BLOCK]), 8);
        }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* An Exif that does not tell, or lies about its own size, turns nothing. */
START_TEST(damaged_exif_turns_nothing)
{
    uint8_t good[] = {'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                      1,   0x12, 0,   3,   0, 0, 0,   1,   0, 6,  0, 0, 0, 0, 0, 0};
    ck_assert_int_eq(exif_orientation(good, sizeof good), 6);
    for (size_t n = 0; n < 26; n++) ck_assert_int_eq(exif_orientation(good, n), 0); /* the value ends at 26 */
    const struct {
        int at;
        uint8_t value;
    } changes[] = {{0, 'e'}, {6, 'X'},   {7, 'I'}, {9, 43}, {10, 0xff}, {13, 255},
                   {15, 0},  {17, 0x13}, {19, 4},  {25, 9}, {25, 0}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const uint8_t was = good[changes[i].at];
        good[changes[i].at] = changes[i].value;
        ck_assert_msg(exif_orientation(good, sizeof good) == 0, "change %zu", i);
        good[changes[i].at] = was;
    }
}
END_TEST

/* The frame header of a file: sides or precision set to other values. */
static void poke_frame(Arena *a, const char *folder, const char *name, int offset, int width, unsigned value)
{
    unsigned char *file;
    size_t bytes, at = 0;
    ck_assert_int_eq(file_read(a, file_join(a, folder, name), 1 << 20, &file, &bytes), STATUS_OK);
    while (at + 1 < bytes && !(file[at] == 0xff && (file[at + 1] == 0xc0 || file[at + 1] == 0xc2))) at++;
    ck_assert_uint_lt(at + 9, bytes);
    for (int i = 0; i < width; i++)
        poke_file(folder, name, (long)at + offset + i, (uint8_t)(value >> 8 * (width - 1 - i)));
}

START_TEST(bad_jpegs_are_refused)
{
    enum { PRECISION = 4, HEIGHT = 5, WIDTH = 7 };
    Arena *a = arena_create();
    char *folder = folder_make(a);
    static uint8_t rows[64 * 64 * 4];
    noise(rows, sizeof rows);
    const JpegPicture gray = {64, 64, 1, .rows = rows}, progressive = {64, 64, 1, .rows = rows, .progressive = true};
    static const char *const grays[] = {"cut.jpg",    "stump.jpg", "tail.jpg", "flipped.jpg", "wide.jpg",
                                        "hollow.jpg", "deep.jpg",  "none.jpg", "lossless.jpg"};
    for (size_t i = 0; i < sizeof grays / sizeof grays[0]; i++) put_jpeg(folder, grays[i], &gray);
    cut_file(folder, "cut.jpg", 2000);
    cut_file(folder, "stump.jpg", 30);
    poke_file(folder, "tail.jpg", -1, 0); /* no end of image */
    poke_file(folder, "flipped.jpg", 2000, 0xff);
    poke_file(folder, "flipped.jpg", 2001, 0xd3);
    poke_frame(a, folder, "wide.jpg", WIDTH, 2, 20000);
    poke_frame(a, folder, "hollow.jpg", WIDTH, 2, 16000);
    poke_frame(a, folder, "hollow.jpg", HEIGHT, 2, 16000);
    poke_frame(a, folder, "deep.jpg", PRECISION, 1, 12);
    poke_frame(a, folder, "none.jpg", HEIGHT, 2, 0);
    poke_frame(a, folder, "lossless.jpg", 1, 1, 0xc3);
    put_jpeg(folder, "scans.jpg", &progressive);
    poke_frame(a, folder, "scans.jpg", HEIGHT, 2, 8000);
    poke_frame(a, folder, "scans.jpg", WIDTH, 2, 8000);
    put_jpeg(folder, "cmyk.jpg", &(JpegPicture){64, 64, 4, .rows = rows});
    put_jpeg(folder, "arithmetic.jpg", &(JpegPicture){64, 64, 1, .rows = rows, .arithmetic = true});
    put_bytes(folder, "text.jpg", "this is no picture at all", 25);
    put_jpeg(folder, "good.jpg", &gray);
    unsigned char *file;
    size_t bytes;
    ck_assert_int_eq(file_read(a, file_join(a, folder, "scans.jpg"), 1 << 20, &file, &bytes), STATUS_OK);
    unsigned char *padded = arena_zalloc(a, 1 << 20); /* long enough for its pixels, and still in several scans */
    memcpy(padded, file, bytes);
    put_bytes(folder, "scans.jpg", padded, 1 << 20);
    const struct {
        const char *name;
        int c;
        Status status;
        const char *words[3];
    } cases[] = {
        {"text.jpg", 1, STATUS_FORMAT, {"text.jpg: does not start as a PNG or JPEG file does"}},
        {"cut.jpg", 1, STATUS_FORMAT, {"cut.jpg: damaged JPEG: Premature end", "required"}},
        {"stump.jpg", 1, STATUS_FORMAT, {"stump.jpg: damaged JPEG"}},
        {"tail.jpg", 1, STATUS_FORMAT, {"tail.jpg: damaged JPEG"}},
        {"flipped.jpg", 1, STATUS_FORMAT, {"flipped.jpg: damaged JPEG", "Corrupt JPEG data"}},
        {"wide.jpg", 1, STATUS_FORMAT, {"wide.jpg: a picture of 20000 x 64", "16384"}},
        {"hollow.jpg", 1, STATUS_FORMAT, {"hollow.jpg: damaged JPEG", "too short for its size"}},
        {"scans.jpg", 1, STATUS_FORMAT, {"scans.jpg: a JPEG of 8000 x 8000 pixels in several scans", "33554432"}},
        {"none.jpg", 1, STATUS_FORMAT, {"none.jpg: damaged JPEG"}},
        {"deep.jpg", 1, STATUS_UNSUPPORTED, {"deep.jpg: a JPEG that is not read", "precision 12", "8 bits"}},
        {"lossless.jpg", 1, STATUS_UNSUPPORTED, {"lossless.jpg: a JPEG that is not read", "0xc3"}},
        {"cmyk.jpg", 3, STATUS_UNSUPPORTED, {"cmyk.jpg: a JPEG that is not read: CMYK", "gray or RGB is required"}},
        {"arithmetic.jpg", 1, STATUS_UNSUPPORTED, {"arithmetic.jpg: a JPEG that is not read: arithmetic coding"}},
        {"good.jpg", 2, STATUS_SHAPE, {"good.jpg", "2 channels", "1 (gray) or 3 (RGB)"}},
        {"good.jpg", 1, STATUS_OK, {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *got;
        const Status status = read_picture(a, folder, cases[i].name, 64, 64, cases[i].c, &got);
        ck_assert_msg(status == cases[i].status, "%s: status %d: %s", cases[i].name, status, status_message());
        for (int w = 0; w < 3 && cases[i].words[w] != NULL; w++)
            ck_assert_msg(strstr(status_message(), cases[i].words[w]) != NULL, "\"%s\" lacks \"%s\"", status_message(),
                          cases[i].words[w]);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A file of very many scans takes long to decode: it is given up. */
START_TEST(endless_scans_are_refused)
{
    static uint8_t rows[64 * 64 * 3];
    noise(rows, sizeof rows);
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_jpeg(folder, "x.jpg", &(JpegPicture){64, 64, 3, .rows = rows, .separate = true});
    unsigned char *file, *longer = arena_alloc(a, 1 << 22);
    size_t bytes, scan = 0, end, n;
    ck_assert_int_eq(file_read(a, file_join(a, folder, "x.jpg"), 1 << 20, &file, &bytes), STATUS_OK);
    for (size_t i = 0; i + 1 < bytes; i++) /* the last scan, again and again */
        if (file[i] == 0xff && file[i + 1] == 0xda) scan = i;
    end = bytes - 2;
    memcpy(longer, file, end);
    n = end;
    for (int i = 0; i < 120; i++, n += end - scan) memcpy(longer + n, file + scan, end - scan);
    memcpy(longer + n, "\xff\xd9", 2);
    put_bytes(folder, "long.jpg", longer, n + 2);
    uint8_t *got;
    ck_assert_int_eq(read_picture(a, folder, "x.jpg", 64, 64, 1, &got), STATUS_OK);
    ck_assert_int_eq(read_picture(a, folder, "long.jpg", 64, 64, 1, &got), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "long.jpg: damaged JPEG: more than 100 scans"));
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A folder may hold both kinds, under any of their names; what counts is what a file holds. */
START_TEST(folders_mix_kinds)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    const uint8_t *gray = flat_blocks(a, 2, 2, 1), *colour = flat_blocks(a, 2, 2, 3);
    const int s = 2 * BLOCK;
    static const char *const jpegs[] = {"train/a/1.jpg", "train/a/2.JPEG", "train/b/1.jfif",
                                        "train/b/2.jpe", "train/b/3.png",  "test/a/1.JPG"};
    for (int i = 0; i < 6; i++)
        put_jpeg(folder, jpegs[i], &(JpegPicture){s, s, i % 2 == 0 ? 1 : 3, .rows = i % 2 == 0 ? gray : colour});
    put_png(folder, "train/a/3.png", &(Picture){s, s, 8, PNG_COLOR_TYPE_GRAY, .rows = gray});
    put_png(folder, "test/b/1.jpg", &(Picture){s, s, 8, PNG_COLOR_TYPE_RGB, .rows = colour});
    const DataConfig cfg = {.dataset = "folder", .path = folder};
    DataSplits data;
    ck_assert_msg(dataset_load(&cfg, (int[]){s, s, 3}, 1, a, &data) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(data.train.n, 6);
    ck_assert_int_eq(data.test.n, 2);
    ck_assert_int_eq(data.notes, 0);
    for (int i = 0; i < 6; i++)
        ck_assert_mem_eq(all_images(a, &data.train) + i * s * s * 3, colour, (size_t)(s * s * 3));
    for (int i = 0; i < 2; i++)
        ck_assert_mem_eq(all_images(a, &data.test) + i * s * s * 3, colour, (size_t)(s * s * 3));
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

TEST_MAIN("decoder_jpeg", gray_and_colour_read_to_any_channels, bytes_are_those_of_the_accurate_transform,
          all_orientations_come_out_upright, damaged_exif_turns_nothing, bad_jpegs_are_refused,
          endless_scans_are_refused, folders_mix_kinds)
