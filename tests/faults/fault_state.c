#include "tests/faults/fault_state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "base/temporary.h"
#include "tests/support/data_files.h"

/* .fetch.PID.N.bitfold-tmp as .fetch.*.bitfold-tmp: the numbers are another run's every time. */
static const char *shown_name(Arena *arena, const char *name)
{
    const char *pid = temporary_is(name) ? strchr(name + 1, '.') : NULL;
    const bool numbered = pid != NULL && pid[1 + strspn(pid + 1, "0123456789")] == '.';
    return numbered ? arena_printf(arena, "%.*s.*%s", (int)(pid - name), name, strrchr(name, '.')) : name;
}

/* Files with times or processes in them. */
static bool tells_of_its_run(const char *name)
{
    static const char *const names[] = {"run.json", ".bitfold", "compare.csv", "report.html"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

typedef const char *(*Visit)(Arena *arena, void *context, const char *path, const char *shown, const char *name);

/* Calls `visit` for each file, in order of names, until it answers; what it answered. */
static const char *walk(Arena *arena, const char *folder, const char *shown, Visit visit, void *context)
{
    struct dirent **entry;
    const int n = scandir(folder, &entry, NULL, alphasort);
    const char *answer = NULL;
    for (int i = 0; i < n; i++) {
        const char *name = arena_strdup(arena, entry[i]->d_name), *path = file_join(arena, folder, name);
        free(entry[i]);
        if (answer != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        const char *seen = arena_printf(arena, "%s%s", shown, shown_name(arena, name));
        if (file_is_dir(path))
            answer = walk(arena, path, arena_printf(arena, "%s/", seen), visit, context);
        else
            answer = visit(arena, context, path, seen, name);
    }
    if (n >= 0) free(entry);
    return answer;
}

static const char *line_of(Arena *arena, const char *path, const char *shown, const char *name)
{
    unsigned char *data;
    size_t bytes;
    if (tells_of_its_run(name)) return arena_printf(arena, "%s\n", shown);
    if (file_read(arena, path, (size_t)1 << 30, &data, &bytes) != STATUS_OK)
        return arena_printf(arena, "%s unreadable\n", shown);
    return arena_printf(arena, "%s %zu %08lx\n", shown, bytes, crc32_z(0, data, bytes));
}

static const char *add_line(Arena *arena, void *context, const char *path, const char *shown, const char *name)
{
    char **text = context;
    *text = arena_printf(arena, "%s%s", *text, line_of(arena, path, shown, name));
    return NULL;
}

char *state_text(Arena *arena, const char *folder)
{
    char *text = arena_strdup(arena, "");
    walk(arena, folder, "", add_line, &text);
    return text;
}

char *state_difference(Arena *arena, const char *text, const char *wanted)
{
    char *out = arena_strdup(arena, "");
    const char *const sides[][3] = {{text, wanted, "+"}, {wanted, text, "-"}};
    for (int i = 0; i < 2; i++)
        for (const char *line = sides[i][0]; *line != '\0'; line = strchr(line, '\n') + 1) {
            const char *whole = arena_printf(arena, "%.*s\n", (int)strcspn(line, "\n"), line);
            if (strstr(sides[i][1], whole) == NULL)
                out = arena_printf(arena, "%s\n    %s %.*s", out, sides[i][2], (int)strlen(whole) - 1, whole);
        }
    return out;
}

static bool has_temporary(const char *text) { return strstr(text, ".bitfold-tmp") != NULL; }

char *state_without_temporaries(Arena *arena, const char *text)
{
    char *out = arena_strdup(arena, "");
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *whole = arena_printf(arena, "%.*s\n", (int)strcspn(line, "\n"), line);
        if (!has_temporary(whole)) out = arena_printf(arena, "%s%s", out, whole);
    }
    return out;
}

const char *state_line(Arena *arena, const char *text, const char *name)
{
    const size_t n = strlen(name);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '\n'))
            return arena_printf(arena, "%.*s", (int)strcspn(line, "\n"), line);
    return NULL;
}

/* ---- whole files ------------------------------------------------------------------------------------------------- */

static bool lines_are_json(Arena *arena, const char *path)
{
    unsigned char *text;
    size_t bytes;
    if (file_read(arena, path, (size_t)1 << 30, &text, &bytes) != STATUS_OK) return false;
    for (char *line = (char *)text; *line != '\0';) {
        char *end = strchr(line, '\n');
        cJSON *json = NULL;
        if (end == NULL || json_parse(line, (size_t)(end - line), path, &json) != STATUS_OK) return false;
        cJSON_Delete(json);
        line = end + 1;
    }
    return true;
}

static bool ends_with(Arena *arena, const char *path, const char *end)
{
    unsigned char *text;
    size_t bytes;
    return file_read(arena, path, (size_t)1 << 30, &text, &bytes) == STATUS_OK && bytes >= strlen(end) &&
           strcmp((char *)text + bytes - strlen(end), end) == 0;
}

static bool reads(Arena *arena, const char *path)
{
    if (file_ends(path, ".safetensors")) {
        SafeFile file;
        return safe_read(arena, path, true, &file) == STATUS_OK;
    }
    if (file_ends(path, ".jsonl")) return lines_are_json(arena, path);
    if (file_ends(path, ".html")) return ends_with(arena, path, "</html>\n");
    if (file_ends(path, ".csv")) return ends_with(arena, path, "\n");
    cJSON *json = NULL;
    const bool good = file_ends(path, ".json") && json_read(arena, path, &json) == STATUS_OK;
    cJSON_Delete(json);
    return good;
}

static const char *if_broken(Arena *arena, void *context, const char *path, const char *shown, const char *name)
{
    if (has_temporary(shown) || strcmp(name, ".bitfold") == 0) return NULL;
    const char *line = line_of(arena, path, shown, name);
    for (const char *const *text = context; *text != NULL && !tells_of_its_run(name); text++)
        if (strstr(*text, line) != NULL) return NULL;
    return reads(arena, path) ? NULL : shown;
}

const char *state_broken(Arena *arena, const char *folder, const char *const *texts)
{
    return walk(arena, folder, "", if_broken, (void *)texts);
}

/* ---- copies ------------------------------------------------------------------------------------------------------ */

static const char *copy_one(Arena *arena, void *context, const char *path, const char *shown, const char *name)
{
    (void)name;
    unsigned char *data;
    size_t bytes;
    const char *real = path + strlen(((const char *const *)context)[0]) + 1;
    (void)shown;
    if (file_read(arena, path, (size_t)1 << 30, &data, &bytes) == STATUS_OK)
        put_bytes(((const char *const *)context)[1], real, data, bytes);
    return NULL;
}

void state_copy(const char *from, const char *to)
{
    Arena *arena = arena_create();
    if (file_exists(to)) folder_remove(to);
    const char *const both[] = {from, to};
    if (file_exists(from)) {
        (void)file_make_dir(to);
        walk(arena, from, "", copy_one, (void *)both);
    }
    arena_destroy(arena);
}
