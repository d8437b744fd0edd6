/* The same numbers on another grid.  y may be x. */
typedef struct {
    int32_t zero_in, m, e, zero_out, lo, hi;
} requantize_layer;

static void requantize(const requantize_layer *n, int32_t count, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = clamp(rescale(x[i] - n->zero_in, n->m, n->e) + n->zero_out, n->lo, n->hi);
}
