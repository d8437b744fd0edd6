/* The same numbers on another grid, where either has codes of 16 bits. */
typedef struct {
    int32_t zero_in, m, e, zero_out, lo, hi;
} int16_requantize_layer;
