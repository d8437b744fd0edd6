static float float_dot_code4(const float_weights *w, int32_t o, int32_t at, int32_t step, const float *x,
                             int32_t x_step, int32_t count, float sum)
{
    const int8_t *const codes = w->values;
    const float scale = w->scale[o];
    for (int32_t i = 0; i < count; i++, at += step, x += x_step) {
        const float weight = scale * (float)code4(codes[at >> 1], at & 1), product = weight * *x;
        sum += product;
    }
    return sum;
}
