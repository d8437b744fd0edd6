#include "train/test_data.h"

#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "train/model_data.h"

const char *const split_names[] = {"train", "validation", "test", NULL};

static Status has_folders(Arena *arena, const char *folder, bool *found)
{
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    *found = false;
    for (int i = 0; i < all.n && !*found; i++)
        *found = all.at[i][0] != '.' && file_is_dir(file_join(arena, folder, all.at[i]));
    return STATUS_OK;
}

/* Data of this kind are files in a folder, and no tree of pictures. */
static bool is_of_files(const char *dataset)
{
    const DatasetType *type = dataset_type(dataset);
    return type != NULL && !type->names_classes && !type->made;
}

/* The config as it would be for the data in `folder`. */
static Status config_for(Arena *arena, const Config *config, const char *folder, Config *to)
{
    *to = *config;
    if (!file_is_dir(folder)) return status_fail(STATUS_IO, "%s: is not a folder; a folder is required", folder);
    to->data.dir = to->data.path = folder;
    to->path = "--data"; /* what messages blame */
    if (config->data.target == TARGET_TOKENS) {
        to->data.whole = false;
    } else if (config->data.target != TARGET_CLASS) {
        to->data.whole = file_exists(file_join(arena, folder, config->data.table));
        if (to->data.whole) to->data.dataset = "table";
    } else {
        TRY(has_folders(arena, folder, &to->data.whole));
        to->data.whole = to->data.whole || !is_of_files(config->data.dataset);
        if (to->data.whole) to->data.dataset = "folder", to->data.classes = 0;
    }
    to->data.test_limit = to->data.train_limit = 0;
    return STATUS_OK;
}

static Status choose_split(const char *split, const char *folder, bool whole, TestData *out)
{
    Dataset *sets[] = {&out->data.train, &out->data.validation, &out->data.test};
    if (whole && split != NULL)
        return status_fail(STATUS_INVALID,
                           "--split %s: %s is a folder of pictures, which --data takes whole; must be left out", split,
                           folder);
    int i = 2;
    for (int k = 0; split != NULL && k < 3; k++)
        if (strcmp(split, split_names[k]) == 0) i = k;
    out->set = sets[i];
    out->name = whole ? "all" : split_names[i];
    if (out->set->n == 0)
        return status_fail(STATUS_STATE, "--split %s: it is empty; data.validation must be above 0 for one", out->name);
    return STATUS_OK;
}

Status test_data(Arena *arena, const OpenModel *open, const char *path, const char *folder, const char *split,
                 TestData *out)
{
    Config *config = ARENA_ARRAY(arena, Config, 1);
    *config = *open->config;
    if (folder != NULL) TRY(config_for(arena, open->config, folder, config));
    const ModelClasses classes = model_classes(path, open->model);
    *out = (TestData){.folder = folder, .whole = config->data.whole};
    TRY(model_data(arena, config, &classes, false, &out->data));
    return choose_split(split, folder, config->data.whole, out);
}
