/* Two codes of 4 bits in a byte, the first in the lower half. */
static int32_t code4(int32_t byte, int32_t index)
{
    return index == 0 ? (int32_t)((uint32_t)byte << 28) >> 28 : byte >> 4;
}
