/* The same of a depthwise convolution: output o comes from input channel o / multiple. */
typedef struct {
    const int8_t *weights; /* [kh][kw][o], packed */
    const int32_t *bias;
    int32_dot *dot;
    window_shape window;
    int32_t o, zero, unit, multiple;
} int32_depthwise_layer;

static void int32_depthwise(const int32_depthwise_layer *n, const int8_t *x, int32_t *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += n->o) {
            const window_cells at = window_at(g, row, column);
            const int32_t columns = at.right - at.left, rows = columns > 0 ? at.bottom - at.top : 0;
            for (int32_t o = 0; o < n->o; o++) {
                int32_t sum = 0;
                for (int32_t i = 0; i < rows; i++)
                    sum += n->dot(n->weights, ((at.top + i) * g->kw + at.left) * n->o + o, n->o,
                                  x + at.first + i * at.row + o / n->multiple, at.column, columns, n->zero);
                y[o] = n->bias[o] + sum * n->unit;
            }
        }
}
