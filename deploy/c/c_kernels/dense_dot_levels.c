static void dense_dot_levels(const int8_t *table, int32_t width, const int8_t *x, int32_t inputs, const int8_t *w0,
                             const int8_t *w1, uint32_t sum[2])
{
    int32_t s0 = 0, s1 = 0;
    for (int32_t i = 0; i < inputs; i++) {
        s0 += x[i] * level(table, width, w0, i);
        s1 += x[i] * level(table, width, w1, i);
    }
    sum[0] = (uint32_t)s0;
    sum[1] = (uint32_t)s1;
}
