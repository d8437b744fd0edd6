/* Of four codes in a byte, the last of which may be filled in part. */
static void dense_dot2(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2])
{
    int32_t s0 = 0, s1 = 0;
    for (; inputs >= 4; inputs -= 4, x += 4) {
        const int32_t u = *w0++, v = *w1++;
        s0 += x[0] * code2(u, 0);
        s1 += x[0] * code2(v, 0);
        s0 += x[1] * code2(u, 1);
        s1 += x[1] * code2(v, 1);
        s0 += x[2] * code2(u, 2);
        s1 += x[2] * code2(v, 2);
        s0 += x[3] * code2(u, 3);
        s1 += x[3] * code2(v, 3);
    }
    for (int32_t i = 0; i < inputs; i++) {
        s0 += x[i] * code2(*w0, i);
        s1 += x[i] * code2(*w1, i);
    }
    sum[0] = (uint32_t)s0;
    sum[1] = (uint32_t)s1;
}
