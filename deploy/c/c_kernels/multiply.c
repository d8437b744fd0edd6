/* y = zero + R((a - zero_a) (b - zero_b)), b's `factors` codes again and again.  y may be a, and b if it is as long. */
typedef struct {
    int32_t count, factors, zero_a, zero_b, m, e, zero, lo, hi;
} multiply_layer;

static void multiply(const multiply_layer *n, const int8_t *a, const int8_t *b, int8_t *y)
{
    int32_t k = 0;
    for (int32_t i = 0; i < n->count; i++) {
        const int32_t product = (a[i] - n->zero_a) * (b[k] - n->zero_b);
        y[i] = clamp(rescale(product, n->m, n->e) + n->zero, n->lo, n->hi);
        if (++k == n->factors) k = 0;
    }
}
