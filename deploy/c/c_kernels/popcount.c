/* How many bits of x are set.  popcount32 may be defined to be the core's own instruction. */
#ifndef popcount32
#if defined(__GNUC__) && defined(__POPCNT__)
#define popcount32(x) ((uint32_t)__builtin_popcount(x))
#else
static uint32_t popcount32(uint32_t x)
{
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (x * 0x01010101u) >> 24;
}
#endif
#endif
