/* The channels of one input of a concat: y is its first channel in a cell of `stride` channels. */
static void float_concat(const float_end *n, const float *x, int32_t cells, int32_t channels, int32_t stride, float *y)
{
    for (; cells > 0; cells--, x += channels, y += stride)
        for (int32_t i = 0; i < channels; i++) y[i] = finish(n, x[i]);
}
