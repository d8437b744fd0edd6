#include "datasets/dataset.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "datasets/points.h"
#include "datasets/reader.h"

const DatasetType *const dataset_types[] = {
#define DATASET(name) &dataset_##name,
#include "datasets/datasets.def"
#undef DATASET
    NULL};

static const Field normalize_fields[] = {
    {"mean", FIELD_FLOATS, offsetof(NormalizeConfig, mean), .min = 0, .max = 1, .min_count = 1, .scalar_ok = true,
     .def = "[0]",
     .doc = "subtracted from each pixel, on a pixel range of 0 to 1: one for all channels or one per channel"},
    {"std", FIELD_FLOATS, offsetof(NormalizeConfig, std), .min = 1e-3, .max = 1e3, .min_count = 1, .scalar_ok = true,
     .def = "[1]", .doc = "divides the pixel less its mean: one for all channels or one per channel"},
    FIELD_END};

static const Field augment_fields[] = {
    {"crop_padding", FIELD_INT, offsetof(AugmentConfig, crop_padding), .min = 0, .max = 64, .def = "0",
     .unit = "pixels", .doc = "pad with zeros by this much, then crop back to size at a random place; 0 is off"},
    {"flip", FIELD_BOOL, offsetof(AugmentConfig, flip), .def = "false",
     .doc = "mirror left and right, every second image on average"},
    {"flip_pairs", FIELD_STRINGS, offsetof(AugmentConfig, flip_pairs), .max_count = MAX_VALUES, .min = 1, .max = 100,
     .def = "[]",
     .doc = "landmarks: points that change places when an image is mirrored, one pair after the other: left_eye, "
            "right_eye, left_ear, right_ear; none: what the data set says of itself, if anything"},
    {"shift", FIELD_INT, offsetof(AugmentConfig, shift), .min = 0, .max = 64, .def = "0", .unit = "pixels",
     .doc = "move by up to this much in each direction, zeros filled in"},
    {"rotate", FIELD_FLOAT, offsetof(AugmentConfig, rotate), .min = 0, .max = 45, .def = "0", .unit = "degrees",
     .doc = "turn about the centre by up to this much either way, bilinear, zeros filled in"},
    {"brightness", FIELD_FLOAT, offsetof(AugmentConfig, brightness), .min = 0, .max = 1, .def = "0",
     .doc = "bytes times a factor between 1 - this and 1 + this, one for each image; 0 is off"},
    {"contrast", FIELD_FLOAT, offsetof(AugmentConfig, contrast), .min = 0, .max = 1, .def = "0",
     .doc = "differences from the image's mean byte times a factor between 1 - this and 1 + this; 0 is off"},
    {"cutout", FIELD_INT, offsetof(AugmentConfig, cutout), .min = 0, .max = 1024, .def = "0", .unit = "pixels",
     .doc = "a square of this side becomes 0, its centre anywhere in the image (DeVries and Taylor 2017); 0 is off"},
    {"random_erasing", FIELD_FLOAT, offsetof(AugmentConfig, random_erasing), .min = 0, .max = 1, .def = "0",
     .doc =
         "this share of the images lose a rectangle of 2 to 40 % of their area, its sides 0.3 to 3.3 to 1, to random "
         "bytes (Zhong 2017); 0 is off"},
    {"jpeg_quality", FIELD_INT, offsetof(AugmentConfig, jpeg_quality), .min = 0, .max = 100, .def = "0",
     .doc =
         "the image is encoded as a JPEG of a quality between this and 100 and decoded; of 1 or 3 channels; 0 is off"},
    {"mixup", FIELD_FLOAT, offsetof(AugmentConfig, mixup), .min = 0, .max = 100, .def = "0",
     .doc = "each image is mixed with another one, in shares of Beta(this, this), and counts for both classes in these "
            "shares (Zhang 2018); 0.2 to 1 is usual; 0 is off"},
    {"cutmix", FIELD_FLOAT, offsetof(AugmentConfig, cutmix), .min = 0, .max = 100, .def = "0",
     .doc =
         "as mixup, but a rectangle of the other image takes its share of the area (Yun 2019); 1 is usual. With mixup: "
         "either one, each for half of the images; 0 is off"},
    FIELD_END};

