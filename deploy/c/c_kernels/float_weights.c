/* Weights: floats, numbers of fewer bits, or codes, which stand for scale * code. */
typedef struct {
    const void *values;
    const float *scale;          /* of codes, for each output */
    const number_format *format; /* of numbers of fewer bits */
} float_weights;

/* sum + the products of `count` weights of output o and values: weights `at`, at + step, ..., values x[0], x[x_step], ...;
 * one after the other, each product rounded before it is added. */
typedef float float_dot(const float_weights *w, int32_t o, int32_t at, int32_t step, const float *x, int32_t x_step,
                        int32_t count, float sum);
