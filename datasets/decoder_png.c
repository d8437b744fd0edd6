/* PNG files.  They are decoded row by row; only an interlaced picture is decoded as a whole.  libpng's memory comes
 * from the scratch arena, and it skips everything that is not pixels.  It reports failure by longjmp, so what must
 * outlive that is in one struct outside the function that calls setjmp. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "datasets/decoder.h"

enum {
    CHUNK_MOST_BYTES = 1 << 26,
    DEFLATE_RATIO = 1032,
    INTERLACED_MOST_PIXELS = 1 << 24,
};

typedef struct {
    const PictureJob *job;
    size_t at; /* bytes of the file that libpng has */
    png_structp png;
    png_infop info;
    jmp_buf broken;
    char reason[128];
    bool starved; /* the system had no memory for libpng */
    int h, w;
    size_t row_bytes;
    bool interlaced;
    uint8_t *rows; /* one, or all if interlaced: [row_bytes] each */
    PictureRows *out;
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
    void *block = arena_try_alloc(d->job->scratch, bytes);
    if (block == NULL) d->starved = true;
    return block;
}

static void on_free(png_structp png, png_voidp block) { (void)png, (void)block; /* goes with the arena */ }

static void on_read(png_structp png, png_bytep to, size_t bytes)
{
    Decoder *d = png_get_io_ptr(png);
    if (bytes > d->job->file_bytes - d->at) png_error(png, "the file ends early");
    memcpy(to, d->job->file + d->at, bytes);
    d->at += bytes;
}

static Status broken(const Decoder *d, const char *reason)
{
    if (d->starved) return status_prefix(STATUS_NOMEM, "%s", d->job->path);
    return status_fail(STATUS_FORMAT, "%s: damaged PNG: %s; a whole PNG file is required", d->job->path, reason);
}

static uint32_t big_endian(const uint8_t b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The size, before libpng sees the file: its own refusals do not tell the figures. */
static Status check_start(const Decoder *d)
{
    const uint8_t *file = d->job->file;
    if (d->job->file_bytes < 33 || memcmp(file + 12, "IHDR", 4) != 0) return broken(d, "no header");
    return picture_check_sides(d->job, big_endian(file + 20), big_endian(file + 16));
}

/* Before anything is unpacked: the bytes of the pixels as the file stores them, and what must be held at once. */
static Status check_size(const Decoder *d)
{
    const uint64_t row_bytes = png_get_rowbytes(d->png, d->info), pixels = (uint64_t)d->w * (uint64_t)d->h;
    TRY(picture_check_bytes(d->job, d->h, d->w, row_bytes));
    if (d->interlaced && pixels > INTERLACED_MOST_PIXELS)
        return status_fail(STATUS_FORMAT,
                           "%s: an interlaced picture of %d x %d pixels; must be at most %d pixels, or not interlaced",
                           d->job->path, d->w, d->h, INTERLACED_MOST_PIXELS);
    if (row_bytes * (uint64_t)d->h > (uint64_t)d->job->file_bytes * DEFLATE_RATIO)
        return broken(d, "too short for its size in pixels");
    return STATUS_OK;
}

/* Asks libpng for 8-bit gray or RGB, with alpha where the file has any. */
static void choose_output(Decoder *d)
{
    png_set_expand(d->png); /* palette to RGB, 1, 2 and 4 bits to 8, a transparent colour to alpha */
    png_set_scale_16(d->png);
    (void)png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->row_bytes = png_get_rowbytes(d->png, d->info);
}

static void read_interlaced(const Decoder *d, png_bytep *row)
{
    for (int y = 0; y < d->h; y++) row[y] = d->rows + (size_t)y * d->row_bytes;
    png_read_image(d->png, row);
    for (int y = 0; y < d->h; y++) picture_rows_take(d->out, row[y]);
}

/* The only function that libpng jumps back into; it keeps no local that changes after setjmp. */
static Status decode_pixels(Decoder *d)
{
    Arena *scratch = d->job->scratch;
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
    if (d->job->size_hw != NULL) {
        d->job->size_hw[0] = d->h, d->job->size_hw[1] = d->w;
        return STATUS_OK;
    }
    choose_output(d);
    d->rows = arena_try_alloc(scratch, d->row_bytes * (size_t)(d->interlaced ? d->h : 1));
    png_bytep *row = d->interlaced ? arena_try_alloc(scratch, (size_t)d->h * sizeof *row) : &d->rows;
    if (d->rows == NULL || row == NULL) return status_prefix(STATUS_NOMEM, "%s", d->job->path);
    TRY(picture_rows_create(d->job, d->h, d->w, png_get_channels(d->png, d->info), &d->out));
    if (d->interlaced) read_interlaced(d, row);
    for (int y = 0; y < d->h && !d->interlaced; y++) {
        png_read_row(d->png, d->rows, NULL);
        picture_rows_take(d->out, d->rows);
    }
    png_read_end(d->png, NULL);
    return STATUS_OK;
}

static bool begins(const uint8_t *file, size_t bytes) { return bytes >= 8 && png_sig_cmp(file, 0, 8) == 0; }

static Status decode(const PictureJob *job)
{
    Decoder d = {.job = job};
    TRY(check_start(&d));
    d.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning, &d, on_malloc, on_free);
    d.info = d.png == NULL ? NULL : png_create_info_struct(d.png);
    const Status status = d.info == NULL ? broken(&d, "libpng cannot start") : decode_pixels(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return status;
}

static const char *const extensions[] = {"png", NULL};
const DecoderType decoder_png = {.name = "PNG", .extensions = extensions, .begins = begins, .decode = decode};
