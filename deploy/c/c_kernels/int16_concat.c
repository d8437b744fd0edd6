/* The channels of one input of a concat: y is its first channel in a cell of `stride` channels. */
static void int16_concat(const int16_t *x, int32_t cells, int32_t channels, int32_t stride, int16_t *y)
{
    for (; cells > 0; cells--, x += channels, y += stride)
        for (int32_t i = 0; i < channels; i++) y[i] = x[i];
}
