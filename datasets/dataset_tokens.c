/* The bytes of a text: each sample is a window of as many as the model's input has rows, and its targets are the bytes that
 * follow each of them.  Windows lie one after the other; the last tenth of the text is the test set. */
#include "datasets/augment.h"
#include "datasets/reader.h"

enum { LEAST_WINDOWS = 10, TOKENS = 256 };

static Status check_config(const DataConfig *cfg, const int hwc[3])
{
    const NormalizeConfig *n = &cfg->normalize;
    if (hwc[1] != 1 || hwc[2] != 1)
        return status_fail(STATUS_SHAPE, "model.input: [%d, %d, %d]; of a text it must be [bytes, 1, 1]", hwc[0],
                           hwc[1], hwc[2]);
    if (n->mean.n != 1 || n->mean.at[0] != 0.0 || n->std.n != 1 || n->std.at[0] != 1.0)
        return status_fail(STATUS_CONFIG,
                           "data.normalize: given; the bytes of a text are numbers of tokens: it must be "
                           "left out (mean 0, std 1)");
    if (augment_is_off(&cfg->augment)) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "data.augment: given; it changes pictures, and must be left out for a text");
}

static Status read_text(Arena *arena, const DataConfig *cfg, uint8_t **text, size_t *bytes)
{
    DataFile file;
    TRY(data_file_open(arena, cfg->path, cfg->text,
                       "data.dir must hold the text that data.text names, as it is or as .gz", &file));
    const Status status = data_file_all(arena, &file, text, bytes);
    data_file_close(&file);
    return status;
}

static Dataset windows(Arena *arena, const uint8_t *text, int n, const int hwc[3])
{
    const size_t T = (size_t)hwc[0];
    float *next = arena_alloc(arena, (size_t)n * T * sizeof *next);
    for (size_t i = 0; i < (size_t)n * T; i++) next[i] = text[i + 1];
    return dataset_of(source_of_bytes(arena, n, hwc, text, targets_values((int)T, next)), (int)T * TOKENS);
}

/* "0x41" of each position's byte. */
static const char **names_of_outputs(Arena *arena, int positions)
{
    const char **name = ARENA_ARRAY(arena, const char *, positions *TOKENS);
    for (int k = 0; k < positions * TOKENS; k++)
        name[k] = k < TOKENS ? arena_printf(arena, "0x%02x", (unsigned)k) : name[k - TOKENS];
    return name;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    uint8_t *text;
    size_t bytes;
    TRY(check_config(cfg, want_hwc));
    TRY(read_text(arena, cfg, &text, &bytes));
    const size_t T = (size_t)want_hwc[0], n = bytes > 0 ? (bytes - 1) / T : 0;
    if (n < LEAST_WINDOWS)
        return status_fail(STATUS_FORMAT, "%s/%s: %zu bytes; at least %zu are required: %d windows of %zu and one more",
                           cfg->path, cfg->text, bytes, T * LEAST_WINDOWS + 1, LEAST_WINDOWS, T);
    const int test = (int)(n / 10), train = (int)n - test;
    out->train = windows(arena, text, train, want_hwc);
    out->test = windows(arena, text + (size_t)train * T, test, want_hwc);
    out->class_names = names_of_outputs(arena, want_hwc[0]);
    return STATUS_OK;
}

const DatasetType dataset_tokens = {.name = "tokens",
                                    .doc = "the bytes of a text, in windows; its targets are the bytes that follow",
                                    .load = load,
                                    .gives = GIVES_TOKENS};
