/* A curve of each value, computed in double.  y may be x. */
typedef struct {
    double (*value)(double x);
    float_end end;
} float_curve_layer;

static void float_curve(const float_curve_layer *n, int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) y[i] = finish(&n->end, (float)n->value((double)x[i]));
}