const Field data_fields[] = {
    {"dataset", FIELD_STRING, offsetof(DataConfig, dataset), .required = true,
     .doc =
         "the kind of data: mnist, fashion-mnist, cifar10, idx, npy, folder, table, synthetic, bars, faces or tokens"},
    {"dir", FIELD_STRING, offsetof(DataConfig, dir), .max = 4000, .def = "\".\"",
     .doc = "the folder of the files, relative to the folder of the config, with --set to the working directory; "
            "synthetic needs none"},
    {"normalize", FIELD_OBJECT, offsetof(DataConfig, normalize), .fields = normalize_fields,
     .doc = "what the model's input layer does to the pixels: (pixel / 255 - mean) / std"},
    {"augment", FIELD_OBJECT, offsetof(DataConfig, augment), .fields = augment_fields,
     .doc = "random changes of the training images, new ones in every epoch"},
    {"validation", FIELD_FLOAT, offsetof(DataConfig, validation), .min = 0, .max = 0.5, .def = "0",
     .doc = "share of the training images held out, drawn by the seed, to choose the best checkpoint by"},
    {"memory", FIELD_U64, offsetof(DataConfig, memory), .def = "1073741824", .unit = "bytes",
     .doc = "images are kept in memory as far as they fit, the training set before the test set, each whole or not at "
            "all; what does not fit is read again whenever it is needed; 0 is no limit"},
    {"train_limit", FIELD_INT, offsetof(DataConfig, train_limit), .min = 0, .max = INT32_MAX, .def = "0",
     .unit = "images",
     .doc =
         "train on N images only, counted after the split: the first, of a folder spread over the classes; 0 is all"},
    {"test_limit", FIELD_INT, offsetof(DataConfig, test_limit), .min = 0, .max = INT32_MAX, .def = "0",
     .unit = "images", .doc = "test on N images only: the first, of a folder spread over the classes; 0 is all"},
    {"classes", FIELD_INT, offsetof(DataConfig, classes), .min = 0, .max = MAX_CLASSES, .def = "0",
     .doc = "labels run from 0 to this less 1; 0 is what the data says (synthetic: 10)"},
    {"targets", FIELD_STRINGS, offsetof(DataConfig, targets), .scalar_ok = true, .max_count = MAX_VALUES, .min = 1,
     .max = 100, .def = "[]",
     .doc = "regression: the values to predict. Of a table, names of its columns; of npy, names for the values of each "
            "image, in their order (default: 0, 1, ...). landmarks: the points; of a table each has the columns NAME_x "
            "and NAME_y and may have NAME_v, which is 0 where it is not visible"},
    {"table", FIELD_STRING, offsetof(DataConfig, table), .max = 250, .def = "\"targets.csv\"",
     .doc = "table only: the CSV file, which lies in data.dir, or one in each of its folders train and test. The first "
            "column has the pictures' files, the first line the names of the columns"},
    {"text", FIELD_STRING, offsetof(DataConfig, text), .max = 250, .def = "\"text.txt\"",
     .doc = "tokens only: the text in data.dir, as it is or as .gz; its last tenth is the test set"},
    {"synthetic_train", FIELD_INT, offsetof(DataConfig, synthetic_train), .min = 1, .max = 1e7, .def = "2000",
     .unit = "images", .doc = "synthetic, bars and faces only: training images to make"},
    {"synthetic_test", FIELD_INT, offsetof(DataConfig, synthetic_test), .min = 1, .max = 1e7, .def = "500",
     .unit = "images", .doc = "synthetic, bars and faces only: test images to make"},
    {"synthetic_noise", FIELD_FLOAT, offsetof(DataConfig, synthetic_noise), .min = 0, .max = 100, .def = "1",
     .doc = "synthetic, bars and faces only: standard deviation of the noise, that of a class pattern being 1"},
    {"resize", FIELD_STRING, offsetof(DataConfig, resize), .def = "\"resize\"",
     .doc = "folder and table only: \"resize\" stretches an image to the model's input, \"crop\" takes the centre of "
            "the same "
            "aspect first"},
    FIELD_END};

const DatasetType *dataset_type(const char *name)
{
    for (int i = 0; dataset_types[i] != NULL; i++)
        if (strcmp(dataset_types[i]->name, name) == 0) return dataset_types[i];
    return NULL;
}

Status dataset_known(Arena *arena, const char *name)
{
    if (name != NULL && dataset_type(name) != NULL) return STATUS_OK;
    int n = 0;
    while (dataset_types[n] != NULL) n++;
    const char **names = ARENA_ARRAY(arena, const char *, n + 1), *known = dataset_types[0]->name;
    for (int i = 0; i < n; i++) names[i] = dataset_types[i]->name;
    for (int i = 1; i < n; i++) known = arena_printf(arena, "%s, %s", known, names[i]);
    const char *nearest = name == NULL ? NULL : nearest_name(name, names);
    return status_fail(STATUS_CONFIG, "data.dataset: \"%s\"; must be one of: %s%s", name == NULL ? "" : name, known,
                       nearest == NULL ? "" : arena_printf(arena, " (did you mean \"%s\"?)", nearest));
}

