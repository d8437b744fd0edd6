/* y may be a or b. */
static void float_add(const float_end *n, int32_t count, const float *a, const float *b, float *y)
{
    for (int32_t i = 0; i < count; i++) y[i] = finish(n, a[i] + b[i]);
}
