/* A depthwise convolution: output o comes from input channel o / multiple. */
typedef struct {
    const int8_t *weights; /* [kh][kw][cell_bytes] */
    const int32_t *bias;
    const int32_t *multiplier; /* m and e of rescale */
    const int8_t *exponent;
    void (*unpack)(const int8_t *packed, int32_t first, int32_t count, int8_t *to); /* NULL: one code a byte */
    int32_t h, w, c, o, ow;
    int32_t kh, kw, sh, sw, dh, dw, pt, pl;
    int32_t multiple, cell_bytes;
    int32_t in_place; /* y is x: a channel is copied before it is overwritten */
    int32_t shift;    /* a weight is its code times 2^shift */
    int32_t zero_in, zero_out, lo, hi;
} depthwise_layer;

/* Some channels: their first codes and weights, and the bytes from each to the next. */
typedef struct {
    const int8_t *x, *w;
    int32_t lanes, x_row, x_column, w_row, w_column;
} depthwise_lanes;

/* The cells of a window that are inside the image. */
typedef struct {
    int32_t y, x, top, bottom, left, right;
} depthwise_window;

static void depthwise_sum1(const depthwise_layer *n, const depthwise_lanes *v, const depthwise_window *in,
                           int32_t sum[1])
{
    int32_t s = 0;
    for (int32_t ky = in->top; ky < in->bottom; ky++)
        for (int32_t kx = in->left; kx < in->right; kx++)
            s += (v->x[(in->y + ky * n->dh) * v->x_row + (in->x + kx * n->dw) * v->x_column] - n->zero_in) *
                 v->w[ky * v->w_row + kx * v->w_column];
    sum[0] = s;
}

static void depthwise_sum4(const depthwise_layer *n, const depthwise_lanes *v, const depthwise_window *in,
                           int32_t sum[4])
{
    const int32_t zero = n->zero_in, x_step = n->dw * v->x_column, w_step = v->w_column;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t ky = in->top; ky < in->bottom; ky++) {
        const int32_t x_at = (in->y + ky * n->dh) * v->x_row + in->x * v->x_column, w_at = ky * v->w_row;
        for (int32_t kx = in->left; kx < in->right; kx++) {
            const int8_t *x = v->x + (x_at + kx * x_step), *w = v->w + (w_at + kx * w_step);
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

/* One row of the output, channels o .. o + lanes - 1. */
static void depthwise_row(const depthwise_layer *n, const depthwise_lanes *v, int32_t row, int32_t o, int8_t *y)
{
    depthwise_window in;
    in.y = row * n->sh - n->pt;
    clip(in.y, n->dh, n->kh, n->h, &in.top, &in.bottom);
    for (int32_t column = 0; column < n->ow; column++, y += n->o) {
        int32_t sum[4];
        in.x = column * n->sw - n->pl;
        clip(in.x, n->dw, n->kw, n->w, &in.left, &in.right);
        if (v->lanes == 4)
            depthwise_sum4(n, v, &in, sum);
        else
            depthwise_sum1(n, v, &in, sum);
        for (int32_t i = 0; i < v->lanes; i++) {
            const int32_t acc = n->bias[o + i] + sum[i] * ((int32_t)1 << n->shift);
            y[o + i] = clamp(rescale(acc, n->multiplier[o + i], n->exponent[o + i]) + n->zero_out, n->lo, n->hi);
        }
    }
}

/* Rows row .. row + rows - 1 of the output into y, four channels at a time where they lie side by side.  scratch: the
 * weights of four channels, if they are packed, and their codes, if y is x. */
static void depthwise(const depthwise_layer *n, const int8_t *x, int32_t row, int32_t rows, int8_t *y, int8_t *scratch)
{
    depthwise_lanes v;
    for (int32_t o = 0; o < n->o; o += v.lanes) {
        int8_t *to = scratch;
        v.lanes = n->multiple == 1 && o + 4 <= n->o ? 4 : 1;
        v.x = x + o / n->multiple;
        v.w = n->unpack == NULL ? n->weights + o : scratch;
        v.x_column = n->c;
        v.w_column = n->cell_bytes;
        if (n->unpack != NULL) {
            for (int32_t k = 0; k < n->kh * n->kw; k++, to += v.lanes)
                n->unpack(n->weights + k * n->cell_bytes, o, v.lanes, to);
            v.w_column = v.lanes;
        }
        if (n->in_place) {
            for (int32_t i = 0; i < n->h * n->w; i++)
                for (int32_t k = 0; k < v.lanes; k++) to[i * v.lanes + k] = v.x[i * n->c + k];
            v.x = to;
            v.x_column = v.lanes;
        }
        v.x_row = n->w * v.x_column;
        v.w_row = n->kw * v.w_column;
        for (int32_t r = 0; r < rows; r++) depthwise_row(n, &v, row + r, o, y + r * n->ow * n->o);
    }
}
