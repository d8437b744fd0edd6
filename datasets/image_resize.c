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
    const double step = (double)in / out, radius = step > 1 ? step : 1;
    Taps t = {.most = (int)ceil(2 * radius) + 1};
    t.first = ARENA_ARRAY(scratch, int, out);
    t.count = ARENA_ARRAY(scratch, int, out);
    t.weight = ARENA_ARRAY(scratch, float, (size_t)out *(size_t)t.most);
    for (int o = 0; o < out; o++) {
        const double centre = (o + 0.5) * step - 0.5;
        int low = (int)ceil(centre - radius), high = (int)floor(centre + radius);
        low = low < 0 ? 0 : low;
        high = high > in - 1 ? in - 1 : high;
        float *weight = t.weight + (size_t)o * (size_t)t.most;
        double sum = 0;
        for (int i = low; i <= high; i++) sum += 1 - fabs(i - centre) / radius;
        for (int i = low; i <= high; i++) weight[i - low] = (float)((1 - fabs(i - centre) / radius) / sum);
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

void resize_crop(const int hw[2], const int want_hw[2], int first[2], int count[2])
{
    count[0] = hw[0], count[1] = hw[1];
    crop_to_aspect(&count[0], &count[1], want_hw);
    for (int i = 0; i < 2; i++) first[i] = (hw[i] - count[i]) / 2;
}

/* Reducing, an input row is part of at most 3 output rows, which are summed side by side; enlarging, an output row is
 * made of at most 3 input rows, which are kept. */
enum { ROWS = 3 };

struct Resizer {
    Taps rows, columns; /* none if the size stays */
    int out_h, out_w, c;
    size_t in_row;   /* elements */
    int taken, done; /* input rows that came, output rows that are written */
    uint8_t *recent; /* enlarging: [ROWS][in_row] */
    float *sum;      /* reducing: [ROWS][in_row]; enlarging: [in_row] */
    uint8_t *out;
};

Resizer *resizer_create(Arena *scratch, const int hwc[3], bool crop, const int want_hw[2], uint8_t *out)
{
    int first[2] = {0, 0}, size[2] = {hwc[0], hwc[1]};
    Resizer *r = ARENA_ARRAY(scratch, Resizer, 1);
    *r = (Resizer){.out_h = want_hw[0], .out_w = want_hw[1], .c = hwc[2], .out = out};
    r->in_row = (size_t)hwc[1] * (size_t)hwc[2];
    if (size[0] == want_hw[0] && size[1] == want_hw[1]) return r;
    if (crop) resize_crop(hwc, want_hw, first, size);
    r->rows = make_taps(scratch, first[0], size[0], want_hw[0]);
    r->columns = make_taps(scratch, first[1], size[1], want_hw[1]);
    if (r->rows.most <= ROWS) r->recent = ARENA_ARRAY(scratch, uint8_t, ROWS * r->in_row);
    r->sum = ARENA_ARRAY(scratch, float, (r->recent != NULL ? 1 : ROWS) * r->in_row);
    return r;
}

static void add_row(const Resizer *r, float *sum, int y, int k, const uint8_t *row)
{
    const int tap = k - r->rows.first[y];
    const float weight = r->rows.weight[(size_t)y * (size_t)r->rows.most + (size_t)tap];
    if (tap == 0) memset(sum, 0, r->in_row * sizeof *sum);
    for (size_t i = 0; i < r->in_row; i++) sum[i] += weight * (float)row[i];
}

static void write_row(const Resizer *r, int y, const float *sum)
{
    for (int x = 0; x < r->out_w; x++)
        for (int j = 0; j < r->c; j++) {
            float v = 0.5f;
            for (int k = 0; k < r->columns.count[x]; k++)
                v += r->columns.weight[(size_t)x * (size_t)r->columns.most + (size_t)k] *
                     sum[(size_t)(r->columns.first[x] + k) * (size_t)r->c + (size_t)j];
            r->out[((size_t)y * (size_t)r->out_w + (size_t)x) * (size_t)r->c + (size_t)j] =
                (uint8_t)(v > 255 ? 255 : v);
        }
}

/* The last input row that output row y needs. */
static int last_of(const Resizer *r, int y) { return r->rows.first[y] + r->rows.count[y] - 1; }

void resizer_take(Resizer *r, const uint8_t *row)
{
    const int k = r->taken++;
    if (r->sum == NULL) {
        memcpy(r->out + (size_t)k * r->in_row, row, r->in_row);
        return;
    }
    if (r->recent != NULL)
        memcpy(r->recent + (size_t)(k % ROWS) * r->in_row, row, r->in_row);
    else
        for (int y = r->done; y < r->out_h && r->rows.first[y] <= k; y++)
            add_row(r, r->sum + (size_t)(y % ROWS) * r->in_row, y, k, row);
    for (; r->done < r->out_h && last_of(r, r->done) <= k; r->done++) {
        float *sum = r->sum;
        if (r->recent == NULL)
            sum += (size_t)(r->done % ROWS) * r->in_row;
        else
            for (int i = r->rows.first[r->done]; i <= k; i++)
                add_row(r, sum, r->done, i, r->recent + (size_t)(i % ROWS) * r->in_row);
        write_row(r, r->done, sum);
    }
}
