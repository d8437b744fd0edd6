/* A depthwise convolution: output o comes from input channel o / multiple. */
typedef struct depthwise_layer {
    const int8_t *weights; /* [kh][kw][cell_bytes] */
    const int32_t *bias;
    const int32_t *multiplier; /* m and e of rescale */
    const int8_t *exponent;
    void (*unpack)(const int8_t *packed, int32_t first, int32_t count, int8_t *to); /* NULL: one code a byte */
    int32_t h, w, c, o, ow;
    int32_t kh, kw, sh, sw, dh, dw, pt, pl;
    int32_t multiple, cell_bytes;
    int32_t shift; /* a weight is its code times 2^shift */
    int32_t zero_in, zero_out, lo, hi;
} depthwise_layer;

/* The part of a window that is inside the image, and the weights of some channels. */
typedef struct {
    const int8_t *x, *w;
    int32_t rows, columns, x_row, x_column, w_row, w_column, zero;
} depthwise_window;

static void depthwise_sum1(const depthwise_window *v, int32_t sum[1])
{
    int32_t s = 0;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        const int8_t *x = v->x + ky * v->x_row, *w = v->w + ky * v->w_row;
        for (int32_t kx = 0; kx < v->columns; kx++) s += (x[kx * v->x_column] - v->zero) * w[kx * v->w_column];
    }
    sum[0] = s;
}

static void depthwise_sum4(const depthwise_window *v, int32_t sum[4])
{
    const int32_t zero = v->zero, x_column = v->x_column, w_column = v->w_column;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        for (int32_t kx = 0; kx < v->columns; kx++) {
            const int8_t *x = v->x + ky * v->x_row + kx * x_column, *w = v->w + ky * v->w_row + kx * w_column;
            s0 += (x[0] - zero) * w[0];
            s1 += (x[1] - zero) * w[1];
            s2 += (x[2] - zero) * w[2];
            s3 += (x[3] - zero) * w[3];
        }
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

/* Rows row .. row + rows - 1 of the output into y, four channels at a time where they lie side by side.  scratch: the
 * weights of four channels, if they are packed. */
static void depthwise(const depthwise_layer *n, const int8_t *x, int32_t row, int32_t rows, int8_t *y, int8_t *scratch)
{
    for (const int32_t end = row + rows; row < end; row++, y += n->ow * n->o) {
        const int32_t iy = row * n->sh - n->pt;
        int32_t top, bottom, lanes;
        clip(iy, n->dh, n->kh, n->h, &top, &bottom);
        for (int32_t o = 0; o < n->o; o += lanes) {
            const int8_t *w = n->weights + o;
            int32_t w_column = n->cell_bytes;
            lanes = n->multiple == 1 && o + 4 <= n->o ? 4 : 1;
            if (n->unpack != NULL) {
                for (int32_t k = 0; k < n->kh * n->kw; k++)
                    n->unpack(n->weights + k * n->cell_bytes, o, lanes, scratch + k * lanes);
                w = scratch;
                w_column = lanes;
            }
            for (int32_t column = 0; column < n->ow; column++) {
                const int32_t ix = column * n->sw - n->pl;
                int32_t left, right, sum[4];
                clip(ix, n->dw, n->kw, n->w, &left, &right);
                depthwise_window v;
                v.rows = bottom - top;
                v.columns = right - left;
                v.x_row = n->dh * n->w * n->c;
                v.x_column = n->dw * n->c;
                v.w_row = n->kw * w_column;
                v.w_column = w_column;
                v.zero = n->zero_in;
                v.x = x;
                v.w = w;
                if (v.rows > 0 && v.columns > 0) {
                    v.x += ((iy + top * n->dh) * n->w + ix + left * n->dw) * n->c + o / n->multiple;
                    v.w += top * v.w_row + left * w_column;
                }
                if (lanes == 4)
                    depthwise_sum4(&v, sum);
                else
                    depthwise_sum1(&v, sum);
                for (int32_t i = 0; i < lanes; i++) {
                    const int32_t acc = n->bias[o + i] + sum[i] * ((int32_t)1 << n->shift);
                    y[column * n->o + o + i] =
                        clamp(rescale(acc, n->multiplier[o + i], n->exponent[o + i]) + n->zero_out, n->lo, n->hi);
                }
            }
        }
    }
}
