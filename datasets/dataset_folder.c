/* Folders of PNG files with a class per subfolder: DIR/train/<class>/ and DIR/test/<class>/, or one tree (DIR/<class>/
 * or DIR/train/<class>/ alone) of which a fifth of each class, drawn by the seed, becomes the test set. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/rng.h"
#include "datasets/reader.h"

typedef struct {
    int n, room;
    char **at;
} Names;

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void names_add(Names *names, Arena *arena, const char *name)
{
    if (names->n == names->room) {
        const int room = names->room == 0 ? 64 : 2 * names->room;
        char **larger = ARENA_ARRAY(arena, char *, room);
        if (names->n > 0) memcpy(larger, names->at, (size_t)names->n * sizeof *larger);
        names->at = larger;
        names->room = room;
    }
    names->at[names->n++] = arena_strdup(arena, name);
}

static bool is_png(const char *name)
{
    const size_t n = strlen(name);
    return n > 4 && strcasecmp(name + n - 4, ".png") == 0;
}

/* The subfolders, or else the PNG files, of `folder`, sorted by byte values; hidden ones do not count. */
static Status list(Arena *arena, const char *folder, bool folders, Names *names)
{
    *names = (Names){0};
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return status_fail(STATUS_IO,
                           "%s: cannot open: %s; a folder with a subfolder of PNG files per class is required", folder,
                           strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        if (folders ? file_is_dir(file_join(arena, folder, entry->d_name)) : is_png(entry->d_name))
            names_add(names, arena, entry->d_name);
    }
    closedir(dir);
    if (names->n > 0) qsort(names->at, (size_t)names->n, sizeof *names->at, by_name);
    return STATUS_OK;
}

typedef struct {
    Names classes;
    Names *files; /* [classes.n], paths */
    int total;
} Tree;

static Status list_tree(Arena *arena, const char *root, Tree *tree)
{
    TRY(list(arena, root, true, &tree->classes));
    if (tree->classes.n < 1 || tree->classes.n > MAX_CLASSES)
        return status_fail(STATUS_FORMAT, "%s: %d subfolders; must be 1 to %d, one for each class", root,
                           tree->classes.n, MAX_CLASSES);
    tree->files = ARENA_ARRAY(arena, Names, tree->classes.n);
    tree->total = 0;
    for (int k = 0; k < tree->classes.n; k++) {
        char *folder = file_join(arena, root, tree->classes.at[k]);
        TRY(list(arena, folder, false, &tree->files[k]));
        Names *files = &tree->files[k];
        if (files->n == 0)
            return status_fail(STATUS_FORMAT, "%s: no PNG file in this class folder; at least 1 is required", folder);
        if (files->n > INT32_MAX - tree->total)
            return status_fail(STATUS_FORMAT, "%s: too many pictures; at most %d are accepted", folder, INT32_MAX);
        for (int i = 0; i < files->n; i++) files->at[i] = file_join(arena, folder, files->at[i]);
        tree->total += files->n;
    }
    return STATUS_OK;
}

/* Moves a fifth of each class's files (rounded; none of a single one) to `test`. */
static void split_tree(Arena *arena, uint64_t seed, Tree *train, Tree *test)
{
    *test = (Tree){.classes = train->classes, .files = ARENA_ARRAY(arena, Names, train->classes.n)};
    for (int k = 0; k < train->classes.n; k++) {
        Names all = train->files[k];
        uint32_t *order = ARENA_ARRAY(arena, uint32_t, all.n);
        bool *chosen = ARENA_ARRAY(arena, bool, all.n);
        Rng rng = rng_make(seed, RNG_SPLIT, 1 + (uint64_t)k); /* index 0 is the validation split */
        rng_permutation(&rng, (uint32_t)all.n, order);
        const int held = all.n < 2 ? 0 : all.n < 5 ? 1 : (all.n + 2) / 5;
        for (int i = 0; i < held; i++) chosen[order[i]] = true;
        train->files[k] = (Names){0};
        for (int i = 0; i < all.n; i++) names_add(chosen[i] ? &test->files[k] : &train->files[k], arena, all.at[i]);
        test->total += held;
        train->total -= held;
    }
}

static Status read_tree(const Tree *tree, const int want_hwc[3], bool crop, Arena *arena, Dataset *set)
{
    const size_t image = (size_t)want_hwc[0] * (size_t)want_hwc[1] * (size_t)want_hwc[2];
    uint8_t *images = arena_try_alloc(arena, (size_t)tree->total * image);
    int32_t *labels = arena_try_alloc(arena, (size_t)tree->total * sizeof *labels);
    if (images == NULL || labels == NULL) return status_prefix(STATUS_NOMEM, "data.dir: %d pictures", tree->total);
    *set = (Dataset){.h = want_hwc[0],
                     .w = want_hwc[1],
                     .c = want_hwc[2],
                     .classes = tree->classes.n,
                     .images = images,
                     .labels = labels};
    Arena *scratch = arena_create();
    Status status = STATUS_OK;
    for (int k = 0; k < tree->classes.n; k++)
        for (int i = 0; i < tree->files[k].n && status == STATUS_OK; i++, set->n++) {
            status =
                image_read_png_into(scratch, tree->files[k].at[i], want_hwc, crop, images + (size_t)set->n * image);
            labels[set->n] = k;
            arena_reset(scratch);
        }
    arena_destroy(scratch);
    return status;
}

static Status same_classes(const char *root, const Tree *train, const Tree *test)
{
    for (int i = 0, j = 0; i < train->classes.n || j < test->classes.n; i++, j++) {
        const int order = i == train->classes.n  ? 1
                          : j == test->classes.n ? -1
                                                 : strcmp(train->classes.at[i], test->classes.at[j]);
        if (order != 0)
            return status_fail(STATUS_FORMAT,
                               "%s: class folder \"%s\" is in %s/ only; train/ and test/ must have the same", root,
                               order < 0 ? train->classes.at[i] : test->classes.at[j], order < 0 ? "train" : "test");
    }
    return STATUS_OK;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    const bool crop = cfg->resize != NULL && strcmp(cfg->resize, "crop") == 0;
    const char *train_dir = file_join(arena, cfg->path, "train"), *test_dir = file_join(arena, cfg->path, "test");
    Tree train, test;
    TRY(list_tree(arena, file_is_dir(train_dir) ? train_dir : cfg->path, &train));
    if (file_is_dir(train_dir) && file_is_dir(test_dir)) {
        TRY(list_tree(arena, test_dir, &test));
        TRY(same_classes(cfg->path, &train, &test));
    } else {
        split_tree(arena, seed, &train, &test);
    }
    if (cfg->classes > 0 && cfg->classes != train.classes.n)
        return status_fail(STATUS_FORMAT, "%s: %d class folders; must be %d, which data.classes says", cfg->path,
                           train.classes.n, cfg->classes);
    if (test.total < 1)
        return status_fail(STATUS_FORMAT,
                           "%s: one picture in each class; at least 2 in some class are required to split", cfg->path);
    TRY(read_tree(&train, want_hwc, crop, arena, &out->train));
    TRY(read_tree(&test, want_hwc, crop, arena, &out->test));
    out->class_names = (const char **)train.classes.at;
    return STATUS_OK;
}

const DatasetType dataset_folder = {"folder", "PNG pictures, a subfolder for each class, resized to the model's input",
                                    load, true};
