static int64_t int16_dot4(const int8_t *weights, int32_t at, int32_t step, const int16_t *x, int32_t x_step,
                          int32_t count)
{
    int64_t sum = 0;
    while (count > 0) {
        int32_t some = count < 256 ? count : 256, part = 0;
        for (count -= some; some > 0; some--, at += step, x += x_step) part += *x * code4(weights[at >> 1], at & 1);
        sum += part;
    }
    return sum;
}
