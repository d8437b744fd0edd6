/* y = R(a b), b's `factors` codes again and again.  y may be a, and b if it is as long. */
typedef struct {
    int32_t count, factors, m, e, lo, hi;
} int16_multiply_layer;

static void int16_multiply(const int16_multiply_layer *n, const int16_t *a, const int16_t *b, int16_t *y)
{
    int32_t k = 0;
    for (int32_t i = 0; i < n->count; i++) {
        y[i] = int16_clamp(rescale(a[i] * b[k], n->m, n->e), n->lo, n->hi);
        if (++k == n->factors) k = 0;
    }
}
