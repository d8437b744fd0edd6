/* y = zero + R(R((a - zero_a) u_a, m_a) + R((b - zero_b) u_b, m_b), m).  y may be a or b. */
typedef struct {
    int32_t zero_a, unit_a, m_a, e_a;
    int32_t zero_b, unit_b, m_b, e_b;
    int32_t m, e, zero, lo, hi;
} add_layer;

static void add(const add_layer *n, int32_t count, const int8_t *a, const int8_t *b, int8_t *y)
{
    const int32_t zero_a = n->zero_a, unit_a = n->unit_a, m_a = n->m_a, e_a = n->e_a;
    const int32_t zero_b = n->zero_b, unit_b = n->unit_b, m_b = n->m_b, e_b = n->e_b;
    for (int32_t i = 0; i < count; i++) {
        const int32_t sum = rescale((a[i] - zero_a) * unit_a, m_a, e_a) + rescale((b[i] - zero_b) * unit_b, m_b, e_b);
        y[i] = clamp(rescale(sum, n->m, n->e) + n->zero, n->lo, n->hi);
    }
}
