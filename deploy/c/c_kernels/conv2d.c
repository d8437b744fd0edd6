/* Adds to sum[2 i + j] the products of window i and filter j: `run` codes at x0 and x1, as many weights at w0 and w1.
 * Sums are taken modulo 2^32: a whole sum is exact, because it fits. */
typedef void conv2d_dot(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t run,
                        uint32_t sum[4]);

/* A convolution.  A filter has `runs` runs of `run` weights: one for each row of the kernel if windows are read where
 * they are, otherwise one for all. */
typedef struct {
    const int8_t *weights;     /* [o][runs][run_bytes] */
    const int32_t *bias;       /* bias - zero_in * sum of the filter */
    const int32_t *multiplier; /* m and e of rescale */
    const int8_t *exponent;
    conv2d_dot *dot;
    int32_t h, w, c, o, ow;         /* input; output channels and columns */
    int32_t kh, kw, sh, sw, dh, dw; /* kernel, stride, dilation */
    int32_t pt, pl;                 /* padding: top, left */
    int32_t groups, group_channels; /* of the input */
    int32_t runs, run, run_bytes;
    int32_t direct; /* a window inside the image is read where it is */
    int32_t shift;  /* a weight is its code times 2^shift */
    int32_t zero_in, zero_out, lo, hi;
} conv2d_layer;

/* `count` codes from `from`, or the zero point where that is NULL. */
static int8_t *conv2d_copy(const conv2d_layer *n, const int8_t *from, int32_t count, int8_t *to)
{
    const int8_t zero = (int8_t)n->zero_in;
    if (from == NULL)
        for (int32_t i = 0; i < count; i++) *to++ = zero;
    else
        for (int32_t i = 0; i < count; i++) *to++ = from[i];
    return to;
}

/* A window without gaps; cells outside the image hold the zero point. */
static void conv2d_gather(const conv2d_layer *n, const int8_t *x, int32_t iy, int32_t ix, int8_t *to)
{
    const int32_t whole = n->groups == 1 && n->dw == 1 && ix >= 0 && ix + n->kw <= n->w;
    for (int32_t ky = 0; ky < n->kh; ky++) {
        const int32_t y = iy + ky * n->dh, inside = y >= 0 && y < n->h;
        if (!inside || whole) {
            to = conv2d_copy(n, inside ? x + (y * n->w + ix) * n->c : NULL, n->kw * n->group_channels, to);
            continue;
        }
        for (int32_t kx = 0; kx < n->kw; kx++) {
            const int32_t column = ix + kx * n->dw;
            const int8_t *from = column >= 0 && column < n->w ? x + (y * n->w + column) * n->c : NULL;
            to = conv2d_copy(n, from, n->group_channels, to);
        }
    }
}

/* The window can be read where it is. */
static int conv2d_inside(const conv2d_layer *n, int32_t iy, int32_t ix)
{
    return n->direct && iy >= 0 && ix >= 0 && iy + (n->kh - 1) * n->dh < n->h && ix + n->kw <= n->w;
}

static void conv2d_finish(const conv2d_layer *n, int32_t o, uint32_t sum0, uint32_t sum1, int8_t *y0, int8_t *y1)
{
    const uint32_t bias = (uint32_t)n->bias[o];
    const int32_t m = n->multiplier[o], lo = n->lo, hi = n->hi, zero = n->zero_out, shift = n->shift;
    const int e = n->exponent[o];
    y0[o] = clamp(rescale((int32_t)(bias + (sum0 << shift)), m, e) + zero, lo, hi);
    y1[o] = clamp(rescale((int32_t)(bias + (sum1 << shift)), m, e) + zero, lo, hi);
}

/* Rows row .. row + rows - 1 of the output into y.  Two cells and two channels at a time; where one is left over it is
 * taken twice.  scratch: two windows, for those that are not read where they are; NULL: all are.  y may be x where all of
 * them are copied and no cell of y lies behind its own window. */
static void conv2d(const conv2d_layer *n, const int8_t *x, int32_t row, int32_t rows, int8_t *y, int8_t *scratch)
{
    const int32_t outputs = n->o / n->groups, filter = n->runs * n->run_bytes, window = n->runs * n->run;
    for (const int32_t end = row + rows; row < end; row++, y += n->ow * n->o) {
        const int32_t iy = row * n->sh - n->pt;
        for (int32_t column = 0; column < n->ow; column += 2) {
            const int32_t ix = column * n->sw - n->pl, next = column + 1 < n->ow;
            int8_t *y0 = y + column * n->o, *y1 = y0 + next * n->o;
            for (int32_t g = 0; g < n->groups; g++) {
                const int8_t *x0, *x1;
                int32_t stride = n->run;
                if (scratch == NULL || (conv2d_inside(n, iy, ix) && conv2d_inside(n, iy, ix + next * n->sw))) {
                    x0 = x + (iy * n->w + ix) * n->c;
                    x1 = x0 + next * n->sw * n->c;
                    stride = n->dh * n->w * n->c;
                } else {
                    conv2d_gather(n, x + g * n->group_channels, iy, ix, scratch);
                    conv2d_gather(n, x + g * n->group_channels, iy, ix + next * n->sw, scratch + window);
                    x0 = scratch;
                    x1 = scratch + window;
                }
                for (int32_t o = 0; o < outputs; o += 2) {
                    const int32_t first = g * outputs + o, other = o + 1 < outputs;
                    const int8_t *w = n->weights + first * filter, *v = w + other * filter;
                    uint32_t sum[4] = {0, 0, 0, 0};
                    for (int32_t r = 0; r < n->runs; r++, w += n->run_bytes, v += n->run_bytes)
                        n->dot(x0 + r * stride, x1 + r * stride, w, v, n->run, sum);
                    conv2d_finish(n, first, sum[0], sum[2], y0, y1);
                    conv2d_finish(n, first + other, sum[1], sum[3], y0, y1);
                }
            }
        }
    }
}
