/* y = R(R(a 2^15, m_a) + R(b 2^15, m_b), m).  y may be a or b. */
typedef struct {
    int32_t m_a, e_a, m_b, e_b, m, e, lo, hi;
} int16_add_layer;

static void int16_add(const int16_add_layer *n, int32_t count, const int16_t *a, const int16_t *b, int16_t *y)
{
    const int32_t unit = (int32_t)1 << 15;
    for (int32_t i = 0; i < count; i++) {
        const int32_t sum = rescale(a[i] * unit, n->m_a, n->e_a) + rescale(b[i] * unit, n->m_b, n->e_b);
        y[i] = int16_clamp(rescale(sum, n->m, n->e), n->lo, n->hi);
    }
}
