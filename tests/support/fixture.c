#include "tests/support/fixture.h"

#include <string.h>

#include "base/file.h"
#include "tests/support/data_files.h"
#include "tests/support/program.h"
#include "tests/support/scratch.h"

Arena *arena;
const char *folder, *model_path, *manifest_path;

const char *inside(const char *name) { return file_join(arena, folder, name); }

void begin(void)
{
    arena = arena_create();
    folder = scratch_folder(arena);
}

void begin_zoo(void)
{
    begin();
    put_text(folder, "zoo.json", zoo_config);
}

void end(void)
{
    folder_remove(folder);
    arena_destroy(arena);
}

void begin_model(void)
{
    begin();
    model_path = inside("m.safetensors");
    manifest_path = inside("m.json");
}

void end_model(void)
{
    unlink(model_path);
    unlink(manifest_path);
    ck_assert_int_eq(rmdir(folder), 0);
    arena_destroy(arena);
}

const char *text_of(const char *name)
{
    unsigned char *text;
    size_t bytes;
    must(file_read(arena, inside(name), 1 << 24, &text, &bytes));
    return (const char *)text;
}

void has(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" is not in: %s", words, text);
}

void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

void refused(Status status, const char *words)
{
    ck_assert_msg(status != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
}
