/* b's `factors` values again and again.  y may be a, and b if it is as long. */
static void float_multiply(const float_end *n, int32_t count, int32_t factors, const float *a, const float *b, float *y)
{
    for (int32_t i = 0, k = 0; i < count; i++) {
        y[i] = finish(n, a[i] * b[k]);
        if (++k == factors) k = 0;
    }
}
