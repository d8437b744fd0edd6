/* A fully connected layer; sums modulo 2^32, as in conv2d. */
typedef struct dense_layer {
    const int8_t *weights;     /* [o][filter_bytes] */
    const int32_t *bias;       /* bias - zero_in * sum of the weights */
    const int32_t *multiplier; /* m and e of rescale */
    const int8_t *exponent;
    void (*dot)(const int8_t *x, int32_t inputs, const int8_t *w0, const int8_t *w1, uint32_t sum[2]);
    int32_t inputs, o, filter_bytes;
    int32_t shift; /* a weight is its code times 2^shift */
    int32_t zero_out, lo, hi;
} dense_layer;

/* Two outputs at a time; one that is left over is taken twice. */
static void dense(const dense_layer *n, const int8_t *x, int8_t *y)
{
    for (int32_t o = 0; o < n->o; o += 2) {
        const int8_t *w = n->weights + o * n->filter_bytes;
        const int32_t other = o + 1 < n->o;
        uint32_t sum[2];
        n->dot(x, n->inputs, w, w + other * n->filter_bytes, sum);
        for (int32_t i = 0; i <= other; i++) {
            const int32_t acc = (int32_t)((uint32_t)n->bias[o + i] + (sum[i] << n->shift));
            y[o + i] = clamp(rescale(acc, n->multiplier[o + i], n->exponent[o + i]) + n->zero_out, n->lo, n->hi);
        }
    }
}
