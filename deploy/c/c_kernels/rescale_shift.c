/* acc * m * 2^(e-31) where every m is 2^30, so that none is there: a shift, rounded half up as the product would be; e in
 * -31 .. 30. */
static int32_t rescale(int32_t acc, int32_t m, int e)
{
    (void)m;
    return e > 0 ? acc * ((int32_t)1 << (e - 1)) : ((acc >> -e) + 1) >> 1;
}
