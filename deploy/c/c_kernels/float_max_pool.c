static void float_max_pool(const float_pool_layer *n, const float *x, float *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += g->c) {
            const window_cells at = window_at(g, row, column);
            for (int32_t i = 0; i < g->c; i++) {
                const float *const first = x + at.first + i;
                float most = *first;
                for (int32_t ky = 0; ky < at.bottom - at.top; ky++)
                    for (int32_t kx = 0; kx < at.right - at.left; kx++) {
                        const float value = first[ky * at.row + kx * at.column];
                        most = value > most ? value : most;
                    }
                y[i] = finish(&n->end, most);
            }
        }
}
