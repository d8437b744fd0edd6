/* sum[2 i + j] = window i times filter j. */
static void conv2d_dot8(const conv2d_layer *n, const int8_t *x0, const int8_t *x1, int32_t stride, const int8_t *w0,
                        const int8_t *w1, uint32_t sum[4])
{
    const int32_t run = n->run;
    uint32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    for (int32_t r = 0; r < n->runs; r++) {
        const int8_t *p = x0 + r * stride, *q = x1 + r * stride;
        for (const int8_t *end = p + run; p < end;) {
            const int32_t a = *p++, b = *q++, u = *w0++, v = *w1++;
            s00 += (uint32_t)(a * u);
            s01 += (uint32_t)(a * v);
            s10 += (uint32_t)(b * u);
            s11 += (uint32_t)(b * v);
        }
    }
    sum[0] = s00;
    sum[1] = s01;
    sum[2] = s10;
    sum[3] = s11;
}
