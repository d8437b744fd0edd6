/* A convolution whose answer is the sums themselves, with their bias.  Cells outside the image are the zero point. */
typedef struct {
    const int8_t *weights; /* [o][kh][kw][c / groups], packed */
    const int32_t *bias;
    int32_dot *dot;
    window_shape window;
    int32_t o, zero, unit, groups; /* a weight stands for `unit` of the bias' steps */
} int32_conv2d_layer;

static void int32_conv2d(const int32_conv2d_layer *n, const int8_t *x, int32_t *y)
{
    const window_shape *const g = &n->window;
    const int32_t channels = g->c / n->groups, outputs = n->o / n->groups;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += n->o) {
            const window_cells at = window_at(g, row, column);
            const int32_t whole = n->groups == 1 && g->dw == 1, run = whole ? at.right - at.left : 1;
            for (int32_t o = 0; o < n->o; o++) {
                const int32_t first = o / outputs * channels;
                int32_t sum = 0;
                for (int32_t ky = at.top; ky < at.bottom; ky++)
                    for (int32_t kx = at.left; kx < at.right; kx += run)
                        sum += n->dot(n->weights, ((o * g->kh + ky) * g->kw + kx) * channels, 1,
                                      x + at.first + (ky - at.top) * at.row + (kx - at.left) * at.column + first, 1,
                                      run * channels, n->zero);
                y[o] = n->bias[o] + sum * n->unit;
            }
        }
}