Status dataset_class_names(const DataConfig *cfg, Arena *arena, StringList *names)
{
    *names = (StringList){0};
    TRY(dataset_known(arena, cfg->dataset));
    const DatasetType *type = dataset_type(cfg->dataset);
    return type->class_names == NULL ? STATUS_OK : type->class_names(cfg, arena, names);
}

/* The data must have targets of the task's kind. */
static Status check_target(const DatasetType *type, TargetKind target)
{
    static const struct {
        const char *has, *task;
    } kinds[] = {[TARGET_CLASS] = {"classes", "classification"},
                 [TARGET_VALUES] = {"real numbers as targets", "regression"},
                 [TARGET_TOKENS] = {"the bytes of a text", "next_token"},
                 [TARGET_POINTS] = {"points", "landmarks"}};
    const unsigned gives = type->gives == 0 ? GIVES_CLASSES : type->gives;
    if ((gives & 1u << target) != 0) return STATUS_OK;
    char has[96] = "", task[64] = "";
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if ((gives & 1u << k) == 0) continue;
        const char *between = has[0] == '\0' ? "" : " or ";
        const size_t h = strlen(has), t = strlen(task);
        snprintf(has + h, sizeof has - h, "%s%s", between, kinds[k].has);
        snprintf(task + t, sizeof task - t, "%s%s", between, kinds[k].task);
    }
    return status_fail(STATUS_CONFIG, "data.dataset: \"%s\" has %s; task.type must be %s", type->name, has, task);
}

/* Which points change places when an image is mirrored: as the config says, or else the data set itself. */
static Status find_mirror(const DataConfig *cfg, const DatasetType *type, Arena *arena, DataSplits *out)
{
    const int n = out->train.targets.points;
    StringList pairs = cfg->augment.flip_pairs;
    if (n == 0 && pairs.n > 0)
        return status_fail(STATUS_CONFIG, "data.augment.flip_pairs: the data has no points; must be left out");
    if (n == 0) return STATUS_OK;
    const char **point = ARENA_ARRAY(arena, const char *, n);
    for (int p = 0; p < n; p++) point[p] = point_name(arena, out->class_names[2 * p]);
    if (pairs.n == 0 && type->flip_pairs != NULL) {
        while (type->flip_pairs[pairs.n] != NULL) pairs.n++;
        pairs.at = ARENA_ARRAY(arena, const char *, pairs.n);
        for (int i = 0; i < pairs.n; i++) pairs.at[i] = type->flip_pairs[i];
    }
    TRY(points_mirror(arena, &pairs, point, n, &out->train.mirror));
    out->test.mirror = out->train.mirror;
    if (cfg->augment.flip && pairs.n == 0)
        data_note(arena, out,
                  "data.augment.flip: a mirrored picture keeps the names of its points; those of left and "
                  "right sides must stand in data.augment.flip_pairs");
    return STATUS_OK;
}

/* Augmentation moves pictures, and targets stay what they are. */
static void note_augment(Arena *arena, const DataConfig *cfg, DataSplits *out)
{
    if (cfg->target == TARGET_VALUES && (cfg->augment.flip || cfg->augment.rotate > 0))
        data_note(arena, out, "data.augment: flip and rotate change the pictures and not their targets");
}

static Status config_check(const DataConfig *cfg, const int hwc[3])
{
    const bool sane = hwc[0] >= 1 && hwc[1] >= 1 && hwc[2] >= 1 && hwc[0] <= MAX_SIDE && hwc[1] <= MAX_SIDE &&
                      hwc[2] <= 1024 && (int64_t)hwc[0] * hwc[1] * hwc[2] <= (int64_t)1 << 30;
    if (!sane)
        return status_fail(STATUS_SHAPE, "model.input: [%d, %d, %d]; must be 1 to %d, 1 to %d and 1 to 1024", hwc[0],
                           hwc[1], hwc[2], MAX_SIDE, MAX_SIDE);
    const struct {
        const char *key;
        int n;
    } lists[2] = {{"mean", cfg->normalize.mean.n}, {"std", cfg->normalize.std.n}};
    for (int i = 0; i < 2; i++)
        if (lists[i].n > 1 && lists[i].n != hwc[2])
            return status_fail(STATUS_CONFIG, "data.normalize.%s: %d values; must be 1 or %d, a value per channel",
                               lists[i].key, lists[i].n, hwc[2]);
    if (cfg->resize != NULL && strcmp(cfg->resize, "resize") != 0 && strcmp(cfg->resize, "crop") != 0)
        return status_fail(STATUS_CONFIG, "data.resize: \"%s\"; must be \"resize\" or \"crop\"", cfg->resize);
    return STATUS_OK;
}

Dataset dataset_of(const SampleSource *source, int classes)
{
    const int *dim = source->input.dim;
    return (Dataset){.n = source->count,
                     .h = dim[0],
                     .w = dim[1],
                     .c = dim[2],
                     .classes = classes,
                     .source = source,
                     .targets = source->targets};
}

