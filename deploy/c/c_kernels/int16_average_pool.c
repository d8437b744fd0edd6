/* sum / count, half away from zero; 32 bits hold the sum of 2^15 codes. */
static int32_t int16_mean(int64_t sum, int32_t count)
{
    const int64_t to_nearest = sum > 0 ? sum + count / 2 : sum - count / 2;
    return count <= (int32_t)1 << 15 ? (int32_t)to_nearest / count : (int32_t)(to_nearest / count);
}

static void int16_average_pool(const int16_pool_layer *n, const int16_t *x, int16_t *y)
{
    const window_shape *const g = &n->window;
    for (int32_t row = 0; row < g->oh; row++)
        for (int32_t column = 0; column < g->ow; column++, y += g->c) {
            const window_cells at = window_at(g, row, column);
            const int32_t rows = at.bottom - at.top, columns = at.right - at.left;
            for (int32_t i = 0; i < g->c; i++) {
                const int16_t *const first = x + at.first + i;
                int64_t sum = 0;
                for (int32_t ky = 0; ky < rows; ky++)
                    for (int32_t kx = 0; kx < columns; kx++) sum += first[ky * at.row + kx * at.column];
                y[i] = int16_clamp(int16_mean(sum, rows * columns), n->lo, n->hi);
            }
        }
}
