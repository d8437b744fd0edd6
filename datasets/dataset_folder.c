/* Folders of pictures with a class per subfolder: DIR/train/<class>/ and DIR/test/<class>/, or one tree (DIR/<class>/
 * or DIR/train/<class>/ alone) of which a fifth of each class, drawn by the seed, becomes the test set. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/utf8.h"
#include "datasets/reader.h"

/* What lies in the tree and is not read: how many, and the first by name. */
typedef struct {
    int n;
    const char *first;
} Unread;

static void unread_add(Unread *unread, const char *path)
{
    if (unread->n++ == 0 || strcmp(path, unread->first) < 0) unread->first = path;
}

typedef struct {
    Unread pictures, outside, rest; /* of another kind; in no class folder; no pictures */
} Leftover;

/* The subfolders, or else the pictures, of `folder`, sorted by byte values; hidden ones do not count. */
static Status list(Arena *arena, const char *folder, bool folders, FolderNames *names, Leftover *left)
{
    TRY(folder_names(arena, folder, names));
    const int all = names->n;
    names->n = 0;
    for (int i = 0; i < all; i++) {
        char *name = names->at[i];
        const char *path = file_join(arena, folder, name);
        const bool picture = picture_is_named(name);
        if (name[0] == '.') continue;
        if (folders ? file_is_dir(path) : picture_is_read(name))
            names->at[names->n++] = name;
        else if (picture || !folders)
            unread_add(folders ? &left->outside : picture ? &left->pictures : &left->rest, path);
    }
    return STATUS_OK;
}

typedef struct {
    FolderNames classes;
    FolderNames *files; /* [classes.n], paths */
    int total;
} Tree;

static Status no_picture(Arena *arena, const char *folder, int others)
{
    const char *kinds = picture_kinds(arena);
    if (others == 0)
        return status_fail(STATUS_FORMAT, "%s: no %s file in this class folder; at least 1 is required", folder, kinds);
    return status_fail(
        STATUS_FORMAT,
        "%s: no %s file in this class folder, but %d picture%s of other kinds; only %s files are read, the "
        "others must be converted",
        folder, kinds, others, others == 1 ? "" : "s", kinds);
}

/* The class folders.  Their names become the model's, which its file keeps as JSON. */
static Status list_classes(Arena *arena, const char *root, FolderNames *classes, Leftover *left)
{
    TRY(list(arena, root, true, classes, left));
    for (int k = 0; k < classes->n; k++) {
        const char *name = classes->at[k];
        const size_t bytes = strlen(name);
        for (size_t at = 0, n; at < bytes; at += n)
            if ((n = utf8_bytes(name + at, bytes - at)) == 0)
                return status_fail(STATUS_FORMAT,
                                   "%s: class folder \"%s\": byte 0x%02x is not UTF-8; the name must be UTF-8 to be "
                                   "kept in a model: rename the folder",
                                   root, name, (unsigned char)name[at]);
    }
    return STATUS_OK;
}

