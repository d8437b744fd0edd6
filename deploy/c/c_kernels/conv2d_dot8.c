static void conv2d_dot8(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t run,
                        uint32_t sum[4])
{
    uint32_t s00 = sum[0], s01 = sum[1], s10 = sum[2], s11 = sum[3];
    for (const int8_t *end = x0 + run; x0 < end;) {
        const int32_t a = *x0++, b = *x1++, u = *w0++, v = *w1++;
        s00 += (uint32_t)(a * u);
        s01 += (uint32_t)(a * v);
        s10 += (uint32_t)(b * u);
        s11 += (uint32_t)(b * v);
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
}
