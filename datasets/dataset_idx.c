/* IDX files, plain or gzip: the format of MNIST and of everything that is made to take its place.
 *
 * Two zero bytes, the type (8: unsigned bytes), the rank, then each dimension as 32 bits big-endian, then the bytes.
 * Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (1998). */
#include "datasets/reader.h"

static const char *const fashion_names[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                            "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static uint32_t big_endian(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Magic number and dimensions; rank_most at most, absent dimensions 1. */
static Status read_header(DataFile *file, int rank_least, int rank_most, uint64_t dim[4])
{
    uint8_t b[4];
    TRY(data_file_read(file, b, 4));
    const int rank = b[3];
    if (b[0] != 0 || b[1] != 0 || b[2] != 8 || rank < rank_least || rank > rank_most)
        return status_fail(STATUS_FORMAT,
                           "%s: starts with %02x %02x %02x %02x; an IDX file of %s starts with 00 00 08 %02x",
                           file->path, b[0], b[1], b[2], b[3], rank_least == 1 ? "labels" : "images", rank_least);
    for (int i = 0; i < 4; i++) {
        dim[i] = 1;
        if (i >= rank) continue;
        TRY(data_file_read(file, b, 4));
        dim[i] = big_endian(b);
    }
    return STATUS_OK;
}

/* Both headers, which must fit the model, each other and the files: before anything is unpacked. */
static Status read_headers(DataFile *images, DataFile *labels, const int want_hwc[3], int *n)
{
    uint64_t dim[4], count[4];
    TRY(read_header(images, 3, 4, dim));
    TRY(images_check(images->path, dim[0], dim + 1, want_hwc));
    TRY(data_file_may_hold(images, dim[0] * dim[1] * dim[2] * dim[3]));
    TRY(read_header(labels, 1, 1, count));
    if (count[0] != dim[0])
        return status_fail(STATUS_FORMAT, "%s: %llu labels; must be %llu, the images of %s", labels->path,
                           (unsigned long long)count[0], (unsigned long long)dim[0], images->path);
    *n = (int)dim[0];
    return data_file_may_hold(labels, count[0]);
}

static Status read_labels(DataFile *file, int n, int limit, Arena *arena, int32_t **labels)
{
    uint8_t *bytes;
    TRY(data_file_rest(arena, file, (uint64_t)n, &bytes));
    *labels = arena_try_alloc(arena, (size_t)n * sizeof **labels);
    if (*labels == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    for (int i = 0; i < n; i++) {
        TRY(label_check(file->path, bytes[i], i, limit));
        (*labels)[i] = bytes[i];
    }
    return STATUS_OK;
}

/* The two files of a split: prefix-images-idx3-ubyte and prefix-labels-idx1-ubyte. */
typedef struct {
    const char *prefix, *hint;
    int limit; /* of labels */
} Pair;

static Status read_pair(const DataConfig *cfg, const Pair *pair, const int want_hwc[3], Arena *arena, DataSplits *out,
                        SampleSource **source)
{
    DataFile images = {0}, labels = {0};
    int n = 0;
    int32_t *targets = NULL;
    Status status = data_file_open(arena, cfg->path, arena_printf(arena, "%s-images-idx3-ubyte", pair->prefix),
                                   pair->hint, &images);
    if (status == STATUS_OK)
        status = data_file_open(arena, cfg->path, arena_printf(arena, "%s-labels-idx1-ubyte", pair->prefix), pair->hint,
                                &labels);
    if (status == STATUS_OK) status = read_headers(&images, &labels, want_hwc, &n);
    if (status == STATUS_OK) status = read_labels(&labels, n, pair->limit, arena, &targets);
    if (status == STATUS_OK)
        status = data_file_images(arena, &images, n, want_hwc, targets_classes(targets),
                                  reader_keeps(out, (uint64_t)n, want_hwc), source);
    data_file_close(&images);
    data_file_close(&labels);
    return status;
}

static Status load(const DataConfig *cfg, int of_format, const char *hint, const int want_hwc[3], Arena *arena,
                   DataSplits *out)
{
    SampleSource *train, *test;
    TRY(read_pair(cfg, &(Pair){"train", hint, label_limit(cfg, of_format)}, want_hwc, arena, out, &train));
    const int classes = label_classes(cfg, of_format, train->targets.label, train->count);
    TRY(read_pair(cfg, &(Pair){"t10k", hint, classes}, want_hwc, arena, out, &test));
    out->train = dataset_of(train, classes);
    out->test = dataset_of(test, classes);
    return STATUS_OK;
}

static Status load_mnist(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    return load(cfg, 10, fetch_hint(arena, "mnist", cfg->path), want_hwc, arena, out);
}

static Status fashion_class_names(const DataConfig *cfg, Arena *arena, StringList *list)
{
    (void)cfg;
    *list = (StringList){10, ARENA_ARRAY(arena, const char *, 10)};
    for (int i = 0; i < 10; i++) list->at[i] = fashion_names[i];
    return STATUS_OK;
}

static Status load_fashion(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    TRY(load(cfg, 10, fetch_hint(arena, "fashion-mnist", cfg->path), want_hwc, arena, out));
    if (out->train.classes != 10) return STATUS_OK; /* data.classes says otherwise: these are other clothes */
    StringList list;
    fashion_class_names(cfg, arena, &list);
    out->class_names = list.at;
    return STATUS_OK;
}

static Status load_idx(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    const char *hint = "data.dir must hold {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte, plain or .gz";
    return load(cfg, 0, hint, want_hwc, arena, out);
}

const DatasetType dataset_mnist = {
    .name = "mnist", .doc = "handwritten digits, 28x28x1, 10 classes (IDX files)", .load = load_mnist};
const DatasetType dataset_fashion_mnist = {.name = "fashion-mnist",
                                           .doc = "pieces of clothing, 28x28x1, 10 classes (IDX files)",
                                           .load = load_fashion,
                                           .class_names = fashion_class_names};
const DatasetType dataset_idx = {
    .name = "idx", .doc = "any images in IDX files named like MNIST's, [N,H,W] or [N,H,W,C]", .load = load_idx};
