/* Of four codes in a byte, the last of which may be filled in part. */
static void conv2d_dot2(const int8_t *x0, const int8_t *x1, const int8_t *w0, const int8_t *w1, int32_t run,
                        uint32_t sum[4])
{
    int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
    for (; run >= 4; run -= 4, x0 += 4, x1 += 4) {
        const int32_t u = *w0++, v = *w1++;
        s00 += x0[0] * code2(u, 0);
        s01 += x0[0] * code2(v, 0);
        s10 += x1[0] * code2(u, 0);
        s11 += x1[0] * code2(v, 0);
        s00 += x0[1] * code2(u, 1);
        s01 += x0[1] * code2(v, 1);
        s10 += x1[1] * code2(u, 1);
        s11 += x1[1] * code2(v, 1);
        s00 += x0[2] * code2(u, 2);
        s01 += x0[2] * code2(v, 2);
        s10 += x1[2] * code2(u, 2);
        s11 += x1[2] * code2(v, 2);
        s00 += x0[3] * code2(u, 3);
        s01 += x0[3] * code2(v, 3);
        s10 += x1[3] * code2(u, 3);
        s11 += x1[3] * code2(v, 3);
    }
    for (int32_t i = 0; i < run; i++) {
        s00 += x0[i] * code2(*w0, i);
        s01 += x0[i] * code2(*w1, i);
        s10 += x1[i] * code2(*w0, i);
        s11 += x1[i] * code2(*w1, i);
    }
    sum[0] += (uint32_t)s00;
    sum[1] += (uint32_t)s01;
    sum[2] += (uint32_t)s10;
    sum[3] += (uint32_t)s11;
}
