static void conv2d_dot_levels(const int8_t *table, int32_t width, const int8_t *x0, const int8_t *x1, const int8_t *w0,
                              const int8_t *w1, int32_t run, uint32_t sum[4])
{
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    for (int32_t i = 0; i < run; i++) {
        const int32_t u = level(table, width, w0, i), v = level(table, width, w1, i);
        s00 += x0[i] * u;
        s01 += x0[i] * v;
        s10 += x1[i] * u;
        s11 += x1[i] * v;
    }
    sum[0] += (uint32_t)s00;
    sum[1] += (uint32_t)s01;
    sum[2] += (uint32_t)s10;
    sum[3] += (uint32_t)s11;
}
