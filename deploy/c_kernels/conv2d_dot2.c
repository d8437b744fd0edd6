/* sum[2 i + j] = window i times filter j; four codes in a byte, a run ends with its byte. */
static void conv2d_dot2(const conv2d_layer *n, const int8_t *x0, const int8_t *x1, int32_t stride, const int8_t *w0,
                        const int8_t *w1, uint32_t sum[4])
{
    const int32_t run = n->run;
    uint32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    for (int32_t r = 0; r < n->runs; r++) {
        const int8_t *p = x0 + r * stride, *q = x1 + r * stride;
        for (int32_t left = run; left > 0; left -= 4) {
            const int32_t codes = left < 4 ? left : 4, u = *w0++, v = *w1++;
            for (int32_t i = 0; i < codes; i++) {
                const int32_t a = *p++, b = *q++;
                s00 += (uint32_t)(a * code2(u, i));
                s01 += (uint32_t)(a * code2(v, i));
                s10 += (uint32_t)(b * code2(u, i));
                s11 += (uint32_t)(b * code2(v, i));
            }
        }
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
}
