/* What a picture loses as a JPEG. */
#ifndef BITFOLD_DATASETS_AUGMENT_JPEG_H
#define BITFOLD_DATASETS_AUGMENT_JPEG_H

#include <stdint.h>

#include "base/status.h"

/* Encodes image[h,w,c], c 1 (gray) or 3 (RGB), at a quality of 1 to 100 with chroma at half the resolution, and decodes
 * it into the same place: accurate transforms in integers and chroma repeated, the same bytes on every machine.
 * STATUS_NOMEM. */
Status augment_jpeg(int quality, const int hwc[3], uint8_t *image);

#endif
