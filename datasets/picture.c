#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "datasets/decoder.h"
#include "datasets/reader.h"

enum {
    FILE_MOST_BYTES = 1 << 30,
    /* What takes long to unpack: pictures may have so many bytes of pixels, and so many more for each of the file. */
    PIXELS_FREE_BYTES = 1 << 28,
    PIXELS_PER_BYTE = 64,
};

#define DECODER(name) extern const DecoderType decoder_##name;
#include "datasets/decoders.def"
#undef DECODER

const DecoderType *const decoder_types[] = {
#define DECODER(name) &decoder_##name,
#include "datasets/decoders.def"
#undef DECODER
    NULL};

static bool has_extension(const char *name, const char *const *extensions)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name) return false;
    for (int i = 0; extensions[i] != NULL; i++)
        if (strcasecmp(dot + 1, extensions[i]) == 0) return true;
    return false;
}

bool picture_is_read(const char *name)
{
    for (int i = 0; decoder_types[i] != NULL; i++)
        if (has_extension(name, decoder_types[i]->extensions)) return true;
    return false;
}

bool picture_is_named(const char *name)
{
    static const char *const others[] = {"jp2",  "jxl", "bmp", "gif", "webp", "tif", "tiff", "avif", "heic",
                                         "heif", "ppm", "pgm", "pbm", "pnm",  "tga", "ico",  NULL};
    return picture_is_read(name) || has_extension(name, others);
}

const char *picture_kinds(Arena *arena)
{
    const char *text = decoder_types[0]->name;
    for (int i = 1; decoder_types[i] != NULL; i++)
        text =
            arena_printf(arena, "%s%s%s", text, decoder_types[i + 1] == NULL ? " or " : ", ", decoder_types[i]->name);
    return text;
}

Status picture_check_sides(const PictureJob *job, uint32_t h, uint32_t w)
{
    if (w >= 1 && h >= 1 && w <= MAX_SIDE && h <= MAX_SIDE) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: a picture of %u x %u pixels; must be 1 to %d a side", job->path, w, h,
                       MAX_SIDE);
}

Status picture_check_bytes(const PictureJob *job, int h, int w, uint64_t row_bytes)
{
    const uint64_t bytes = row_bytes * (uint64_t)h;
    const uint64_t most = PIXELS_FREE_BYTES + (uint64_t)job->file_bytes * PIXELS_PER_BYTE;
    if (bytes <= most) return STATUS_OK;
    return status_fail(STATUS_FORMAT,
                       "%s: a picture of %d x %d pixels, %llu bytes, in a file of %zu; a file of that size may hold "
                       "%llu bytes of pixels",
                       job->path, w, h, (unsigned long long)bytes, job->file_bytes, (unsigned long long)most);
}

struct PictureRows {
    int w, channels, want;
    uint8_t *converted; /* one row of the wanted channels */
    Resizer *resizer;
};

Status picture_rows_create(const PictureJob *job, int h, int w, int channels, PictureRows **out)
{
    PictureRows *rows = ARENA_ARRAY(job->scratch, PictureRows, 1);
    *rows = (PictureRows){.w = w, .channels = channels, .want = job->want_hwc[2]};
    rows->converted = arena_try_alloc(job->scratch, (size_t)w * (size_t)rows->want);
    if (rows->converted == NULL) return status_prefix(STATUS_NOMEM, "%s", job->path);
    rows->resizer = resizer_create(job->scratch, (const int[3]){h, w, rows->want}, job->crop, job->want_hwc, job->out);
    *out = rows;
    return STATUS_OK;
}

void picture_rows_take(PictureRows *r, const uint8_t *row)
{
    const int color = r->channels >= 3 ? 3 : 1, alpha = r->channels == 2 || r->channels == 4;
    uint8_t *out = r->converted;
    for (size_t i = 0; i < (size_t)r->w; i++) {
        const uint8_t *in = row + i * (size_t)r->channels;
        const unsigned a = alpha ? in[color] : 255;
        unsigned v[3];
        for (int c = 0; c < 3; c++) v[c] = (in[color == 3 ? c : 0] * a + 127) / 255;
        if (r->want == 3)
            for (int c = 0; c < 3; c++) out[3 * i + (size_t)c] = (uint8_t)v[c];
        else
            out[i] = (uint8_t)(color == 3 ? (19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 32768) >> 16 : v[0]);
    }
    resizer_take(r->resizer, r->converted);
}

static Status run_job(PictureJob *job)
{
    unsigned char *file;
    TRY(file_read(job->scratch, job->path, FILE_MOST_BYTES, &file, &job->file_bytes));
    job->file = file;
    for (int i = 0; decoder_types[i] != NULL; i++)
        if (decoder_types[i]->begins(job->file, job->file_bytes)) return decoder_types[i]->decode(job);
    const char *kinds = picture_kinds(job->scratch);
    return status_fail(STATUS_FORMAT, "%s: does not start as a %s file does; a %s file is required", job->path, kinds,
                       kinds);
}

Status picture_read_into(Arena *scratch, const char *path, const int want_hwc[3], bool crop, uint8_t *pixels)
{
    if (want_hwc[2] != 1 && want_hwc[2] != 3)
        return status_fail(STATUS_SHAPE, "%s: a picture for a model input of %d channels; must be 1 (gray) or 3 (RGB)",
                           path, want_hwc[2]);
    PictureJob job = {.path = path,
                      .want_hwc = {want_hwc[0], want_hwc[1], want_hwc[2]},
                      .crop = crop,
                      .out = pixels,
                      .scratch = scratch};
    return run_job(&job);
}

Status picture_size(Arena *scratch, const char *path, int hw[2])
{
    PictureJob job = {.path = path, .size_hw = hw, .scratch = scratch};
    return run_job(&job);
}

Status picture_read(Arena *arena, const char *path, const int want_hwc[3], bool crop, uint8_t **pixels)
{
    *pixels = arena_try_alloc(arena, (size_t)want_hwc[0] * (size_t)want_hwc[1] * (size_t)want_hwc[2]);
    if (*pixels == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    Arena *scratch = arena_create();
    const Status status = picture_read_into(scratch, path, want_hwc, crop, *pixels);
    arena_destroy(scratch);
    return status;
}
