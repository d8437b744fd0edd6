/* Four codes of 2 bits in a byte, the first in the lowest bits. */
static int32_t code2(int32_t byte, int32_t index) { return (int32_t)((uint32_t)byte << (30 - 2 * index)) >> 30; }
