/* y may be x. */
static void float_activate(const float_end *n, int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) y[i] = finish(n, x[i]);
}
