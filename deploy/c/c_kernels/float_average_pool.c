static void float_average_pool(const float_pool_layer *n, const float *x, float *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += g->c) {
            const window_cells at = window_at(g, row, column);
            const float count = (float)((at.bottom - at.top) * (at.right - at.left));
            for (int32_t i = 0; i < g->c; i++) {
                float sum = 0.0f;
                for (int32_t ky = 0; ky < at.bottom - at.top; ky++)
                    for (int32_t kx = 0; kx < at.right - at.left; kx++)
                        sum += x[at.first + i + ky * at.row + kx * at.column];
                y[i] = finish(&n->end, sum / count);
            }
        }
}
