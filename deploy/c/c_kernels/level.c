/* Weights are indices of `width` bits into a table of levels, the first in the lowest bits of a byte. */
static int32_t level(const int8_t *table, int32_t width, const int8_t *packed, int32_t index)
{
    const int32_t bit = index * width;
    const uint32_t byte = (uint8_t)packed[bit >> 3];
    return table[(byte >> (bit & 7)) & ((1u << width) - 1u)];
}
