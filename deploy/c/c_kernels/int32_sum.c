/* The products of `count` codes of x, x_step apart, without their zero point, and as many weights from number `at` on, step
 * apart: their sum stays below 2^31. */
typedef int32_t int32_dot(const int8_t *weights, int32_t at, int32_t step, const int8_t *x, int32_t x_step,
                          int32_t count, int32_t zero);
