#include "tests/support/bad_case.h"

#include <png.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/data_sets.h"
#include "tests/support/program.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

Arena *bad_arena;
const char *bad_folder;

void bad_text(const char *text) { put_text(bad_folder, "bad/c.json", text); }

void bad_config(const char *from, const char *to) { bad_text(text_with(bad_arena, zoo_config, from, to)); }

void bad_data(const char *dataset)
{
    bad_text(
        arena_printf(bad_arena,
                     "{\"data\": {\"dataset\": \"%s\", \"dir\": \".\"}, \"model\": {\"input\": [4, 3, 1], \"layers\": "
                     "[{\"type\": \"flatten\"}, {\"type\": \"dense\", \"units\": 10}]}, \"train\": {\"batch\": 2}}",
                     dataset));
}

void bad_copy(const char *from, const char *to)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(file_read(bad_arena, file_join(bad_arena, bad_folder, from), 1 << 24, &data, &bytes), STATUS_OK);
    put_bytes(bad_folder, to, data, bytes);
}

void bad_model(const char *run)
{
    const char *file = strcmp(run, "ptq") == 0 ? "model" : "last";
    bad_copy(arena_printf(bad_arena, "%s/config.json", run), "bad/config.json");
    bad_copy(arena_printf(bad_arena, "%s/%s.safetensors", run, file), "bad/m.safetensors");
}

void bad_tensor(const char *run, const char *name, float value)
{
    bad_model(run);
    const char *path = file_join(bad_arena, bad_folder, "bad/m.safetensors");
    SafeFile file;
    ck_assert_int_eq(safe_read(bad_arena, path, true, &file), STATUS_OK);
    SafeWriter *w = safe_writer(bad_arena);
    for (int i = 0; i < file.n_metadata; i++)
        if (strcmp(file.key[i], "crc32") != 0) safe_add_metadata(w, file.key[i], file.value[i]);
    bool found = false;
    for (int i = 0; i < file.n; i++) {
        const SafeTensor *t = &file.tensor[i];
        unsigned char *copy = arena_alloc(bad_arena, t->bytes);
        memcpy(copy, t->data, t->bytes);
        if (strcmp(t->name, name) == 0) {
            found = true;
            const uint64_t whole = (uint64_t)value;
            if (t->type == ST_F32)
                memcpy(copy, &value, sizeof value);
            else
                memcpy(copy + t->bytes - sizeof whole, &whole, sizeof whole); /* seen: [batches, ready] */
        }
        safe_add(w, t->name, t->type, t->rank, t->dim, copy);
    }
    ck_assert_msg(found, "%s: no such tensor", name);
    ck_assert_int_eq(safe_write(w, path), STATUS_OK);
}

void bad_header(const char *from, const char *to, bool right_crc)
{
    bad_model("qat");
    const char *path = file_join(bad_arena, bad_folder, "bad/m.safetensors");
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(file_read(bad_arena, path, 1 << 24, &data, &bytes), STATUS_OK);
    ck_assert_uint_eq(strlen(from), strlen(to));
    unsigned char *at = memmem(data, bytes, from, strlen(from));
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, strlen(to));
    unsigned char *digits = data + 8 + strlen(SAFE_CRC_HEAD);
    if (right_crc) {
        char crc[SAFE_CRC_DIGITS + 1];
        memset(digits, '0', SAFE_CRC_DIGITS);
        snprintf(crc, sizeof crc, "%08lx", crc32_z(0, data, bytes));
        memcpy(digits, crc, SAFE_CRC_DIGITS);
    }
    put_bytes(bad_folder, "bad/m.safetensors", data, bytes);
}

void bad_picture(int w, int h)
{
    put_png(
        bad_folder, "bad/x.png",
        &(Picture){
            .w = w, .h = h, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = arena_zalloc(bad_arena, (size_t)(w * h))});
}

