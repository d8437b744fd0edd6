/* Packed codes with a zero point for each scale, or a multiple of one scale for each group of consecutive weights of an
 * output: a weight is (code - zero) * multiple. */
typedef struct {
    const int8_t *weights;   /* [o][runs][run_bytes] */
    const int8_t *zero;      /* [o][groups]; NULL: all 0 */
    const uint8_t *multiple; /* [o][groups]; NULL: all 1 */
    int32_t filter_bytes, run, run_bytes;
    int32_t group, groups, codes; /* weights of a group, groups of an output, codes in a byte */
} split_weights;

/* The weights of a run, or what is left of it, that are of one group: from weight `at` of the output. */
static int32_t split_count(const split_weights *s, int32_t at, int32_t left)
{
    const int32_t rest = s->group - at % s->group;
    return rest < left ? rest : left;
}

/* What the products of codes and inputs, and the inputs' sum, are of those weights; modulo 2^32. */
static uint32_t split_products(const split_weights *s, int32_t scale, uint32_t products, int32_t inputs)
{
    const uint32_t multiple = s->multiple == NULL ? 1u : s->multiple[scale];
    return multiple * (s->zero == NULL ? products : products - (uint32_t)(s->zero[scale] * inputs));
}

static int32_t split_inputs(const split_weights *s, const int8_t *x, int32_t count)
{
    int32_t sum = 0;
    if (s->zero != NULL)
        for (int32_t i = 0; i < count; i++) sum += x[i];
    return sum;
}
