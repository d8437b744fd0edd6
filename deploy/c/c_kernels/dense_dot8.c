static void dense_dot8(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2])
{
    uint32_t s0 = 0, s1 = 0;
    for (const int8_t *end = x + inputs; x < end; x++) {
        const int32_t a = *x;
        s0 += (uint32_t)(a * *w0++);
        s1 += (uint32_t)(a * *w1++);
    }
    sum[0] = s0;
    sum[1] = s1;
}
