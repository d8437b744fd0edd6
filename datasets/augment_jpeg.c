/* libjpeg reports failure by longjmp, so what must outlive that is in one struct outside the function that calls
 * setjmp.  What it decodes is what it has just encoded: it fails where the system has no memory. */
#include "datasets/augment_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct {
    struct jpeg_compress_struct to;
    struct jpeg_decompress_struct from;
    struct jpeg_error_mgr errors;
    jmp_buf broken;
    char reason[JMSG_LENGTH_MAX];
    unsigned char *file;
    unsigned long bytes;
} Codec;

static _Noreturn void on_error(j_common_ptr jpeg)
{
    Codec *c = jpeg->client_data;
    c->errors.format_message(jpeg, c->reason);
    longjmp(c->broken, 1);
}

static void encode(Codec *c, int quality, const int hwc[3], uint8_t *image)
{
    struct jpeg_compress_struct *to = &c->to;
    jpeg_mem_dest(to, &c->file, &c->bytes);
    to->image_height = (JDIMENSION)hwc[0];
    to->image_width = (JDIMENSION)hwc[1];
    to->input_components = hwc[2];
    to->in_color_space = hwc[2] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(to);
    jpeg_set_quality(to, quality, TRUE);
    to->dct_method = JDCT_ISLOW;
    jpeg_start_compress(to, TRUE);
    while (to->next_scanline < to->image_height) {
        JSAMPROW row = image + (size_t)to->next_scanline * (size_t)hwc[1] * (size_t)hwc[2];
        (void)jpeg_write_scanlines(to, &row, 1);
    }
    jpeg_finish_compress(to);
}

static void decode(Codec *c, const int hwc[3], uint8_t *image)
{
    struct jpeg_decompress_struct *from = &c->from;
    jpeg_mem_src(from, c->file, c->bytes);
    (void)jpeg_read_header(from, TRUE);
    from->out_color_space = hwc[2] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    from->dct_method = JDCT_ISLOW;
    from->do_fancy_upsampling = FALSE;
    (void)jpeg_start_decompress(from);
    while (from->output_scanline < from->output_height) {
        JSAMPROW row = image + (size_t)from->output_scanline * (size_t)hwc[1] * (size_t)hwc[2];
        (void)jpeg_read_scanlines(from, &row, 1);
    }
    (void)jpeg_finish_decompress(from);
}

/* The only function that libjpeg jumps back into; it has no local that changes after setjmp. */
static Status both(Codec *c, int quality, const int hwc[3], uint8_t *image)
{
    if (setjmp(c->broken) != 0) return status_fail(STATUS_NOMEM, "data.augment.jpeg_quality: %s", c->reason);
    jpeg_create_compress(&c->to);
    jpeg_create_decompress(&c->from);
    encode(c, quality, hwc, image);
    decode(c, hwc, image);
    return STATUS_OK;
}

Status augment_jpeg(int quality, const int hwc[3], uint8_t *image)
{
    Codec c = {0};
    c.to.err = c.from.err = jpeg_std_error(&c.errors);
    c.to.client_data = c.from.client_data = &c; /* which the library keeps */
    c.errors.error_exit = on_error;
    const Status status = both(&c, quality, hwc, image);
    jpeg_destroy_compress(&c.to);
    jpeg_destroy_decompress(&c.from);
    free(c.file);
    return status;
}