static Status list_tree(Arena *arena, const char *root, Tree *tree, Leftover *left)
{
    TRY(list_classes(arena, root, &tree->classes, left));
    if (tree->classes.n < 1 || tree->classes.n > MAX_CLASSES)
        return status_fail(STATUS_FORMAT, "%s: %d subfolders; must be 1 to %d, one for each class", root,
                           tree->classes.n, MAX_CLASSES);
    tree->files = ARENA_ARRAY(arena, FolderNames, tree->classes.n);
    tree->total = 0;
    for (int k = 0; k < tree->classes.n; k++) {
        char *folder = file_join(arena, root, tree->classes.at[k]);
        const int others = left->pictures.n;
        TRY(list(arena, folder, false, &tree->files[k], left));
        FolderNames *files = &tree->files[k];
        if (files->n == 0) return no_picture(arena, folder, left->pictures.n - others);
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
    *test = (Tree){.classes = train->classes, .files = ARENA_ARRAY(arena, FolderNames, train->classes.n)};
    for (int k = 0; k < train->classes.n; k++) {
        FolderNames all = train->files[k];
        int held;
        const bool *chosen = reader_hold(arena, seed, k, all.n, &held);
        FolderNames *const part[] = {&train->files[k], &test->files[k]};
        part[0]->at = ARENA_ARRAY(arena, char *, all.n - held);
        part[1]->at = ARENA_ARRAY(arena, char *, held);
        part[0]->n = part[1]->n = 0;
        for (int i = 0; i < all.n; i++) part[chosen[i]]->at[part[chosen[i]]->n++] = all.at[i];
        test->total += held;
        train->total -= held;
    }
}

/* The pictures of a split, class after class. */
static Status tree_source(const DataConfig *cfg, const Tree *tree, const int want_hwc[3], Arena *arena, DataSplits *out,
                          Dataset *set)
{
    const char **path = arena_try_alloc(arena, (size_t)tree->total * sizeof *path);
    int32_t *labels = arena_try_alloc(arena, (size_t)tree->total * sizeof *labels);
    if (path == NULL || labels == NULL) return status_prefix(STATUS_NOMEM, "data.dir: %d pictures", tree->total);
    int n = 0;
    for (int k = 0; k < tree->classes.n; k++)
        for (int i = 0; i < tree->files[k].n; i++, n++) path[n] = tree->files[k].at[i], labels[n] = k;
    SampleSource *source;
    TRY(pictures_source(arena, cfg, n, path, want_hwc, targets_classes(labels), out, &source));
    *set = dataset_of(source, tree->classes.n);
    set->by_class = true;
    return STATUS_OK;
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

/* Which folders hold what: train/ and test/ below root, where they are, else the classes. */
static Status list_split(Arena *arena, const char *root, uint64_t seed, Tree *train, Tree *test, Leftover *left)
{
    const char *train_dir = file_join(arena, root, "train"), *test_dir = file_join(arena, root, "test");
    if (!file_is_dir(train_dir)) {
        TRY(list_tree(arena, root, train, left));
        split_tree(arena, seed, train, test);
        return STATUS_OK;
    }
    FolderNames all;
    TRY(list(arena, root, true, &all, left));
    for (int i = 0; i < all.n; i++)
        if (strcmp(all.at[i], "train") != 0 && strcmp(all.at[i], "test") != 0)
            unread_add(&left->outside, file_join(arena, root, all.at[i]));
    TRY(list_tree(arena, train_dir, train, left));
    if (!file_is_dir(test_dir)) {
        split_tree(arena, seed, train, test);
        return STATUS_OK;
    }
    TRY(list_tree(arena, test_dir, test, left));
    return same_classes(root, train, test);
}

/* A test set without a training set is no class named "test". */
static Status test_alone(Arena *arena, const char *root)
{
    const char *test = file_join(arena, root, "test");
    if (file_is_dir(file_join(arena, root, "train")) || !file_is_dir(test)) return STATUS_OK;
    FolderNames top, inner;
    Leftover left = {0};
    TRY(list(arena, root, true, &top, &left));
    TRY(list(arena, test, true, &inner, &left));
    if (top.n > 1 && inner.n == 0) return STATUS_OK; /* one class among others */
    return status_fail(STATUS_FORMAT,
                       "%s: holds test/, but no train/; both with a subfolder for each class, or a subfolder for each "
                       "class alone, are required",
                       root);
}

static void tell(Arena *arena, const Unread *unread, const char *what, DataSplits *out)
{
    if (unread->n > 0) data_note(arena, out, "%s: %d, the first is %s", what, unread->n, unread->first);
}

/* All pictures of the class folders in root; not those of a data set that is split already. */
static Status list_whole(Arena *arena, const char *root, Tree *test, Leftover *left)
{
    static const char *const splits[] = {"test", "train"};
    for (int i = 0; i < 2; i++) {
        const char *folder = file_join(arena, root, splits[i]);
        FolderNames inner = {0};
        Leftover ignored = {0};
        if (file_is_dir(folder)) TRY(list(arena, folder, true, &inner, &ignored));
        if (inner.n > 0)
            return status_fail(STATUS_FORMAT,
                               "%s: is split, it holds %s/ with subfolders; a folder whose subfolders are "
                               "classes is required, such as %s",
                               root, splits[i], folder);
    }
    return list_tree(arena, root, test, left);
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    Tree train, test;
    Leftover left = {0};
    if (cfg->whole) {
        TRY(list_whole(arena, cfg->path, &test, &left));
        train = (Tree){.classes = test.classes};
    } else {
        TRY(test_alone(arena, cfg->path));
        TRY(list_split(arena, cfg->path, seed, &train, &test, &left));
    }
    tell(arena, &left.pictures,
         arena_printf(arena, "pictures that are no %s files and are not read", picture_kinds(arena)), out);
    tell(arena, &left.outside, "pictures and folders that are in no class folder and are not read", out);
    tell(arena, &left.rest, "other files and folders that are not read", out);
    if (cfg->classes > 0 && cfg->classes != train.classes.n)
        return status_fail(STATUS_FORMAT, "%s: %d class folders; must be %d, which data.classes says", cfg->path,
                           train.classes.n, cfg->classes);
    if (test.total < 1)
        return status_fail(STATUS_FORMAT,
                           "%s: one picture in each class; at least 2 in some class are required to split", cfg->path);
    if (!cfg->whole) TRY(tree_source(cfg, &train, want_hwc, arena, out, &out->train));
    TRY(tree_source(cfg, &test, want_hwc, arena, out, &out->test));
    if (cfg->whole) {
        out->train = out->test;
        out->train.n = 0;
    }
    out->class_names = (const char **)train.classes.at;
    return STATUS_OK;
}

static Status class_names(const DataConfig *cfg, Arena *arena, StringList *names)
{
    const char *train = file_join(arena, cfg->path, "train");
    FolderNames folders;
    Leftover left = {0};
    TRY(list_classes(arena, file_is_dir(train) ? train : cfg->path, &folders, &left));
    *names = (StringList){folders.n, (const char **)folders.at};
    return STATUS_OK;
}

const DatasetType dataset_folder = {
    .name = "folder",
    .doc = "PNG and JPEG pictures, a subfolder for each class, resized to the model's input",
    .load = load,
    .names_classes = true,
    .class_names = class_names};
