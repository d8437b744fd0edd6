/* Codes of 16 bits to others.  y may be x. */
static void int16_requantize_same(const int16_requantize_layer *n, int32_t count, const int16_t *x, int16_t *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = int16_clamp(rescale(x[i] - n->zero_in, n->m, n->e) + n->zero_out, n->lo, n->hi);
}
