static int32_t int32_dot8(const int8_t *weights, int32_t at, int32_t step, const int8_t *x, int32_t x_step,
                          int32_t count, int32_t zero)
{
    int32_t sum = 0;
    for (; count > 0; count--, at += step, x += x_step) sum += (*x - zero) * weights[at];
    return sum;
}
