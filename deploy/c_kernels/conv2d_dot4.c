/* Of two codes in a byte. */
static void conv2d_dot4(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t run,
                        uint32_t sum[4])
{
    uint32_t s00 = sum[0], s01 = sum[1], s10 = sum[2], s11 = sum[3];
    for (; run > 0; run -= 2) {
        const int32_t codes = run < 2 ? run : 2, u = *w0++, v = *w1++;
        for (int32_t i = 0; i < codes; i++) {
            const int32_t a = *x0++, b = *x1++;
            s00 += (uint32_t)(a * code4(u, i));
            s01 += (uint32_t)(a * code4(v, i));
            s10 += (uint32_t)(b * code4(u, i));
            s11 += (uint32_t)(b * code4(v, i));
        }
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
}
