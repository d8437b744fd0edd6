/* acc * m * 2^(e-31), rounded twice: the product to 31 bits, half up, then the right shift, half away from zero;
 * m in [2^30, 2^31) or 0, e in -31 .. 30. */
static int32_t rescale(int32_t acc, int32_t m, int e)
{
    const int left = e > 0 ? e : 0, right = e > 0 ? 0 : -e;
    const int32_t x = acc * ((int32_t)1 << left);
    const int32_t t = (int32_t)(((int64_t)x * m + ((int64_t)1 << 30)) >> 31);
    const int32_t mask = (int32_t)(((uint32_t)1 << right) - 1);
    return (t >> right) + ((t & mask) > (mask >> 1) + (t < 0));
}
