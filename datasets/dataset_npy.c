/* NumPy's .npy files: train_images.npy, train_labels.npy, test_images.npy and test_labels.npy, or _targets.npy of real
 * numbers in place of _labels.npy.  The format: base/npy.h. */
#include "base/npy.h"
#include "datasets/reader.h"

static const char *const hints[] = {
    [TARGET_CLASS] = "data.dir must hold train_images.npy, train_labels.npy, test_images.npy and test_labels.npy",
    [TARGET_VALUES] = "data.dir must hold train_images.npy, train_targets.npy, test_images.npy and test_targets.npy"};

static Status read_header(DataFile *file, Arena *arena, Npy *npy)
{
    uint8_t b[NPY_BEGIN_BYTES + 2];
    size_t more;
    uint32_t bytes;
    TRY(data_file_read(file, b, NPY_BEGIN_BYTES));
    TRY(npy_begin(file->path, b, NPY_BEGIN_BYTES, &more, &bytes));
    if (more > 0) {
        TRY(data_file_read(file, b + NPY_BEGIN_BYTES, more));
        TRY(npy_begin(file->path, b, NPY_BEGIN_BYTES + more, &more, &bytes));
    }
    char *text = arena_alloc(arena, bytes + 1);
    TRY(data_file_read(file, text, bytes));
    TRY(npy_header(file->path, text, bytes, npy));
    if (npy->rank > 4)
        return status_fail(STATUS_SHAPE, "%s: %d dimensions; at most 4 are accepted", file->path, npy->rank);
    return STATUS_OK;
}

static Status read_images_header(DataFile *file, const int want_hwc[3], Arena *arena, int *n)
{
    Npy npy;
    TRY(read_header(file, arena, &npy));
    if (npy.kind != 'u' || npy.width != 1)
        return status_fail(STATUS_UNSUPPORTED, "%s: elements of another type; images must be uint8 ('|u1')",
                           file->path);
    if (npy.rank != 3 && npy.rank != 4)
        return status_fail(STATUS_SHAPE, "%s: %d dimensions; must be [N,H,W] or [N,H,W,C]", file->path, npy.rank);
    TRY(images_check(file->path, npy.dim[0], npy.dim + 1, want_hwc));
    *n = (int)npy.dim[0];
    return data_file_may_hold(file, npy.dim[0] * npy.dim[1] * npy.dim[2] * npy.dim[3]);
}

