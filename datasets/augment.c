#include "datasets/augment.h"

#include <math.h>
#include <string.h>

#include "datasets/augment_jpeg.h"
#include "datasets/mix.h"

bool augment_is_off(const AugmentConfig *a)
{
    return a == NULL ||
           (a->crop_padding == 0 && !a->flip && a->shift == 0 && !(a->rotate > 0) && !(a->brightness > 0) &&
            !(a->contrast > 0) && a->cutout == 0 && a->jpeg_quality == 0 && !(a->random_erasing > 0) && !mix_is_on(a));
}

static int draw_offset(Rng *rng, int most) { return (int)rng_below(rng, 2 * (uint32_t)most + 1) - most; }

static AugmentMove draw(const AugmentConfig *a, Rng *rng)
{
    AugmentMove m = {0};
    if (a->crop_padding > 0) m.dx += draw_offset(rng, a->crop_padding), m.dy += draw_offset(rng, a->crop_padding);
    if (a->shift > 0) m.dx += draw_offset(rng, a->shift), m.dy += draw_offset(rng, a->shift);
    if (a->flip) m.mirror = rng_below(rng, 2) == 1;
    if (a->rotate > 0) m.angle = (2.0 * (double)rng_uniform(rng) - 1.0) * a->rotate * 3.141592653589793 / 180.0;
    return m;
}

static void move_only(const AugmentMove *m, const int hwc[3], const uint8_t *in, uint8_t *out)
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

static void turn(const AugmentMove *m, const int hwc[3], const uint8_t *in, uint8_t *out)
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

/* ---- bytes ----------------------------------------------------------------------------------------------------------- */

/* Uniform in [1 - most, 1 + most). */
static double draw_factor(Rng *rng, double most) { return 1.0 + (2.0 * (double)rng_uniform(rng) - 1.0) * most; }

/* Differences from `centre` times a factor, through a table of all bytes. */
static void stretch(double factor, double centre, size_t n, uint8_t *x)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++) {
        const double y = floor(centre + factor * ((double)v - centre) + 0.5);
        table[v] = (uint8_t)(y < 0.0 ? 0.0 : y > 255.0 ? 255.0 : y);
    }
    for (size_t i = 0; i < n; i++) x[i] = table[x[i]];
}

static double mean_byte(size_t n, const uint8_t *x)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return (double)sum / (double)n;
}

/* ---- holes ----------------------------------------------------------------------------------------------------------- */

typedef struct {
    int y, x, h, w; /* may reach beyond the image */
} Hole;

/* Zeros, or with rng random bytes. */
static void erase(const Hole *hole, const int hwc[3], Rng *rng, uint8_t *image)
{
    const int first_y = hole->y < 0 ? 0 : hole->y, last_y = hole->y + hole->h < hwc[0] ? hole->y + hole->h : hwc[0];
    const int first_x = hole->x < 0 ? 0 : hole->x, last_x = hole->x + hole->w < hwc[1] ? hole->x + hole->w : hwc[1];
    for (int y = first_y; y < last_y; y++)
        for (int x = first_x * hwc[2]; x < last_x * hwc[2]; x++)
            image[(size_t)y * (size_t)hwc[1] * (size_t)hwc[2] + (size_t)x] =
                rng == NULL ? 0 : (uint8_t)rng_below(rng, 256);
}

/* A rectangle that lies in the image: tried a few times, as its sides are drawn. */
static void erase_rectangle(const int hwc[3], Rng *rng, uint8_t *image)
{
    enum { TRIES = 10 };
    static const double LEAST = 0.02, MOST = 0.4, ASPECT = 0.3;
    for (int i = 0; i < TRIES; i++) {
        const double area = (LEAST + (MOST - LEAST) * (double)rng_uniform(rng)) * hwc[0] * hwc[1];
        const double aspect = ASPECT + (1.0 / ASPECT - ASPECT) * (double)rng_uniform(rng);
        Hole hole = {.h = (int)(sqrt(area * aspect) + 0.5), .w = (int)(sqrt(area / aspect) + 0.5)};
        if (hole.h < 1 || hole.w < 1 || hole.h >= hwc[0] || hole.w >= hwc[1]) continue;
        hole.y = (int)rng_below(rng, (uint32_t)(hwc[0] - hole.h + 1));
        hole.x = (int)rng_below(rng, (uint32_t)(hwc[1] - hole.w + 1));
        erase(&hole, hwc, rng, image);
        return;
    }
}

static void cut_out(int side, const int hwc[3], Rng *rng, uint8_t *image)
{
    const Hole hole = {(int)rng_below(rng, (uint32_t)hwc[0]) - side / 2,
                       (int)rng_below(rng, (uint32_t)hwc[1]) - side / 2, side, side};
    erase(&hole, hwc, NULL, image);
}

Status augment_image(const AugmentConfig *augment, const int hwc[3], Rng *rng, const uint8_t *in, uint8_t *out,
                     AugmentMove *moved)
{
    const AugmentMove m = draw(augment, rng);
    if (moved != NULL) *moved = m;
    if (augment->rotate > 0)
        turn(&m, hwc, in, out);
    else
        move_only(&m, hwc, in, out);
    const size_t bytes = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
    if (augment->brightness > 0) stretch(draw_factor(rng, augment->brightness), 0.0, bytes, out);
    if (augment->contrast > 0) stretch(draw_factor(rng, augment->contrast), mean_byte(bytes, out), bytes, out);
    if (augment->jpeg_quality > 0) {
        const int qualities = 101 - augment->jpeg_quality;
        TRY(augment_jpeg(augment->jpeg_quality + (int)rng_below(rng, (uint32_t)qualities), hwc, out));
    }
    if (augment->random_erasing > 0 && (double)rng_uniform(rng) < augment->random_erasing)
        erase_rectangle(hwc, rng, out);
    if (augment->cutout > 0) cut_out(augment->cutout, hwc, rng, out);
    return STATUS_OK;
}
