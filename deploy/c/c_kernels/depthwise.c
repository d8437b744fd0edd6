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

/* Of some channels the part of a window that is inside the image, and its weights. */
typedef struct {
    const int8_t *x, *w;
    int32_t rows, columns, x_row, x_column, w_row, w_column, zero;
} depthwise_window;

/* One channel after the other, or four side by side. */
typedef struct {
    void (*sum)(const depthwise_window *v, int32_t *sum);
    int32_t lanes;
    const int8_t *x, *w; /* the image's first cell, the kernel's */
    int32_t x_cell, w_cell;
} depthwise_channels;

static void depthwise_sum1(const depthwise_window *v, int32_t *sum)
{
    int32_t s = 0;
    for (int32_t ky = 0; ky < v->rows; ky++)
        for (int32_t kx = 0; kx < v->columns; kx++)
            s += (v->x[ky * v->x_row + kx * v->x_column] - v->zero) * v->w[ky * v->w_row + kx * v->w_column];
    sum[0] = s;
}

static void depthwise_sum4(const depthwise_window *v, int32_t *sum)
{
    const int32_t columns = v->columns, x_column = v->x_column, w_column = v->w_column, zero = v->zero;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        const int8_t *row = v->x + ky * v->x_row, *weights = v->w + ky * v->w_row;
        for (int32_t kx = 0; kx < columns; kx++) {
            const int8_t *x = row + kx * x_column, *w = weights + kx * w_column;
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

/* One row of the output, channels from o on. */
static void depthwise_row(const depthwise_layer *n, const depthwise_channels *c, int32_t row, int32_t o, int8_t *y)
{
    const int32_t iy = row * n->sh - n->pt;
    const int32_t *bias = n->bias + o, *m = n->multiplier + o;
    const int8_t *e = n->exponent + o;
    const int32_t lanes = c->lanes, unit = (int32_t)1 << n->shift, zero = n->zero_out, lo = n->lo, hi = n->hi;
    int32_t top, bottom, left, right, sum[4];
    depthwise_window v;
    clip(iy, n->dh, n->kh, n->h, &top, &bottom);
    v.rows = bottom - top;
    v.x_row = n->dh * n->w * c->x_cell;
    v.x_column = n->dw * c->x_cell;
    v.w_row = n->kw * c->w_cell;
    v.w_column = c->w_cell;
    v.zero = n->zero_in;
    for (int32_t column = 0; column < n->ow; column++, y += n->o) {
        const int32_t ix = column * n->sw - n->pl;
        clip(ix, n->dw, n->kw, n->w, &left, &right);
        const int32_t inside = bottom > top && right > left;
        v.columns = right - left;
        v.x = inside ? c->x + ((iy + top * n->dh) * n->w + ix + left * n->dw) * c->x_cell : c->x;
        v.w = inside ? c->w + (top * n->kw + left) * c->w_cell : c->w;
        c->sum(&v, sum);
        for (int32_t i = 0; i < lanes; i++)
            y[o + i] = clamp(rescale(bias[i] + sum[i] * unit, m[i], e[i]) + zero, lo, hi);
    }
}

/* Rows row .. row + rows - 1 of the output into y, four channels at a time where they lie side by side.  scratch: the
 * weights of four channels, if they are packed, and their codes, if y is x; NULL: neither. */
static void depthwise(const depthwise_layer *n, const int8_t *x, int32_t row, int32_t rows, int8_t *y, int8_t *scratch)
{
    depthwise_channels c;
    for (int32_t o = 0; o < n->o; o += c.lanes) {
        int8_t *to = scratch;
        c.lanes = n->multiple == 1 && o + 4 <= n->o ? 4 : 1;
        c.sum = c.lanes == 4 ? depthwise_sum4 : depthwise_sum1;
        c.x = x + o / n->multiple;
        c.x_cell = n->c;
        c.w = n->unpack == NULL ? n->weights + o : scratch;
        c.w_cell = n->unpack == NULL ? n->cell_bytes : c.lanes;
        for (int32_t k = 0; n->unpack != NULL && k < n->kh * n->kw; k++, to += c.lanes)
            n->unpack(n->weights + k * n->cell_bytes, o, c.lanes, to);
        if (scratch != NULL && n->in_place) {
            for (int32_t i = 0; i < n->h * n->w; i++)
                for (int32_t k = 0; k < c.lanes; k++) to[i * c.lanes + k] = c.x[i * n->c + k];
            c.x = to;
            c.x_cell = c.lanes;
        }
        for (int32_t r = 0; r < rows; r++) depthwise_row(n, &c, row + r, o, y + r * n->ow * n->o);
    }
}
