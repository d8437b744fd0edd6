#include "datasets/exif.h"

#include <stdbool.h>
#include <string.h>

/* A TIFF file within the segment; reads beyond its end are 0. */
typedef struct {
    const uint8_t *at;
    size_t bytes;
    bool big_endian;
} Tiff;

static uint32_t number(const Tiff *t, size_t at, int width)
{
    uint32_t v = 0;
    if (at > t->bytes || (size_t)width > t->bytes - at) return 0;
    for (int i = 0; i < width; i++) v = v << 8 | t->at[at + (size_t)(t->big_endian ? i : width - 1 - i)];
    return v;
}

int exif_orientation(const uint8_t *segment, size_t bytes)
{
    enum { MARK = 6, ENTRY = 12, TAG = 0x0112, SHORT = 3 };
    if (bytes < MARK + 8 || memcmp(segment, "Exif\0\0", MARK) != 0) return 0;
    const Tiff t = {segment + MARK, bytes - MARK, segment[MARK] == 'M'};
    if ((memcmp(t.at, "II", 2) != 0 && memcmp(t.at, "MM", 2) != 0) || number(&t, 2, 2) != 42) return 0;
    const size_t directory = number(&t, 4, 4), entries = number(&t, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        const size_t entry = directory + 2 + i * ENTRY;
        if (number(&t, entry, 2) != TAG || number(&t, entry + 2, 2) != SHORT) continue;
        const uint32_t value = number(&t, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}

/* Row 0 and column 0 of `in` are which sides of the upright picture:
 *     1 top, left   2 top, right   3 bottom, right   4 bottom, left   5 left, top   6 right, top   7 right, bottom
 *     8 left, bottom */
void exif_turn(int orientation, const int hwc[3], const uint8_t *in, uint8_t *out)
{
    const int o = orientation, h = hwc[0], w = hwc[1], c = hwc[2];
    const bool swap = o >= 5, bottom = o == 3 || o == 4 || o == 7 || o == 8,
               right = o == 2 || o == 3 || o == 6 || o == 7;
    const int in_w = swap ? h : w;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, out += c) {
            const int from_y = bottom ? h - 1 - y : y, from_x = right ? w - 1 - x : x;
            const int row = swap ? from_x : from_y, column = swap ? from_y : from_x;
            memcpy(out, in + ((size_t)row * (size_t)in_w + (size_t)column) * (size_t)c, (size_t)c);
        }
}
