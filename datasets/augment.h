/* Random changes of one image, on bytes. */
#ifndef BITFOLD_DATASETS_AUGMENT_H
#define BITFOLD_DATASETS_AUGMENT_H

#include "base/rng.h"
#include "datasets/dataset.h"

/* True when `augment` (NULL allowed) changes nothing. */
bool augment_is_off(const AugmentConfig *augment);

/* How an image is moved. */
typedef struct {
    int dx, dy;
    bool mirror;
    double angle; /* radians */
} AugmentMove;

/* out[h,w,c] = in[h,w,c], turned about its centre, then mirrored, then moved; zero where nothing lands.
 *     out[y, x] = in(R(angle) (M (x - dx, y - dy) - centre) + centre)
 * dx, dy = the sum of a crop's uniform place in [-crop_padding, crop_padding] and a shift's in [-shift, shift]:
 * cropping a padded image back to size is a move.  A turn interpolates bilinearly and rounds to nearest; without one,
 * bytes are copied.  `in` and `out` may not overlap.
 *
 * Then, in this order: bytes times a factor (brightness), their differences from the image's mean byte times another
 * (contrast), both rounded to nearest and clamped; what a JPEG of a random quality loses (jpeg_quality; 1 or 3
 * channels); a rectangle of random bytes (random_erasing); a square of zeros, of which only a part may lie in the image
 * (cutout).  STATUS_NOMEM: of a JPEG.  *moved (NULL allowed): the move that was drawn. */
Status augment_image(const AugmentConfig *augment, const int hwc[3], Rng *rng, const uint8_t *in, uint8_t *out,
                     AugmentMove *moved);

#endif
