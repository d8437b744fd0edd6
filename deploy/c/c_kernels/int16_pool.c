/* A pool of codes of 16 bits; cells outside the image are ignored.  y may begin where x does, as in the pools of int8. */
typedef struct {
    window_shape window;
    int32_t lo, hi;
} int16_pool_layer;
