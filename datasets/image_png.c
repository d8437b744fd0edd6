/* PNG files to bytes [H,W,C].  The file is held in memory and decoded from there, row by row; only an interlaced picture
 * is decoded as a whole.  libpng's memory comes from the scratch arena, and it skips everything that is not pixels.  It
 * reports failure by longjmp, so what must outlive that is in one struct outside the function that calls setjmp. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/file.h"
#include "datasets/reader.h"

enum {
    FILE_MOST_BYTES = 1 << 30,
    CHUNK_MOST_BYTES = 1 << 26,
    DEFLATE_RATIO = 1032,
    /* What takes long to unpack: pictures may have so many bytes of pixels, and so many more for each of the file. */
    PIXELS_FREE_BYTES = 1 << 28,
    PIXELS_PER_BYTE = 64,
    INTERLACED_MOST_PIXELS = 1 << 24,
};

typedef struct {
    const char *path;
    const uint8_t *file;
    size_t file_bytes, at;
    png_structp png;
    png_infop info;
    jmp_buf broken;
    char reason[128];
    bool starved; /* the system had no memory for libpng */
    Arena *scratch;
    int h, w, channels; /* 1: gray, 2: gray and alpha, 3: RGB, 4: RGB and alpha */
    int want;           /* channels, 1 or 3 */
    size_t row_bytes;
    bool interlaced;
    uint8_t *rows;      /* one, or all if interlaced: [row_bytes] each */
    uint8_t *converted; /* one row of the wanted channels */
    Resizer *resizer;
} Decoder;

static _Noreturn void on_error(png_structp png, png_const_charp reason)
{
    Decoder *d = png_get_error_ptr(png);
    strncpy(d->reason, reason, sizeof d->reason - 1);
    longjmp(d->broken, 1);
}

static void on_warning(png_structp png, png_const_charp reason) { (void)png, (void)reason; }

static png_voidp on_malloc(png_structp png, png_alloc_size_t bytes)
{
    Decoder *d = png_get_mem_ptr(png);
    void *block = arena_try_alloc(d->scratch, bytes);
    if (block == NULL) d->starved = true;
    return block;
}

static void on_free(png_structp png, png_voidp block) { (void)png, (void)block; /* goes with the arena */ }

static void on_read(png_structp png, png_bytep to, size_t bytes)
{
    Decoder *d = png_get_io_ptr(png);
    if (bytes > d->file_bytes - d->at) png_error(png, "the file ends early");
    memcpy(to, d->file + d->at, bytes);
    d->at += bytes;
}

static Status broken(const Decoder *d, const char *reason)
{
    if (d->starved) return status_prefix(STATUS_NOMEM, "%s", d->path);
    return status_fail(STATUS_FORMAT, "%s: damaged PNG: %s; a whole PNG file is required", d->path, reason);
}

