/* dot: that of weights of their width. */
static void dense_dot_split(const split_weights *s,
                            void (*dot)(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1,
                                        uint32_t sum[2]),
                            const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2])
{
    const int32_t o = (int32_t)(w0 - s->weights) / s->filter_bytes * s->groups;
    const int32_t p = (int32_t)(w1 - s->weights) / s->filter_bytes * s->groups;
    sum[0] = sum[1] = 0;
    for (int32_t i = 0, n; i < inputs; i += n) {
        const int32_t group = i / s->group, byte = i / s->codes;
        uint32_t part[2];
        n = split_count(s, i, inputs - i);
        dot(x + i, n, w0 + byte, w1 + byte, part);
        const int32_t t = split_inputs(s, x + i, n);
        sum[0] += split_products(s, o + group, part[0], t);
        sum[1] += split_products(s, p + group, part[1], t);
    }
}
