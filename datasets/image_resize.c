#include <math.h>
#include <string.h>

#include "datasets/reader.h"

/* For each output place along one axis: the first input pixel that counts, how many, and their weights (sum 1). */
typedef struct {
    int *first, *count;
    float *weight; /* [out][most] */
    int most;
} Taps;

static Taps make_taps(Arena *scratch, int start, int in, int out)
{
    const double step = (double)in / out, reach = step > 1 ? step : 1;
    Taps t = {.most = (int)ceil(2 * reach) + 1};
    t.first = ARENA_ARRAY(scratch, int, out);
    t.count = ARENA_ARRAY(scratch, int, out);
    t.weight = ARENA_ARRAY(scratch, float, (size_t)out *(size_t)t.most);
    for (int o = 0; o < out; o++) {
        const double centre = (o + 0.5) * step - 0.5;
        int low = (int)ceil(centre - reach), high = (int)floor(centre + reach);
        low = low < 0 ? 0 : low;
        high = high > in - 1 ? in - 1 : high;
        float *weight = t.weight + (size_t)o * (size_t)t.most;
        double sum = 0;
        for (int i = low; i <= high; i++) sum += 1 - fabs(i - centre) / reach;
        for (int i = low; i <= high; i++) weight[i - low] = (float)((1 - fabs(i - centre) / reach) / sum);
        t.first[o] = start + low;
        t.count[o] = high - low + 1;
    }
    return t;
}

static void crop_to_aspect(int *h, int *w, const int want_hw[2])
{
    const int64_t by_h = (int64_t)*h * want_hw[1], by_w = (int64_t)*w * want_hw[0];
    if (by_w > by_h)
        *w = (int)((by_h + want_hw[0] / 2) / want_hw[0]);
    else
        *h = (int)((by_w + want_hw[1] / 2) / want_hw[1]);
    *h = *h < 1 ? 1 : *h;
    *w = *w < 1 ? 1 : *w;
}

void image_resize(Arena *scratch, const uint8_t *pixels, const int hwc[3], bool crop, const int want_hw[2],
                  uint8_t *out)
{
    int h = hwc[0], w = hwc[1];
    const int c = hwc[2], out_h = want_hw[0], out_w = want_hw[1];
    if (h == out_h && w == out_w) {
        memcpy(out, pixels, (size_t)h * (size_t)w * (size_t)c);
        return;
    }
    if (crop) crop_to_aspect(&h, &w, want_hw);
    const Taps rows = make_taps(scratch, (hwc[0] - h) / 2, h, out_h);
    const Taps columns = make_taps(scratch, (hwc[1] - w) / 2, w, out_w);
    const size_t in_row = (size_t)hwc[1] * (size_t)c;
    float *line = ARENA_ARRAY(scratch, float, in_row); /* the input rows of one output row, weighted and summed */
    for (int y = 0; y < out_h; y++) {
        memset(line, 0, in_row * sizeof *line);
        for (int k = 0; k < rows.count[y]; k++) {
            const float weight = rows.weight[(size_t)y * (size_t)rows.most + (size_t)k];
            const uint8_t *from = pixels + (size_t)(rows.first[y] + k) * in_row;
            for (size_t i = 0; i < in_row; i++) line[i] += weight * (float)from[i];
        }
        for (int x = 0; x < out_w; x++)
            for (int j = 0; j < c; j++) {
                float sum = 0.5f;
                for (int k = 0; k < columns.count[x]; k++)
                    sum += columns.weight[(size_t)x * (size_t)columns.most + (size_t)k] *
                           line[(size_t)(columns.first[x] + k) * (size_t)c + (size_t)j];
                out[((size_t)y * (size_t)out_w + (size_t)x) * (size_t)c + (size_t)j] = (uint8_t)(sum > 255 ? 255 : sum);
            }
    }
}