static uint32_t big_endian(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Signature and size, before libpng sees the file: its own refusals do not tell the figures. */
static Status check_start(const Decoder *d)
{
    if (d->file_bytes < 8 || png_sig_cmp(d->file, 0, 8) != 0)
        return status_fail(STATUS_FORMAT, "%s: does not start as a PNG file does; a PNG file is required", d->path);
    if (d->file_bytes < 33 || memcmp(d->file + 12, "IHDR", 4) != 0) return broken(d, "no header");
    const uint32_t w = big_endian(d->file + 16), h = big_endian(d->file + 20);
    if (w < 1 || h < 1 || w > MAX_SIDE || h > MAX_SIDE)
        return status_fail(STATUS_FORMAT, "%s: a picture of %u x %u pixels; must be 1 to %d a side", d->path, w, h,
                           MAX_SIDE);
    return STATUS_OK;
}

/* Before anything is unpacked: the bytes of the pixels as the file stores them, and what must be held at once. */
static Status check_size(const Decoder *d)
{
    const uint64_t pixels = (uint64_t)d->w * (uint64_t)d->h;
    const uint64_t bytes = (uint64_t)png_get_rowbytes(d->png, d->info) * (uint64_t)d->h;
    const uint64_t most = PIXELS_FREE_BYTES + (uint64_t)d->file_bytes * PIXELS_PER_BYTE;
    if (bytes > most)
        return status_fail(
            STATUS_FORMAT,
            "%s: a picture of %d x %d pixels, %llu bytes, in a file of %zu; a file of that size may hold "
            "%llu bytes of pixels",
            d->path, d->w, d->h, (unsigned long long)bytes, d->file_bytes, (unsigned long long)most);
    if (d->interlaced && pixels > INTERLACED_MOST_PIXELS)
        return status_fail(STATUS_FORMAT,
                           "%s: an interlaced picture of %d x %d pixels; must be at most %d pixels, or not interlaced",
                           d->path, d->w, d->h, INTERLACED_MOST_PIXELS);
    if (bytes > (uint64_t)d->file_bytes * DEFLATE_RATIO) return broken(d, "too short for its size in pixels");
    return STATUS_OK;
}

/* Asks libpng for 8-bit gray or RGB, with alpha where the file has any. */
static void choose_output(Decoder *d)
{
    png_set_expand(d->png); /* palette to RGB, 1, 2 and 4 bits to 8, a transparent colour to alpha */
    png_set_scale_16(d->png);
    (void)png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->channels = png_get_channels(d->png, d->info);
    d->row_bytes = png_get_rowbytes(d->png, d->info);
}

/* A row over black, in the wanted channels.  Gray of a colour is its luma (ITU-R BT.601), in 16-bit fixed point. */
static void convert(const Decoder *d, const uint8_t *row, uint8_t *out)
{
    const int color = d->channels >= 3 ? 3 : 1, alpha = d->channels == 2 || d->channels == 4;
    for (size_t i = 0; i < (size_t)d->w; i++) {
        const uint8_t *in = row + i * (size_t)d->channels;
        const unsigned a = alpha ? in[color] : 255;
        unsigned v[3];
        for (int c = 0; c < 3; c++) v[c] = (in[color == 3 ? c : 0] * a + 127) / 255;
        if (d->want == 3)
            for (int c = 0; c < 3; c++) out[3 * i + (size_t)c] = (uint8_t)v[c];
        else
            out[i] = (uint8_t)(color == 3 ? (19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 32768) >> 16 : v[0]);
    }
}

static void pass_on(const Decoder *d, const uint8_t *row)
{
    convert(d, row, d->converted);
    resizer_take(d->resizer, d->converted);
}

static void read_interlaced(const Decoder *d, png_bytep *row)
{
    for (int y = 0; y < d->h; y++) row[y] = d->rows + (size_t)y * d->row_bytes;
    png_read_image(d->png, row);
    for (int y = 0; y < d->h; y++) pass_on(d, row[y]);
}

/* The only function that libpng jumps back into; it keeps no local that changes after setjmp. */
static Status decode(Decoder *d, const int want_hwc[3], bool crop, uint8_t *out)
{
    if (setjmp(d->broken) != 0) return broken(d, d->reason);
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    png_set_chunk_malloc_max(d->png, CHUNK_MOST_BYTES);
    png_set_chunk_cache_max(d->png, 1);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* text, profiles, whatever is not pixels */
    png_read_info(d->png, d->info);
    d->w = (int)png_get_image_width(d->png, d->info);
    d->h = (int)png_get_image_height(d->png, d->info);
    d->interlaced = png_get_interlace_type(d->png, d->info) != PNG_INTERLACE_NONE;
    TRY(check_size(d));
    choose_output(d);
    d->rows = arena_try_alloc(d->scratch, d->row_bytes * (size_t)(d->interlaced ? d->h : 1));
    d->converted = arena_try_alloc(d->scratch, (size_t)d->w * (size_t)d->want);
    png_bytep *row = d->interlaced ? arena_try_alloc(d->scratch, (size_t)d->h * sizeof *row) : &d->rows;
    if (d->rows == NULL || d->converted == NULL || row == NULL) return status_prefix(STATUS_NOMEM, "%s", d->path);
    d->resizer = resizer_create(d->scratch, (const int[3]){d->h, d->w, d->want}, crop, want_hwc, out);
    if (d->interlaced) read_interlaced(d, row);
    for (int y = 0; y < d->h && !d->interlaced; y++) {
        png_read_row(d->png, d->rows, NULL);
        pass_on(d, d->rows);
    }
    png_read_end(d->png, NULL);
    return STATUS_OK;
}

Status image_read_png_into(Arena *scratch, const char *path, const int want_hwc[3], bool crop, uint8_t *pixels)
{
    if (want_hwc[2] != 1 && want_hwc[2] != 3)
        return status_fail(STATUS_SHAPE, "%s: a PNG for a model input of %d channels; must be 1 (gray) or 3 (RGB)",
                           path, want_hwc[2]);
    Decoder d = {.path = path, .scratch = scratch, .want = want_hwc[2]};
    unsigned char *file;
    TRY(file_read(scratch, path, FILE_MOST_BYTES, &file, &d.file_bytes));
    d.file = file;
    TRY(check_start(&d));
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, on_malloc, on_free);
    d.info = d.png == NULL ? NULL : png_create_info_struct(d.png);
    const Status status = d.info == NULL ? broken(&d, "libpng cannot start") : decode(&d, want_hwc, crop, pixels);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return status;
}

Status image_read_png(Arena *arena, const char *path, const int want_hwc[3], bool crop, uint8_t **pixels)
{
    *pixels = arena_try_alloc(arena, (size_t)want_hwc[0] * (size_t)want_hwc[1] * (size_t)want_hwc[2]);
    if (*pixels == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    Arena *scratch = arena_create();
    const Status status = image_read_png_into(scratch, path, want_hwc, crop, *pixels);
    arena_destroy(scratch);
    return status;
}
