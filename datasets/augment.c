#include "datasets/augment.h"

#include <math.h>
#include <string.h>

typedef struct {
    int dx, dy;
    bool mirror;
    double angle; /* radians */
} Move;

bool augment_is_off(const AugmentConfig *a)
{
    return a == NULL || (a->crop_padding == 0 && !a->flip && a->shift == 0 && !(a->rotate > 0));
}

static int draw_offset(Rng *rng, int most) { return (int)rng_below(rng, 2 * (uint32_t)most + 1) - most; }

static Move draw(const AugmentConfig *a, Rng *rng)
{
    Move m = {0};
    if (a->crop_padding > 0) m.dx += draw_offset(rng, a->crop_padding), m.dy += draw_offset(rng, a->crop_padding);
    if (a->shift > 0) m.dx += draw_offset(rng, a->shift), m.dy += draw_offset(rng, a->shift);
    if (a->flip) m.mirror = rng_below(rng, 2) == 1;
    if (a->rotate > 0) m.angle = (2.0 * (double)rng_uniform(rng) - 1.0) * a->rotate * 3.141592653589793 / 180.0;
    return m;
}

static void move_only(const Move *m, const int hwc[3], const uint8_t *in, uint8_t *out)
{
    const int h = hwc[0], w = hwc[1], c = hwc[2];
    const int first = m->dx > 0 ? m->dx : 0, last = m->dx < 0 ? w + m->dx : w; /* the columns that are hit */
    for (int y = 0; y < h; y++) {
        uint8_t *row = out + (size_t)y * (size_t)w * (size_t)c;
        const int from_y = y - m->dy;
        memset(row, 0, (size_t)w * (size_t)c);
        if (from_y < 0 || from_y >= h || first >= last) continue;
        const uint8_t *from = in + (size_t)from_y * (size_t)w * (size_t)c;
        if (!m->mirror) {
            memcpy(row + first * c, from + (first - m->dx) * c, (size_t)(last - first) * (size_t)c);
            continue;
        }
        for (int x = first; x < last; x++) memcpy(row + x * c, from + (w - 1 - (x - m->dx)) * c, (size_t)c);
    }
}

static void turn(const Move *m, const int hwc[3], const uint8_t *in, uint8_t *out)
{
    const int h = hwc[0], w = hwc[1], c = hwc[2];
    const float cosine = (float)cos(m->angle), sine = (float)sin(m->angle);
    const float cx = 0.5f * (float)(w - 1), cy = 0.5f * (float)(h - 1);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, out += c) {
            const float px = (float)(m->mirror ? w - 1 - (x - m->dx) : x - m->dx) - cx, py = (float)(y - m->dy) - cy;
            const float sx = cosine * px - sine * py + cx, sy = sine * px + cosine * py + cy;
            const float fx = floorf(sx), fy = floorf(sy), ax = sx - fx, ay = sy - fy;
            const float weight[4] = {(1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, ax * ay};
            for (int k = 0; k < c; k++) {
                float sum = 0.5f;
                for (int corner = 0; corner < 4; corner++) {
                    const int ix = (int)fx + (corner & 1), iy = (int)fy + (corner >> 1);
                    if (ix >= 0 && ix < w && iy >= 0 && iy < h)
                        sum +=
                            weight[corner] * (float)in[((size_t)iy * (size_t)w + (size_t)ix) * (size_t)c + (size_t)k];
                }
                out[k] = (uint8_t)(sum > 255 ? 255 : sum);
            }
        }
}

void augment_image(const AugmentConfig *augment, const int hwc[3], Rng *rng, const uint8_t *in, uint8_t *out)
{
    const Move m = draw(augment, rng);
    if (augment->rotate > 0)
        turn(&m, hwc, in, out);
    else
        move_only(&m, hwc, in, out);
}
