/* dot: that of weights of their width. */
static void conv2d_dot_split(const split_weights *s, conv2d_dot *dot, const int8_t *x0, const int8_t *x1,
                             const int8_t *w0, const int8_t *w1, int32_t run, uint32_t sum[4])
{
    const int32_t from = (int32_t)(w0 - s->weights), other = (int32_t)(w1 - s->weights);
    const int32_t o = from / s->filter_bytes * s->groups, p = other / s->filter_bytes * s->groups;
    int32_t at = from % s->filter_bytes / s->run_bytes * s->run;
    for (int32_t i = 0, n; i < run; i += n, at += n) {
        const int32_t group = at / s->group, byte = i / s->codes;
        uint32_t part[4] = {0, 0, 0, 0};
        n = split_count(s, at, run - i);
        dot(x0 + i, x1 + i, w0 + byte, w1 + byte, n, part);
        const int32_t t0 = split_inputs(s, x0 + i, n), t1 = split_inputs(s, x1 + i, n);
        sum[0] += split_products(s, o + group, part[0], t0);
        sum[1] += split_products(s, p + group, part[1], t0);
        sum[2] += split_products(s, o + group, part[2], t1);
        sum[3] += split_products(s, p + group, part[3], t1);
    }
}
