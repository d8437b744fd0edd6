/* A convolution, or a fully connected layer, of codes -1 and 1 with weights -1 and 1: both are bits, 32 in a word from the
 * lowest on, and a set bit is -1.  A product is -1 where the bits differ. */
typedef struct {
    const uint32_t *weights; /* [o][words] */
    const int32_t *bias;
    const int32_t *multiplier; /* m and e of rescale; NULL: outputs are the signs of the sums, which are not 0 */
    const int8_t *exponent;
    int32_t h, w, c, o, ow;         /* input; output channels and columns */
    int32_t kh, kw, sh, sw, dh, dw; /* kernel, stride, dilation */
    int32_t pt, pl;                 /* padding: top, left */
    int32_t groups, group_channels; /* of the input */
    int32_t words;                  /* of a filter */
    int32_t shift;                  /* a weight counts 2^shift */
    int32_t zero_out, lo, hi;
} binary_conv2d_layer;

/* Where bits are written: `bits` of them are in `word` so far, the last one uppermost. */
typedef struct {
    uint32_t *to, word;
    int32_t bits;
} binary_writer;

/* The bits of `count` codes, `step` apart. */
static void binary_write(binary_writer *out, const int8_t *x, int32_t step, int32_t count)
{
    uint32_t word = out->word, *to = out->to;
    int32_t bits = out->bits;
    for (; count > 0; count--, x += step) {
        word = (word >> 1) | ((uint32_t)*x & 0x80000000u);
        if (++bits == 32) {
            *to++ = word;
            bits = 0;
        }
    }
    out->word = word;
    out->to = to;
    out->bits = bits;
}

/* What is left in the last word, at its place. */
static void binary_end(const binary_writer *out)
{
    if (out->bits > 0) *out->to = out->word >> (32 - out->bits);
}

/* A window's bits, and in `inside` ones where its cells lie inside the image; returns how many codes do. */
static int32_t binary_window(const binary_conv2d_layer *n, const int8_t *x, int32_t iy, int32_t ix, uint32_t *window,
                             uint32_t *inside)
{
    static const int8_t zero = 0, one = -1;
    binary_writer codes = {window, 0, 0}, cells = {inside, 0, 0};
    int32_t count = 0;
    for (int32_t ky = 0; ky < n->kh; ky++)
        for (int32_t kx = 0; kx < n->kw; kx++) {
            const int32_t row = iy + ky * n->dh, column = ix + kx * n->dw;
            const int32_t is_inside = row >= 0 && row < n->h && column >= 0 && column < n->w;
            binary_write(&codes, is_inside ? x + (row * n->w + column) * n->c : &zero, is_inside, n->group_channels);
            if (inside != NULL) binary_write(&cells, is_inside ? &one : &zero, 0, n->group_channels);
            count += is_inside ? n->group_channels : 0;
        }
    binary_end(&codes);
    if (inside != NULL) binary_end(&cells);
    return count;
}

/* How many products of a window with a filter are -1; inside NULL: all its cells lie inside the image. */
static int32_t binary_differ(const uint32_t *window, const uint32_t *inside, const uint32_t *filter, int32_t words)
{
    uint32_t count = 0;
    if (inside == NULL)
        for (int32_t i = 0; i < words; i++) count += popcount32(window[i] ^ filter[i]);
    else
        for (int32_t i = 0; i < words; i++) count += popcount32((window[i] ^ filter[i]) & inside[i]);
    return (int32_t)count;
}

/* Rows row .. row + rows - 1 of the output into y, which may be x where no cell of y lies behind its own window. */
static void binary_conv2d(const binary_conv2d_layer *n, const int8_t *x, int32_t row, int32_t rows, int8_t *y,
                          int8_t *scratch)
{
    uint32_t window[BINARY_WORDS], inside[BINARY_WORDS];
    const int32_t outputs = n->o / n->groups;
    (void)scratch;
    for (const int32_t end = row + rows; row < end; row++) {
        const int32_t iy = row * n->sh - n->pt, rows_inside = iy >= 0 && iy + (n->kh - 1) * n->dh < n->h;
        for (int32_t column = 0; column < n->ow; column++, y += n->o) {
            const int32_t ix = column * n->sw - n->pl;
            uint32_t *const border = rows_inside && ix >= 0 && ix + (n->kw - 1) * n->dw < n->w ? NULL : inside;
            for (int32_t g = 0; g < n->groups; g++) {
                const int32_t count = binary_window(n, x + g * n->group_channels, iy, ix, window, border);
                for (int32_t o = g * outputs; o < (g + 1) * outputs; o++) {
                    const int32_t differ = binary_differ(window, border, n->weights + o * n->words, n->words);
                    const int32_t sum = (count - 2 * differ) * ((int32_t)1 << n->shift) + n->bias[o];
                    if (n->multiplier == NULL)
                        y[o] = sum < 0 ? -1 : 1;
                    else
                        y[o] = clamp(rescale(sum, n->multiplier[o], n->exponent[o]) + n->zero_out, n->lo, n->hi);
                }
            }
        }
    }
}
