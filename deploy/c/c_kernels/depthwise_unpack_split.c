/* Weights less their outputs' zero points; unpack: that of weights of their width. */
static void depthwise_unpack_split(const split_weights *s,
                                   void (*unpack)(const int8_t *packed, int32_t first, int32_t count, int8_t *to),
                                   const int8_t *packed, int32_t first, int32_t count, int8_t *to)
{
    unpack(packed, first, count, to);
    for (int32_t i = 0; i < count; i++) to[i] = (int8_t)(to[i] - s->zero[first + i]);
}
