static void max_pool(const pool_layer *n, const int8_t *x, int8_t *y)
{
    for (int32_t row = 0; row < n->oh; row++)
        for (int32_t column = 0; column < n->ow; column++, y += n->c) {
            const int32_t iy = row * n->sh - n->pt, ix = column * n->sw - n->pl;
            int32_t top, bottom, left, right;
            clip(iy, 1, n->kh, n->h, &top, &bottom);
            clip(ix, 1, n->kw, n->w, &left, &right);
            const int8_t *first = x + ((iy + top) * n->w + ix + left) * n->c;
            for (int32_t i = 0; i < n->c; i++) {
                int32_t most = first[i];
                for (int32_t ky = 0; ky < bottom - top; ky++)
                    for (int32_t kx = 0; kx < right - left; kx++) {
                        const int32_t code = first[(ky * n->w + kx) * n->c + i];
                        most = code > most ? code : most;
                    }
                y[i] = (int8_t)most;
            }
        }
}
