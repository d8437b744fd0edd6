/* PNG files to bytes [H,W,C].  The file is held in memory and decoded from there; libpng reports failure by longjmp, so
 * everything it needs to release lives in one struct outside the function that calls setjmp. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/file.h"
#include "datasets/reader.h"

enum { FILE_MOST_BYTES = 1 << 30, CHUNK_MOST_BYTES = 1 << 26, DEFLATE_RATIO = 1032 };

typedef struct {
    const char *path;
    const uint8_t *file;
    size_t file_bytes, at;
    png_structp png;
    png_infop info;
    jmp_buf broken;
    char reason[128];
    Arena *scratch;
    int h, w, channels; /* 1: gray, 2: gray and alpha, 3: RGB, 4: RGB and alpha */
    uint8_t *pixels;
} Decoder;

static _Noreturn void on_error(png_structp png, png_const_charp reason)
{
    Decoder *d = png_get_error_ptr(png);
    strncpy(d->reason, reason, sizeof d->reason - 1);
    longjmp(d->broken, 1);
}

static void on_warning(png_structp png, png_const_charp reason) { (void)png, (void)reason; }

static void on_read(png_structp png, png_bytep to, size_t bytes)
{
    Decoder *d = png_get_io_ptr(png);
    if (bytes > d->file_bytes - d->at) png_error(png, "the file ends early");
    memcpy(to, d->file + d->at, bytes);
    d->at += bytes;
}

static Status broken(const Decoder *d, const char *reason)
{
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

/* Asks libpng for 8-bit gray or RGB, with alpha where the file has any. */
static void choose_output(Decoder *d)
{
    png_set_expand(d->png); /* palette to RGB, 1, 2 and 4 bits to 8, a transparent colour to alpha */
    png_set_scale_16(d->png);
    (void)png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->channels = png_get_channels(d->png, d->info);
}

/* The only function that libpng jumps back into; it keeps no local that changes after setjmp. */
static Status decode(Decoder *d)
{
    if (setjmp(d->broken) != 0) return broken(d, d->reason);
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    png_set_chunk_malloc_max(d->png, CHUNK_MOST_BYTES);
    png_read_info(d->png, d->info);
    d->w = (int)png_get_image_width(d->png, d->info);
    d->h = (int)png_get_image_height(d->png, d->info);
    if ((uint64_t)png_get_rowbytes(d->png, d->info) * (uint64_t)d->h > (uint64_t)d->file_bytes * DEFLATE_RATIO)
        png_error(d->png, "too short for its size in pixels");
    choose_output(d);
    const size_t row = png_get_rowbytes(d->png, d->info);
    d->pixels = arena_try_alloc(d->scratch, row * (size_t)d->h);
    png_bytep *rows = arena_try_alloc(d->scratch, (size_t)d->h * sizeof *rows);
    if (d->pixels == NULL || rows == NULL) return status_prefix(STATUS_NOMEM, "%s", d->path);
    for (int y = 0; y < d->h; y++) rows[y] = d->pixels + (size_t)y * row;
    png_read_image(d->png, rows);
    png_read_end(d->png, NULL);
    return STATUS_OK;
}

static Status read_pixels(Decoder *d)
{
    unsigned char *file;
    TRY(file_read(d->scratch, d->path, FILE_MOST_BYTES, &file, &d->file_bytes));
    d->file = file;
    TRY(check_start(d));
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    d->info = d->png == NULL ? NULL : png_create_info_struct(d->png);
    const Status status = d->info == NULL ? broken(d, "libpng cannot start") : decode(d);
    png_destroy_read_struct(&d->png, &d->info, NULL);
    return status;
}

/* Over black, to `want` channels (1 or 3), in place where there is room.  Gray of a colour is its luma (ITU-R BT.601),
 * in 16-bit fixed point. */
static uint8_t *convert(Decoder *d, int want)
{
    const int color = d->channels >= 3 ? 3 : 1, alpha = d->channels == 2 || d->channels == 4;
    const size_t n = (size_t)d->h * (size_t)d->w;
    uint8_t *out = want > d->channels ? arena_try_alloc(d->scratch, n * (size_t)want) : d->pixels;
    if (out == NULL) return NULL;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *in = d->pixels + i * (size_t)d->channels;
        const unsigned a = alpha ? in[color] : 255;
        unsigned v[3];
        for (int c = 0; c < 3; c++) v[c] = (in[color == 3 ? c : 0] * a + 127) / 255;
        if (want == 3)
            for (int c = 0; c < 3; c++) out[3 * i + (size_t)c] = (uint8_t)v[c];
        else
            out[i] = (uint8_t)(color == 3 ? (19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 32768) >> 16 : v[0]);
    }
    return out;
}

Status image_read_png_into(Arena *scratch, const char *path, const int want_hwc[3], bool crop, uint8_t *pixels)
{
    if (want_hwc[2] != 1 && want_hwc[2] != 3)
        return status_fail(STATUS_SHAPE, "%s: a PNG for a model input of %d channels; must be 1 (gray) or 3 (RGB)",
                           path, want_hwc[2]);
    Decoder d = {.path = path, .scratch = scratch};
    TRY(read_pixels(&d));
    const uint8_t *converted = convert(&d, want_hwc[2]);
    if (converted == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    image_resize(scratch, converted, (const int[3]){d.h, d.w, want_hwc[2]}, crop, want_hwc, pixels);
    return STATUS_OK;
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
