/* Numbers of fewer bits than a float's, as bits of floats. */
typedef struct {
    int32_t drop;                    /* bits of the fraction that it lacks */
    int32_t sign;                    /* where a stored value has its sign */
    uint32_t least, largest, beyond; /* the least normal number, the largest, what is larger becomes */
    float unit;                      /* the least number above 0 */
} number_format;

/* What becomes of a sum: activation 0: nothing, 1: max(x, 0), 2: the same, at most 6; then it is rounded to the format of
 * the output, if that has fewer bits than a float. */
typedef struct {
    int32_t activation;
    float (*narrow)(float x, const number_format *f); /* NULL: a float */
    const number_format *format;
} float_end;

static float finish(const float_end *n, float x)
{
    if (n->activation != 0) x = x > 0.0f ? x : 0.0f;
    if (n->activation == 2) x = x < 6.0f ? x : 6.0f;
    return n->narrow == NULL ? x : n->narrow(x, n->format);
}
