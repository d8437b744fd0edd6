static void dense_dot4(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2])
{
    uint32_t s0 = 0, s1 = 0;
    for (int32_t left = inputs; left > 0; left -= 2) {
        const int32_t codes = left < 2 ? left : 2, u = *w0++, v = *w1++;
        for (int32_t i = 0; i < codes; i++) {
            const int32_t a = *x++;
            s0 += (uint32_t)(a * code4(u, i));
            s1 += (uint32_t)(a * code4(v, i));
        }
    }
    sum[0] = s0;
    sum[1] = s1;
}
