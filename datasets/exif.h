/* How a camera was held. */
#ifndef BITFOLD_DATASETS_EXIF_H
#define BITFOLD_DATASETS_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation, 1 to 8, that the content of a JPEG's APP1 segment tells (tag 0x0112 of its first directory); 0 where
 * the segment is no Exif, or does not tell one, or is damaged.
 * Source: CIPA DC-008, "Exchangeable image file format for digital still cameras", 4.6.4 A. */
int exif_orientation(const uint8_t *segment, size_t bytes);

/* out[h,w,c]: the upright picture of `in`, which is [h,w,c], or [w,h,c] where the orientation (5 to 8) swaps rows and
 * columns.  They may not overlap. */
void exif_turn(int orientation, const int hwc[3], const uint8_t *in, uint8_t *out);

#endif