static Status read_labels(DataFile *file, const char *images_path, int n, int limit, Arena *arena, int32_t **labels)
{
    Npy npy;
    TRY(read_header(file, arena, &npy));
    if ((npy.kind != 'u' && npy.kind != 'i') || npy.width == 0)
        return status_fail(STATUS_UNSUPPORTED, "%s: elements of another type; labels must be integers of 1 to 8 bytes",
                           file->path);
    if (npy.rank < 1 || npy.dim[1] != 1 || npy.dim[2] != 1 || npy.dim[3] != 1 || npy.dim[0] != (uint64_t)n)
        return status_fail(STATUS_SHAPE, "%s: shape [%llu,%llu,%llu,%llu]; must be [%d], a label for each image of %s",
                           file->path, (unsigned long long)npy.dim[0], (unsigned long long)npy.dim[1],
                           (unsigned long long)npy.dim[2], (unsigned long long)npy.dim[3], n, images_path);
    uint8_t *bytes;
    TRY(data_file_rest(arena, file, npy.dim[0] * (uint64_t)npy.width, &bytes));
    *labels = arena_try_alloc(arena, (size_t)n * sizeof **labels);
    if (*labels == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    for (int i = 0; i < n; i++) {
        const int64_t label = npy_integer(&npy, bytes + (size_t)i * (size_t)npy.width);
        TRY(label_check(file->path, label, i, limit));
        (*labels)[i] = (int32_t)label;
    }
    return STATUS_OK;
}

static Status read_values(DataFile *file, const char *images_path, int n, Arena *arena, Targets *targets)
{
    Npy npy;
    TRY(read_header(file, arena, &npy));
    if (npy.kind != 'f' || (npy.width != 4 && npy.width != 8))
        return status_fail(STATUS_UNSUPPORTED, "%s: elements of another type; targets must be float32 or float64",
                           file->path);
    if (npy.rank < 1 || npy.rank > 2 || npy.dim[0] != (uint64_t)n || npy.dim[1] < 1 || npy.dim[1] > MAX_VALUES)
        return status_fail(STATUS_SHAPE,
                           "%s: shape [%llu,%llu,%llu,%llu]; must be [%d] or [%d,K], 1 to %d values for each image of "
                           "%s",
                           file->path, (unsigned long long)npy.dim[0], (unsigned long long)npy.dim[1],
                           (unsigned long long)npy.dim[2], (unsigned long long)npy.dim[3], n, n, MAX_VALUES,
                           images_path);
    const int K = (int)npy.dim[1];
    uint8_t *bytes;
    TRY(data_file_rest(arena, file, npy.dim[0] * npy.dim[1] * (uint64_t)npy.width, &bytes));
    float *values = arena_try_alloc(arena, (size_t)n * (size_t)K * sizeof *values);
    if (values == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    for (size_t i = 0; i < (size_t)n * (size_t)K; i++) {
        const double value = npy_real(&npy, bytes + i * (size_t)npy.width);
        TRY(value_check(file->path, value, (int64_t)(i / (size_t)K), (int)(i % (size_t)K)));
        values[i] = (float)value;
    }
    *targets = targets_values(K, values);
    return STATUS_OK;
}

/* The labels, or values, of the images of a split.  limit: of labels. */
static Status read_targets(const DataConfig *cfg, const char *prefix, const char *images_path, int n, int limit,
                           Arena *arena, Targets *targets)
{
    DataFile file;
    const bool values = cfg->target == TARGET_VALUES;
    const char *name = arena_printf(arena, values ? "%s_targets.npy" : "%s_labels.npy", prefix);
    TRY(data_file_open(arena, cfg->path, name, hints[cfg->target], &file));
    int32_t *labels = NULL;
    const Status status = values ? read_values(&file, images_path, n, arena, targets)
                                 : read_labels(&file, images_path, n, limit, arena, &labels);
    if (!values) *targets = targets_classes(labels);
    data_file_close(&file);
    return status;
}

static Status read_pair(const DataConfig *cfg, const char *prefix, int limit, const int want_hwc[3], Arena *arena,
                        DataSplits *out, SampleSource **source)
{
    DataFile images;
    int n = 0;
    Targets targets = {0};
    TRY(data_file_open(arena, cfg->path, arena_printf(arena, "%s_images.npy", prefix), hints[cfg->target], &images));
    Status status = read_images_header(&images, want_hwc, arena, &n);
    if (status == STATUS_OK) status = read_targets(cfg, prefix, images.path, n, limit, arena, &targets);
    if (status == STATUS_OK)
        status =
            data_file_images(arena, &images, n, want_hwc, targets, reader_keeps(out, (uint64_t)n, want_hwc), source);
    data_file_close(&images);
    return status;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    SampleSource *train, *test;
    TRY(read_pair(cfg, "train", label_limit(cfg, 0), want_hwc, arena, out, &train));
    const bool values = cfg->target == TARGET_VALUES;
    const int classes = values ? train->targets.width : label_classes(cfg, 0, train->targets.label, train->count);
    TRY(read_pair(cfg, "test", classes, want_hwc, arena, out, &test));
    out->train = dataset_of(train, classes);
    out->test = dataset_of(test, classes);
    if (!values) return STATUS_OK;
    if (test->targets.width != classes)
        return status_fail(STATUS_SHAPE,
                           "%s: test_targets.npy has %d values for each image; must be %d, as train_targets.npy",
                           cfg->path, test->targets.width, classes);
    return value_names(cfg, classes, out);
}

const DatasetType dataset_npy = {
    .name = "npy",
    .doc = "pairs of .npy files: uint8 images [N,H,W] or [N,H,W,C], integer labels [N] or real targets [N] or [N,K]",
    .load = load,
    .gives = GIVES_CLASSES | GIVES_VALUES};
