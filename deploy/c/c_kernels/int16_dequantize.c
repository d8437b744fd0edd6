/* scale * code */
static void int16_dequantize(float scale, int32_t count, const int16_t *x, float *y)
{
    for (int32_t i = 0; i < count; i++) y[i] = scale * (float)x[i];
}
