/* Codes with a zero point for each scale, or a scale for each group of consecutive weights of an output; `each` weights
 * has an output. */
typedef struct {
    const int8_t *zero; /* [outputs][groups]; NULL: all 0 */
    int32_t each, group, groups;
} float_split;

/* What code stands for, of weight `at`, which is output o's. */
static float float_split_weight(const float_weights *w, const float_split *s, int32_t o, int32_t at, int32_t code)
{
    const int32_t scale = s->groups > 1 ? o * s->groups + (at - o * s->each) / s->group : o;
    return w->scale[scale] * (float)(s->zero == NULL ? code : code - s->zero[scale]);
}
