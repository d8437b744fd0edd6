/* JPEG files by libjpeg-turbo: baseline and progressive, 8 bits, gray or colour, turned upright as their Exif says.
 *
 * The inverse transform is the accurate one in integers, chroma is repeated and nothing is smoothed, so that the bytes
 * are the same on every machine.  A warning of the library is an error: it means that pixels were made up.  It reports
 * failure by longjmp, so what must outlive that is in one struct outside the function that calls setjmp. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "datasets/decoder.h"
#include "datasets/exif.h"

enum {
    SCANS_MOST = 100,             /* a progressive file has about ten */
    SCANNED_MOST_PIXELS = 1 << 25 /* of a file in several scans all coefficients are held, two bytes each */
};

typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf broken;
    char reason[JMSG_LENGTH_MAX];
    PictureJob job; /* its `out` and sizes are the stored picture's, before it is turned */
    int orientation;
    uint8_t *row;
    PictureRows *out;
} Decoder;

static _Noreturn void on_error(j_common_ptr jpeg)
{
    Decoder *d = jpeg->client_data;
    d->errors.format_message(jpeg, d->reason);
    longjmp(d->broken, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0) on_error(jpeg); /* a warning; others are traces */
}

static Status broken(const Decoder *d, const char *reason)
{
    return status_fail(STATUS_FORMAT, "%s: damaged JPEG: %s; a whole JPEG file is required", d->job.path, reason);
}

static Status unsupported(const Decoder *d, const char *what)
{
    return status_fail(STATUS_UNSUPPORTED,
                       "%s: a JPEG that is not read: %s; baseline or progressive, 8 bits, gray or RGB is required",
                       d->job.path, what);
}

/* What the library has jumped back with. */
static Status refused(const Decoder *d)
{
    switch (d->errors.msg_code) {
    case JERR_OUT_OF_MEMORY:
        return status_fail(STATUS_NOMEM, "%s: the system has no memory for it", d->job.path);
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
        return unsupported(d, d->reason);
    default:
        return broken(d, d->reason);
    }
}

/* Called between the scans of a file that has several. */
static void on_progress(j_common_ptr jpeg)
{
    Decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number <= SCANS_MOST) return;
    snprintf(d->reason, sizeof d->reason, "more than %d scans", SCANS_MOST);
    d->errors.msg_code = 0;
    longjmp(d->broken, 1);
}

static Status check_kind(const Decoder *d)
{
    const J_COLOR_SPACE space = d->jpeg.jpeg_color_space;
    if (d->jpeg.arith_code) return unsupported(d, "arithmetic coding");
    if (space == JCS_GRAYSCALE || space == JCS_YCbCr || space == JCS_RGB) return STATUS_OK;
    return unsupported(d, space == JCS_CMYK || space == JCS_YCCK ? "CMYK" : "another kind of colour");
}

/* Before anything is unpacked.  Huffman codes give each block of 8 x 8 samples a bit at least. */
static Status check_size(Decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    TRY(picture_check_sides(&d->job, jpeg->image_height, jpeg->image_width));
    const int h = (int)jpeg->image_height, w = (int)jpeg->image_width;
    TRY(picture_check_bytes(&d->job, h, w, (uint64_t)w * (uint64_t)jpeg->num_components));
    uint64_t blocks = 0;
    for (int i = 0; i < jpeg->num_components; i++)
        blocks += (uint64_t)jpeg->comp_info[i].width_in_blocks * jpeg->comp_info[i].height_in_blocks;
    if (blocks > (uint64_t)d->job.file_bytes * 8) return broken(d, "too short for its size in pixels");
    if (jpeg_has_multiple_scans(jpeg) && (uint64_t)w * (uint64_t)h > SCANNED_MOST_PIXELS)
        return status_fail(
            STATUS_FORMAT,
            "%s: a JPEG of %d x %d pixels in several scans; must be at most %d pixels, or not progressive", d->job.path,
            w, h, SCANNED_MOST_PIXELS);
    return STATUS_OK;
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (const struct jpeg_marker_struct *m = jpeg->marker_list; m != NULL; m = m->next) {
        const int orientation = exif_orientation(m->data, m->data_length);
        if (orientation > 0) return orientation;
    }
    return 1;
}

static void tell_size(const Decoder *d)
{
    const bool lies = find_orientation(&d->jpeg) >= 5;
    d->job.size_hw[0] = (int)(lies ? d->jpeg.image_width : d->jpeg.image_height);
    d->job.size_hw[1] = (int)(lies ? d->jpeg.image_height : d->jpeg.image_width);
}

/* A picture that is turned is resized as it is stored, into scratch. */
static Status choose_output(Decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg->out_color_space = jpeg->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = FALSE;
    jpeg->do_block_smoothing = FALSE;
    d->orientation = find_orientation(jpeg);
    int *want = d->job.want_hwc;
    const int h = want[0];
    if (d->orientation >= 5) want[0] = want[1], want[1] = h;
    if (d->orientation > 1)
        d->job.out = arena_try_alloc(d->job.scratch, (size_t)want[0] * (size_t)want[1] * (size_t)want[2]);
    const int channels = jpeg->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    d->row = arena_try_alloc(d->job.scratch, (size_t)jpeg->image_width * (size_t)channels);
    if (d->job.out == NULL || d->row == NULL) return status_prefix(STATUS_NOMEM, "%s", d->job.path);
    return picture_rows_create(&d->job, (int)jpeg->image_height, (int)jpeg->image_width, channels, &d->out);
}

/* The only function that libjpeg jumps back into; it keeps no local that changes after setjmp. */
static Status decode_pixels(Decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (setjmp(d->broken) != 0) return refused(d);
    jpeg_create_decompress(jpeg);
    jpeg->progress = &d->progress;
    jpeg_mem_src(jpeg, d->job.file, d->job.file_bytes);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    (void)jpeg_read_header(jpeg, TRUE);
    TRY(check_kind(d));
    TRY(check_size(d));
    if (d->job.size_hw != NULL) {
        tell_size(d);
        return STATUS_OK;
    }
    TRY(choose_output(d));
    (void)jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        (void)jpeg_read_scanlines(jpeg, &d->row, 1);
        picture_rows_take(d->out, d->row);
    }
    (void)jpeg_finish_decompress(jpeg);
    return STATUS_OK;
}

static bool begins(const uint8_t *file, size_t bytes) { return bytes >= 3 && memcmp(file, "\xff\xd8\xff", 3) == 0; }

static Status decode(const PictureJob *job)
{
    Decoder d = {.job = *job, .progress.progress_monitor = on_progress};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d; /* which the library keeps */
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    const Status status = decode_pixels(&d);
    jpeg_destroy_decompress(&d.jpeg);
    if (status == STATUS_OK && d.orientation > 1) exif_turn(d.orientation, job->want_hwc, d.job.out, job->out);
    return status;
}

static const char *const extensions[] = {"jpg", "jpeg", "jpe", "jfif", NULL};
const DecoderType decoder_jpeg = {.name = "JPEG", .extensions = extensions, .begins = begins, .decode = decode};
