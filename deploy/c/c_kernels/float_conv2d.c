/* A convolution of floats: cells in the order of rows, columns, channels, then the bias. */
typedef struct {
    float_weights weights; /* [o][kh][kw][c / groups] */
    const float *bias;
    float_dot *dot;
    float_end end;
    window_shape window;
    int32_t o, groups;
} float_conv2d_layer;

static void float_conv2d(const float_conv2d_layer *n, const float *x, float *y)
{
    const window_shape *const g = &n->window;
    const int32_t channels = g->c / n->groups, outputs = n->o / n->groups;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += n->o) {
            const window_cells at = window_at(g, row, column);
            const int32_t whole = n->groups == 1 && g->dw == 1, run = whole ? at.right - at.left : 1;
            for (int32_t o = 0; o < n->o; o++) {
                float sum = 0.0f;
                for (int32_t ky = at.top; ky < at.bottom; ky++)
                    for (int32_t kx = at.left; kx < at.right; kx += run)
                        sum = n->dot(&n->weights, o, ((o * g->kh + ky) * g->kw + kx) * channels, 1,
                                     x + at.first + (ky - at.top) * at.row + (kx - at.left) * at.column +
                                         o / outputs * channels,
                                     1, run * channels, sum);
                y[o] = finish(&n->end, sum + n->bias[o]);
            }
        }
}
