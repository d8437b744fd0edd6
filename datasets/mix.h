/* Mixes of two images, whose loss is that of both classes: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019). */
#ifndef BITFOLD_DATASETS_MIX_H
#define BITFOLD_DATASETS_MIX_H

#include "base/rng.h"
#include "datasets/dataset.h"

/* What becomes of one image. */
typedef struct {
    double share; /* of the image itself; the rest is its partner's.  1: it stays as it is */
    bool cut;     /* CutMix: a rectangle of the partner's; else mixup: each byte of both */
    int y, x, h, w;
} Mix;

/* Whether `augment` (NULL allowed) mixes images. */
bool mix_is_on(const AugmentConfig *augment);

/* share ~ Beta(alpha, alpha), alpha what augment->mixup or ->cutmix says; where both are on, either with probability
 * 1/2.  A CutMix rectangle has the image's aspect and 1 - share of its area, about a centre anywhere; what lies beyond
 * the image is cut off, and `share` is what is then left of the image. */
Mix mix_draw(const AugmentConfig *augment, const int hwc[3], Rng *rng);

/* image = share image + (1 - share) partner, rounded to nearest, or with the partner's bytes in the rectangle. */
void mix_images(const Mix *mix, const int hwc[3], const uint8_t *partner, uint8_t *image);

#endif
