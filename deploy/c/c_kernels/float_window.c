/* A window over an image, and the part of it that is inside. */
typedef struct {
    int32_t h, w, c, oh, ow, kh, kw, sh, sw, dh, dw, pt, pl;
} float_window;

typedef struct {
    int32_t top, bottom, left, right; /* rows top .. bottom - 1 and columns left .. right - 1 of the window */
    int32_t first;                    /* of its first cell in the image */
    int32_t row, column;              /* from a cell to the one below, and to the next */
} float_cells;

static float_cells float_cells_at(const float_window *n, int32_t row, int32_t column)
{
    const int32_t iy = row * n->sh - n->pt, ix = column * n->sw - n->pl;
    float_cells at;
    clip(iy, n->dh, n->kh, n->h, &at.top, &at.bottom);
    clip(ix, n->dw, n->kw, n->w, &at.left, &at.right);
    at.row = n->dh * n->w * n->c;
    at.column = n->dw * n->c;
    at.first = ((iy + at.top * n->dh) * n->w + ix + at.left * n->dw) * n->c;
    return at;
}
