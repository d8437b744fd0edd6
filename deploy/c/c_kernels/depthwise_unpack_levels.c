static void depthwise_unpack_levels(const int8_t *table, int32_t width, const int8_t *packed, int32_t first,
                                    int32_t count, int8_t *to)
{
    for (int32_t i = first; i < first + count; i++) *to++ = (int8_t)level(table, width, packed, i);
}
