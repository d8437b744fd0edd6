/* A convolution of codes of 16 bits.  Cells outside the image are 0. */
typedef struct {
    const int8_t *weights; /* [o][kh][kw][c / groups], packed */
    int16_dot *dot;
    int16_sums sums;
    window_shape window;
    int32_t o, groups;
} int16_conv2d_layer;

static void int16_conv2d(const int16_conv2d_layer *n, const int16_t *x, int16_t *y)
{
    const window_shape *const g = &n->window;
    const int32_t channels = g->c / n->groups, outputs = n->o / n->groups;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += n->o) {
            const window_cells at = window_at(g, row, column);
            const int32_t whole = n->groups == 1 && g->dw == 1, run = whole ? at.right - at.left : 1;
            for (int32_t o = 0; o < n->o; o++) {
                const int32_t first = o / outputs * channels;
                int64_t sum = 0;
                for (int32_t ky = at.top; ky < at.bottom; ky++)
                    for (int32_t kx = at.left; kx < at.right; kx += run)
                        sum += n->dot(n->weights, ((o * g->kh + ky) * g->kw + kx) * channels, 1,
                                      x + at.first + (ky - at.top) * at.row + (kx - at.left) * at.column + first, 1,
                                      run * channels);
                y[o] = int16_sum(&n->sums, o, sum);
            }
        }
}
