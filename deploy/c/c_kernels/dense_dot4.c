/* Of two codes in a byte, the last of which may be filled in part. */
static void dense_dot4(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2])
{
    int32_t s0 = 0, s1 = 0;
    for (; inputs >= 2; inputs -= 2, x += 2) {
        const int32_t u = *w0++, v = *w1++;
        s0 += x[0] * code4(u, 0);
        s1 += x[0] * code4(v, 0);
        s0 += x[1] * code4(u, 1);
        s1 += x[1] * code4(v, 1);
    }
    for (int32_t i = 0; i < inputs; i++) {
        s0 += x[i] * code4(*w0, i);
        s1 += x[i] * code4(*w1, i);
    }
    sum[0] = (uint32_t)s0;
    sum[1] = (uint32_t)s1;
}
