/* What becomes of the sums of an output: y = (bias + sum 2^shift) m 2^-right, rounded once, half up, and clamped.  The sum
 * with its bias stays below 2^47, m below 2^15. */
typedef struct {
    const int64_t *bias;
    const int16_t *multiplier; /* m */
    const int8_t *right;
    int32_t shift, lo, hi;
} int16_sums;

static int16_t int16_sum(const int16_sums *n, int32_t o, int64_t sum)
{
    const int64_t acc = n->bias[o] + sum * ((int64_t)1 << n->shift);
    const int64_t y = (acc * n->multiplier[o] + ((int64_t)1 << (n->right[o] - 1))) >> n->right[o];
    return (int16_t)(y < n->lo ? n->lo : y > n->hi ? n->hi : y);
}

/* The products of `count` codes of x, x_step apart, and as many weights from number `at` on, step apart.  256 of them are
 * added in 32 bits, which hold so many. */
typedef int64_t int16_dot(const int8_t *weights, int32_t at, int32_t step, const int16_t *x, int32_t x_step,
                          int32_t count);
