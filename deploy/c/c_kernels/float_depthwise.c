/* A depthwise convolution of floats: output o comes from input channel o / multiple. */
typedef struct {
    float_weights weights; /* [kh][kw][o] */
    const float *bias;
    float_dot *dot;
    float_end end;
    window_shape window;
    int32_t o, multiple;
    int32_t by_columns; /* cells are added column after column, not row after row */
} float_depthwise_layer;

static void float_depthwise(const float_depthwise_layer *n, const float *x, float *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += n->o) {
            const window_cells at = window_at(g, row, column);
            const int32_t rows = at.bottom - at.top, columns = at.right - at.left;
            for (int32_t o = 0; o < n->o; o++) {
                const int32_t first = (at.top * g->kw + at.left) * n->o + o;
                float sum = 0.0f;
                if (n->by_columns)
                    for (int32_t i = 0; i < columns; i++)
                        sum = n->dot(&n->weights, o, first + i * n->o, g->kw * n->o,
                                     x + at.first + i * at.column + o / n->multiple, at.row, rows, sum);
                else
                    for (int32_t i = 0; i < rows; i++)
                        sum = n->dot(&n->weights, o, first + i * g->kw * n->o, n->o,
                                     x + at.first + i * at.row + o / n->multiple, at.column, columns, sum);
                y[o] = finish(&n->end, sum + n->bias[o]);
            }
        }
}
