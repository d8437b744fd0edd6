static float float_dot_16(const float_weights *w, int32_t o, int32_t at, int32_t step, const float *x, int32_t x_step,
                          int32_t count, float sum)
{
    const uint16_t *const codes = w->values;
    (void)o;
    for (int32_t i = 0; i < count; i++, at += step, x += x_step) {
        const float product = widen(codes[at], w->format) * *x;
        sum += product;
    }
    return sum;
}
