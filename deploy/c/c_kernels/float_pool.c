/* A pool of floats; cells outside the image are ignored.  y may begin where x does, as in the pools of codes. */
typedef struct {
    window_shape window;
    float_end end;
} float_pool_layer;
