/* NumPy's .npy files: train_images.npy, train_labels.npy, test_images.npy and test_labels.npy, or _targets.npy of real
 * numbers in place of _labels.npy.
 *
 * "\x93NUMPY", version, header length (16 bits in version 1, 32 in 2 and 3, little-endian), then the header as a
 * Python dictionary {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), } and the elements. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "datasets/reader.h"

enum { HEADER_MOST = 65536 };
static const char *const hints[] = {
    [TARGET_CLASS] = "data.dir must hold train_images.npy, train_labels.npy, test_images.npy and test_labels.npy",
    [TARGET_VALUES] = "data.dir must hold train_images.npy, train_targets.npy, test_images.npy and test_targets.npy"};

typedef struct {
    char order, kind; /* '<', '>' or '|'; 'u', 'i' or 'f' */
    int width;        /* bytes an element            */
    int rank;
    uint64_t dim[4];
} Npy;

static const char *skip_blank(const char *p)
{
    while (*p == ' ') p++;
    return p;
}

/* The text after `punctuation`, blanks around it allowed; NULL if it is not there.  NULL passes through. */
static const char *expect(const char *p, const char *punctuation)
{
    if (p == NULL) return NULL;
    p = skip_blank(p);
    const size_t n = strlen(punctuation);
    return strncmp(p, punctuation, n) == 0 ? skip_blank(p + n) : NULL;
}

static const char *parse_descr(const char *p, Npy *npy)
{
    p = expect(p, "'");
    if (p == NULL || strchr("<>|=", p[0]) == NULL || p[0] == '\0' || p[1] == '\0') return NULL;
    npy->order = p[0];
    npy->kind = p[1];
    char *end;
    const long width = strtol(p + 2, &end, 10);
    npy->width = width == 1 || width == 2 || width == 4 || width == 8 ? (int)width : 0;
    return expect(end, "'");
}

static const char *parse_shape(const char *p, Npy *npy)
{
    p = expect(p, "(");
    npy->rank = 0;
    while (p != NULL && *p != ')') {
        if (npy->rank == 4 || *p < '0' || *p > '9') return NULL;
        uint64_t n = 0;
        for (; *p >= '0' && *p <= '9'; p++) {
            if (n > UINT32_MAX) return NULL;
            n = 10 * n + (uint64_t)(*p - '0');
        }
        npy->dim[npy->rank++] = n;
        p = skip_blank(p);
        if (*p == ',')
            p = skip_blank(p + 1);
        else if (*p != ')')
            return NULL;
    }
    return expect(p, ")");
}

static Status parse_header(const char *path, const char *text, Npy *npy)
{
    unsigned seen = 0;
    const char *p = expect(text, "{"), *q;
    bool c_order = true;
    while (p != NULL && *p != '}') {
        if ((q = expect(p, "'descr':")) != NULL) {
            p = parse_descr(q, npy);
            seen |= 1;
        } else if ((q = expect(p, "'fortran_order':")) != NULL) {
            c_order = (p = expect(q, "False")) != NULL;
            if (!c_order) p = expect(q, "True");
            seen |= 2;
        } else if ((q = expect(p, "'shape':")) != NULL) {
            p = parse_shape(q, npy);
            seen |= 4;
        } else {
            p = NULL;
        }
        if (p != NULL && *p != '}') p = expect(p, ",");
    }
    if (p == NULL || seen != 7 || *skip_blank(p + 1) != '\0')
        return status_fail(STATUS_FORMAT,
                           "%s: header %.80s; must be {'descr': ..., 'fortran_order': False, 'shape': (...)} with at "
                           "most 4 dimensions",
                           path, text);
    if (!c_order)
        return status_fail(STATUS_UNSUPPORTED, "%s: in Fortran order; must be in C order (numpy.ascontiguousarray)",
                           path);
    return STATUS_OK;
}

static Status read_header(DataFile *file, Arena *arena, Npy *npy)
{
    uint8_t b[12];
    TRY(data_file_read(file, b, 10));
    if (memcmp(b, "\x93NUMPY", 6) != 0 || b[6] < 1 || b[6] > 3)
        return status_fail(STATUS_FORMAT, "%s: does not start as a .npy file of version 1 to 3 does", file->path);
    if (b[6] > 1) TRY(data_file_read(file, b + 10, 2));
    uint32_t bytes = (uint32_t)b[8] | (uint32_t)b[9] << 8;
    if (b[6] > 1) bytes |= (uint32_t)b[10] << 16 | (uint32_t)b[11] << 24;
    if (bytes > HEADER_MOST)
        return status_fail(STATUS_FORMAT, "%s: a header of %u bytes; at most %d are accepted", file->path, bytes,
                           HEADER_MOST);
    char *text = arena_alloc(arena, bytes + 1);
    TRY(data_file_read(file, text, bytes));
    text[bytes] = '\0';
    for (uint32_t i = 0; i < bytes; i++) /* may be quoted in a message: one line, nothing a terminal obeys */
        if (text[i] < ' ' || text[i] > '~') text[i] = text[i] == '\n' || text[i] == '\t' ? ' ' : '?';
    *npy = (Npy){.dim = {1, 1, 1, 1}};
    return parse_header(file->path, text, npy);
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

static uint64_t element_bits(const uint8_t *at, const Npy *npy)
{
    uint64_t bits = 0;
    for (int i = 0; i < npy->width; i++) bits |= (uint64_t)at[npy->order == '>' ? npy->width - 1 - i : i] << (8 * i);
    return bits;
}

static int64_t element(const uint8_t *at, const Npy *npy)
{
    const uint64_t bits = element_bits(at, npy);
    const int unused = 64 - 8 * npy->width;
    if (npy->kind == 'i') return (int64_t)(bits << unused) >> unused;
    return bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
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
        const int64_t label = element(bytes + (size_t)i * (size_t)npy.width, &npy);
        TRY(label_check(file->path, label, i, limit));
        (*labels)[i] = (int32_t)label;
    }
    return STATUS_OK;
}

static double real_element(const uint8_t *at, const Npy *npy)
{
    const uint64_t bits = element_bits(at, npy);
    const uint32_t half = (uint32_t)bits;
    float single;
    double value;
    memcpy(&value, &bits, sizeof value);
    memcpy(&single, &half, sizeof single);
    return npy->width == 4 ? (double)single : value;
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
        const double value = real_element(bytes + i * (size_t)npy.width, &npy);
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
