/* acc * m * 2^(e-31), rounded once, half up; m in [2^30, 2^31) or 0, e in -31 .. 30.  Below 2^-2 the upper word of the
 * product is enough. */
static int32_t rescale(int32_t acc, int32_t m, int e)
{
    const int64_t product = (int64_t)acc * m;
    if (e < -1) return ((int32_t)(product >> 32) + ((int32_t)1 << (-2 - e))) >> (-1 - e);
    return (int32_t)((product + ((int64_t)1 << (30 - e))) >> (31 - e));
}
