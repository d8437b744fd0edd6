#include "tests/support/jpeg_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "tests/support/data_files.h"
#include "tests/support/suite.h"

/* An APP1 segment with one entry before the orientation, as cameras have them. */
static void write_exif(struct jpeg_compress_struct *jpeg, const JpegPicture *p)
{
    uint8_t segment[] = {'E',  'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0, /* two entries */
                         0,    1,   3,   0,   1, 0, 0,   0,   99, 0, 0, 0,             /* 0x0100, width */
                         0x12, 1,   3,   0,   1, 0, 0,   0,   0,  0, 0, 0,             /* 0x0112 */
                         0,    0,   0,   0};
    segment[36] = (uint8_t)p->orientation;
    if (p->big_endian) {
        static const uint8_t field[][2] = {{8, 2},  {10, 4}, {14, 2}, {16, 2}, {18, 2}, {20, 4},
                                           {24, 2}, {28, 2}, {30, 2}, {32, 4}, {36, 2}};
        segment[6] = segment[7] = 'M';
        for (size_t f = 0; f < sizeof field / sizeof field[0]; f++)
            for (int i = 0; i < field[f][1] / 2; i++) {
                uint8_t *a = &segment[field[f][0] + i], *b = &segment[field[f][0] + field[f][1] - 1 - i], kept = *a;
                *a = *b;
                *b = kept;
            }
    }
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, segment, sizeof segment);
}

void put_jpeg(const char *folder, const char *name, const JpegPicture *p)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors; /* the standard ones end the program */
    unsigned char *file = NULL;
    unsigned long bytes = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &bytes);
    jpeg.image_width = (JDIMENSION)p->w;
    jpeg.image_height = (JDIMENSION)p->h;
    jpeg.input_components = p->channels;
    jpeg.in_color_space = p->channels == 1 ? JCS_GRAYSCALE : p->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, p->quality == 0 ? 100 : p->quality, TRUE);
    jpeg.dct_method = JDCT_ISLOW;
    jpeg.arith_code = p->arithmetic;
    if (!p->sub_sampled) jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    if (p->progressive) jpeg_simple_progression(&jpeg);
    static const jpeg_scan_info one_each[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    if (p->separate) jpeg.scan_info = one_each, jpeg.num_scans = 3;
    jpeg_start_compress(&jpeg, TRUE);
    if (p->orientation > 0) write_exif(&jpeg, p);
    for (int y = 0; y < p->h; y++) {
        JSAMPROW row = (JSAMPROW)p->rows + (size_t)y * (size_t)p->w * (size_t)p->channels;
        ck_assert_uint_eq(jpeg_write_scanlines(&jpeg, &row, 1), 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    put_bytes(folder, name, file, bytes);
    free(file);
}