void bad_huge_png(const char *name, uint32_t w, uint32_t h)
{
    put_gray(arena_printf(bad_arena, "%s/bad", bad_folder), name, 7);
    const uint8_t ihdr[17] = {'I',
                              'H',
                              'D',
                              'R',
                              (uint8_t)(w >> 24),
                              (uint8_t)(w >> 16),
                              (uint8_t)(w >> 8),
                              (uint8_t)w,
                              (uint8_t)(h >> 24),
                              (uint8_t)(h >> 16),
                              (uint8_t)(h >> 8),
                              (uint8_t)h,
                              8,
                              0,
                              0,
                              0,
                              0};
    const uLong crc = crc32_z(0, ihdr, sizeof ihdr);
    const char *inside = arena_printf(bad_arena, "bad/%s", name);
    for (int i = 0; i < 17; i++) poke_file(bad_folder, inside, 12 + i, ihdr[i]);
    for (int i = 0; i < 4; i++) poke_file(bad_folder, inside, 29 + i, (uint8_t)(crc >> (24 - 8 * i)));
}

/* One line of failure; before it only what tells about the data, which may have been read already. */
static bool one_failure(const char *err)
{
    static const char *const told[] = {"data: ", "note: ", "warning: ", NULL};
    for (const char *line = err; line_count(line) > 1; line = strchr(line, '\n') + 1) {
        bool known = false;
        for (int i = 0; told[i] != NULL; i++) known |= strncmp(line, told[i], strlen(told[i])) == 0;
        if (!known) return false;
    }
    return err[0] != '\0' && line_count(err) >= 1;
}

/* Files may not grow: LLVM's OpenMP with Archer makes one of its own when it starts, and crashes where that fails. */
static bool impossible(const Case *c)
{
    const char *mode = getenv("BITFOLD_MODE");
    return c->file_limit_bytes > 0 && mode != NULL && strcmp(mode, "tsan") == 0;
}

/* True when the case is as its row says; otherwise says how it is not. */
static bool holds(const Case *c)
{
    if (impossible(c)) return true;
    if (file_exists(file_join(bad_arena, bad_folder, "bad"))) folder_remove(file_join(bad_arena, bad_folder, "bad"));
    ck_assert_int_eq(file_make_dir(file_join(bad_arena, bad_folder, "bad")), STATUS_OK);
    if (c->spoil != NULL) c->spoil();
    const char *before = folder_listing(bad_arena, bad_folder, c->leaves);
    const Where where = {bad_folder, c->environment, c->file_limit_bytes};
    const Outcome o = program_run(bad_arena, &where, c->command);
    const char *after = folder_listing(bad_arena, bad_folder, c->leaves);
    const char *missing = NULL;
    for (int i = 0; i < 5 && c->words[i] != NULL && missing == NULL; i++)
        if (strstr(o.err, c->words[i]) == NULL) missing = c->words[i];
    const bool same = strcmp(before, after) == 0;
    const bool good = o.code == c->code && missing == NULL && one_failure(o.err) && o.out[0] == '\0' && same;
    if (!good)
        printf("bitfold %s\n  exit %d (expected %d), stdout \"%s\", stderr of %d lines: %s  %s%s%s\n", c->command,
               o.code, c->code, o.out, line_count(o.err), o.err,
               missing == NULL ? "" : "lacks: ", missing == NULL ? "" : missing, same ? "" : "; something was written");
    if (!same) printf("before:\n%safter:\n%s", before, after);
    if (c->leaves != NULL && file_exists(file_join(bad_arena, bad_folder, c->leaves)))
        folder_remove(file_join(bad_arena, bad_folder, c->leaves));
    return good;
}

void bad_begin(void)
{
    bad_arena = arena_create();
    bad_folder = scratch_folder(bad_arena);
    put_text(bad_folder, "zoo.json", zoo_config);
    program_must(bad_arena, bad_folder, "train zoo.json --quiet --out float");
    program_must(bad_arena, bad_folder, "ptq float/last.safetensors --quiet --out ptq");
    program_must(bad_arena, bad_folder, "qat float/last.safetensors --quiet --out qat");
    program_must(bad_arena, bad_folder,
                 "qat zoo.json --quiet --out other --set model.layers.stem.kernel=5 --set train.epochs=1");
}

void bad_end(void)
{
    folder_remove(bad_folder);
    arena_destroy(bad_arena);
}

int bad_cases(const Case *cases, size_t n)
{
    int wrong = 0;
    for (size_t i = 0; i < n; i++) wrong += !holds(&cases[i]);
    return wrong;
}
