/* A window over an image, and the part of it that is inside. */
typedef struct {
    int32_t h, w, c, oh, ow, kh, kw, sh, sw, dh, dw, pt, pl;
} window_shape;

typedef struct {
    int32_t top, bottom, left, right; /* rows top .. bottom - 1 and columns left .. right - 1 of the window */
    int32_t first;                    /* of its first cell in the image */
    int32_t row, column;              /* from a cell to the one below, and to the next */
} window_cells;

static window_cells window_at(const window_shape *n, int32_t row, int32_t column)
{
    const int32_t iy = row * n->sh - n->pt, ix = column * n->sw - n->pl;
    window_cells at;
    clip(iy, n->dh, n->kh, n->h, &at.top, &at.bottom);
    clip(ix, n->dw, n->kw, n->w, &at.left, &at.right);
    at.row = n->dh * n->w * n->c;
    at.column = n->dw * n->c;
    at.first = ((iy + at.top * n->dh) * n->w + ix + at.left * n->dw) * n->c;
    return at;
}
