/* JPEG files of every kind, written by libjpeg. */
#ifndef BITFOLD_TESTS_JPEG_FILES_H
#define BITFOLD_TESTS_JPEG_FILES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int w, h;
    int channels;        /* of `rows`: 1 gray, 3 RGB, 4 CMYK */
    const uint8_t *rows; /* [h,w,channels] */
    int quality;         /* 0: 100 */
    bool progressive, arithmetic, sub_sampled;
    bool separate;   /* a scan for each channel, one after the other */
    int orientation; /* 0: no Exif */
    bool big_endian; /* the Exif's numbers */
} JpegPicture;

void put_jpeg(const char *folder, const char *name, const JpegPicture *picture);

#endif
