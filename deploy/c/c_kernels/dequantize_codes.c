/* scale * (code - zero) */
static void dequantize_codes(float scale, int32_t zero, int32_t count, const int8_t *x, float *y)
{
    for (int32_t i = 0; i < count; i++) y[i] = scale * (float)(x[i] - zero);
}
