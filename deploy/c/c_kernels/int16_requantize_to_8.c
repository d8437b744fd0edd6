/* Codes of 16 bits to codes of 8.  y may begin where x does. */
static void int16_requantize_to_8(const int16_requantize_layer *n, int32_t count, const int16_t *x, int8_t *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = clamp(rescale(x[i] - n->zero_in, n->m, n->e) + n->zero_out, n->lo, n->hi);
}
