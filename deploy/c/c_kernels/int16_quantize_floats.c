/* Floats to codes of 16 bits: divided, clipped to lo .. hi, rounded, half away from zero. */
typedef struct {
    float scale, lo, hi;
} int16_grid;

static void int16_quantize_floats(const int16_grid *n, int32_t count, const float *x, int16_t *y)
{
    for (int32_t i = 0; i < count; i++) {
        const float steps = x[i] / n->scale;
        const float low = steps > n->lo ? steps : n->lo, v = low < n->hi ? low : n->hi;
        const int32_t whole = (int32_t)v;
        const float rest = v - (float)whole;
        y[i] = (int16_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
}
