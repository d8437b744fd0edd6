static void int16_max_pool(const int16_pool_layer *n, const int16_t *x, int16_t *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += g->c) {
            const window_cells at = window_at(g, row, column);
            for (int32_t i = 0; i < g->c; i++) {
                const int16_t *const first = x + at.first + i;
                int16_t most = *first;
                for (int32_t ky = 0; ky < at.bottom - at.top; ky++)
                    for (int32_t kx = 0; kx < at.right - at.left; kx++) {
                        const int16_t code = first[ky * at.row + kx * at.column];
                        most = code > most ? code : most;
                    }
                y[i] = most;
            }
        }
}
