/* A pool's windows; cells outside the image are ignored.  y may begin where x does: a window is read before its cell is
 * written, and no later window begins before that cell. */
typedef struct {
    int32_t h, w, c, oh, ow, kh, kw, sh, sw, pt, pl, lo, hi;
} pool_layer;
