static void depthwise_unpack2(const int8_t *packed, int32_t first, int32_t count, int8_t *to)
{
    for (int32_t i = first; i < first + count; i++) *to++ = (int8_t)code2(packed[i >> 2], i & 3);
}
