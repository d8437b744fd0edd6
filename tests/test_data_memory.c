/* data.memory: a run on pictures that do not fit is the run on pictures that do, in less memory. */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/jpeg_files.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* `n` small pictures of two classes, of both kinds, to be enlarged. */
static void put_pictures(int n)
{
    for (int i = 0; i < n; i++) {
        uint8_t rows[64];
        Rng rng = rng_make(1, RNG_TEST, (uint64_t)i);
        for (int k = 0; k < 64; k++) rows[k] = (uint8_t)(100 * (i % 2) + (int)(rng_u32(&rng) & 63));
        const char *name = arena_printf(arena, "p/%c/%04d.%s", "ab"[i % 2], i, i % 4 < 2 ? "png" : "jpg");
        if (i % 4 < 2)
            put_png(folder, name, &(Picture){8, 8, 8, PNG_COLOR_TYPE_GRAY, .rows = rows});
        else
            put_jpeg(folder, name, &(JpegPicture){8, 8, 1, .rows = rows, .orientation = 6});
    }
}

static void put_config(int side)
{
    put_text(
        folder, "c.json",
        arena_printf(arena,
                     "{\"seed\": 3, \"data\": {\"dataset\": \"folder\", \"dir\": \"p\", \"validation\": 0.2,"
                     " \"augment\": {\"flip\": true, \"shift\": 1}},"
                     " \"model\": {\"input\": [%d, %d, 3], \"layers\": ["
                     " {\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 4, \"kernel\": 3, \"stride\": 4,"
                     "  \"batch_norm\": true, \"activation\": \"relu\"}, {\"type\": \"global_avgpool\"},"
                     " {\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]},"
                     " \"train\": {\"epochs\": 2, \"batch\": 8}, \"qat\": {\"epochs\": 1}, \"ptq\": {\"images\": 16}}",
                     side, side));
}

static void same_file(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;
    must(file_read(arena, inside(a), 1 << 26, &x, &n));
    must(file_read(arena, inside(b), 1 << 26, &y, &m));
    ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s and %s differ", a, b);
}

/* Train, QAT, PTQ, verify and the dump of an evaluation. */
static void run_all(const char *name, const char *options)
{
    program_must(arena, folder, arena_printf(arena, "train c.json --quiet --out %s_f %s", name, options));
    program_must(arena, folder, arena_printf(arena, "qat %s_f --quiet --out %s_q %s", name, name, options));
    program_must(arena, folder, arena_printf(arena, "ptq %s_f --quiet --out %s_p %s", name, name, options));
    program_must(arena, folder, arena_printf(arena, "verify %s_q --set data.memory=1", name));
    program_must(arena, folder, arena_printf(arena, "eval %s_q --quiet --dump %s_d", name, name));
}

START_TEST(runs_are_equal_in_any_memory)
{
    begin();
    put_pictures(60);
    put_config(16);
    run_all("kept", "--threads 1");
    run_all("none", "--threads 1 --set data.memory=1");
    run_all("some", "--threads 4 --set data.memory=20000"); /* the training set alone does not fit, the test set does */
    static const char *const files[] = {"f/last.safetensors",  "f/best.safetensors", "q/last.safetensors",
                                        "p/model.safetensors", "d/pixels.u8",        "d/labels.i32"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        same_file(arena_printf(arena, "kept_%s", files[i]), arena_printf(arena, "none_%s", files[i]));
        same_file(arena_printf(arena, "kept_%s", files[i]), arena_printf(arena, "some_%s", files[i]));
    }
    /* A run goes on with another memory. */
    program_must(arena, folder, "train kept_f --resume --quiet --set data.memory=1");
    end();
}
END_TEST

/* 800 pictures of 96 x 96 x 3 bytes are 22 MB. */
START_TEST(what_does_not_fit_is_not_held)
{
    enum { PICTURES = 800, SIDE = 96, HELD_KIB = PICTURES * SIDE * SIDE * 3 / 1024 };
    begin();
    put_pictures(PICTURES);
    put_config(SIDE);
    const char *train = "train c.json --quiet --threads 2 --set train.epochs=1";
    const Outcome kept = program_run(arena, &(Where){.folder = folder}, arena_printf(arena, "%s --out kept", train));
    const Outcome none = program_run(arena, &(Where){.folder = folder},
                                     arena_printf(arena, "%s --out none --set data.memory=1e6", train));
    ck_assert_msg(kept.code == 0 && none.code == 0, "%s%s", kept.err, none.err);
    same_file("kept/last.safetensors", "none/last.safetensors");
    /* Tools that watch memory hold some of their own. */
    const char *mode = getenv("BITFOLD_MODE");
    if (mode == NULL || strcmp(mode, "release") == 0)
        ck_assert_msg(none.peak_kib < kept.peak_kib - HELD_KIB * 3 / 4, "%ld KiB, with all in memory %ld",
                      none.peak_kib, kept.peak_kib);
    end();
}
END_TEST

/* JPEGs teach, are evaluated in another folder, and are classified. */
START_TEST(jpegs_are_read_by_every_verb)
{
    begin();
    for (int i = 0; i < 40; i++) {
        uint8_t rows[64];
        for (int k = 0; k < 64; k++) rows[k] = (uint8_t)((i % 2 == 0 ? 20 : 180) + (i * 5 + k * 7) % 40);
        put_jpeg(folder, arena_printf(arena, "%s/%s/%d.jpg", i < 32 ? "p" : "more", i % 2 == 0 ? "dark" : "bright", i),
                 &(JpegPicture){8, 8, 1, .rows = rows});
    }
    put_config(8);
    program_must(arena, folder, "train c.json --quiet --out f --set train.epochs=60");
    const char *said = program_must(arena, folder, "predict f more/dark/32.jpg more/bright/33.jpg");
    ck_assert_msg(strstr(said, "32.jpg: dark") != NULL && strstr(said, "33.jpg: bright") != NULL, "says: %s", said);
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "eval f --data more");
    ck_assert_int_eq(o.code, 0);
    ck_assert_msg(strstr(o.out, "100.00 % (8 of 8)") != NULL, "says: %s", o.out);
    ck_assert_msg(strstr(o.err, "not read") == NULL, "says: %s", o.err);
    end();
}
END_TEST

/* A damaged training picture is told before training begins, and nothing is left. */
START_TEST(damaged_pictures_stop_a_run_at_once)
{
    begin();
    put_pictures(20);
    put_config(16);
    cut_file(folder, "p/a/0002.jpg", 200);
    for (int memory = 0; memory < 2; memory++) {
        const Outcome o = program_run(arena, &(Where){.folder = folder},
                                      arena_printf(arena, "train c.json --quiet --out r --set data.memory=%d", memory));
        ck_assert_int_eq(o.code, 1);
        ck_assert_msg(strstr(o.err, "p/a/0002.jpg: damaged JPEG") != NULL && line_count(o.err) == 1, "%s", o.err);
        ck_assert(!file_exists(inside("r/last.safetensors")));
    }
    end();
}
END_TEST

TEST_MAIN("data_memory", runs_are_equal_in_any_memory, what_does_not_fit_is_not_held, jpegs_are_read_by_every_verb,
          damaged_pictures_stop_a_run_at_once)