/* A split of n samples, to be filled. */
static Status part_create(Arena *arena, const Dataset *from, int n, Dataset *part, uint32_t **index)
{
    *part = *from;
    part->n = n;
    part->index = *index = arena_try_alloc(arena, (size_t)n * sizeof **index);
    void *room = arena_try_alloc(arena, (size_t)n * target_bytes(from->targets));
    part->targets = targets_in(from->targets, room);
    return *index == NULL || room == NULL ? STATUS_NOMEM : STATUS_OK;
}

/* Moves round(share * n) images drawn by the seed from train to validation; both keep the order of the file. */
static Status hold_out(double share, uint64_t seed, Arena *arena, DataSplits *splits)
{
    const Dataset all = splits->train;
    int n = (int)(share * all.n + 0.5);
    if (n >= all.n) n = all.n - 1;
    splits->validation = all;
    splits->validation.n = 0;
    if (n < 1) return STATUS_OK;
    uint32_t *order = arena_try_alloc(arena, (size_t)all.n * sizeof *order), *index[2];
    uint8_t *chosen = arena_try_alloc(arena, (size_t)all.n);
    if (order == NULL || chosen == NULL ||
        part_create(arena, &all, all.n - n, &splits->train, &index[0]) != STATUS_OK ||
        part_create(arena, &all, n, &splits->validation, &index[1]) != STATUS_OK)
        return status_prefix(STATUS_NOMEM, "data.validation");
    Rng rng = rng_make(seed, RNG_SPLIT, 0);
    rng_permutation(&rng, (uint32_t)all.n, order);
    memset(chosen, 0, (size_t)all.n);
    for (int i = 0; i < n; i++) chosen[order[i]] = 1;
    int filled[2] = {0};
    for (int i = 0; i < all.n; i++) {
        const int to = filled[chosen[i]]++;
        index[chosen[i]][to] = (uint32_t)dataset_index(&all, i);
        target_copy(all.targets, i, (chosen[i] ? &splits->validation : &splits->train)->targets, to);
    }
    return STATUS_OK;
}

void dataset_take(Arena *arena, Dataset *set, int n)
{
    const Dataset all = *set;
    set->n = n;
    if (!all.by_class) return;
    uint32_t *index = ARENA_ARRAY(arena, uint32_t, n);
    set->targets = targets_in(all.targets, arena_alloc(arena, (size_t)n * target_bytes(all.targets)));
    for (int i = 0; i < n; i++) {
        const int from = (int)((int64_t)i * all.n / n);
        index[i] = (uint32_t)dataset_index(&all, from);
        target_copy(all.targets, from, set->targets, i);
    }
    set->index = index;
}

bool reader_keeps(DataSplits *out, uint64_t n, const int hwc[3])
{
    const uint64_t bytes = n * (uint64_t)hwc[0] * (uint64_t)hwc[1] * (uint64_t)hwc[2];
    if (bytes > out->memory_left) return false;
    out->memory_left -= bytes;
    return true;
}

void data_note(Arena *arena, DataSplits *data, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char **all = ARENA_ARRAY(arena, const char *, data->notes + 1);
    if (data->notes > 0) memcpy(all, data->note, sizeof *all * (size_t)data->notes);
    all[data->notes++] = arena_strdup(arena, text);
    data->note = all;
}

Status dataset_load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    TRY(dataset_known(arena, cfg->dataset));
    const DatasetType *type = dataset_type(cfg->dataset);
    TRY(check_target(type, cfg->target));
    TRY(config_check(cfg, want_hwc));
    DataConfig resolved = *cfg;
    if (resolved.path == NULL) resolved.path = cfg->dir == NULL ? "." : cfg->dir;
    *out = (DataSplits){.memory_left = cfg->memory == 0 ? UINT64_MAX : cfg->memory};
    TRY(type->load(&resolved, want_hwc, seed, arena, out));
    note_augment(arena, cfg, out);
    TRY(find_mirror(cfg, type, arena, out));
    TRY(hold_out(cfg->validation, seed, arena, out));
    if (cfg->train_limit > 0 && cfg->train_limit < out->train.n) dataset_take(arena, &out->train, cfg->train_limit);
    if (cfg->test_limit > 0 && cfg->test_limit < out->test.n) dataset_take(arena, &out->test, cfg->test_limit);
    out->named = out->class_names != NULL;
    if (!out->named) {
        out->class_names = ARENA_ARRAY(arena, const char *, out->train.classes);
        for (int i = 0; i < out->train.classes; i++) out->class_names[i] = arena_printf(arena, "%d", i);
    }
    return STATUS_OK;
}
