#include "bench/shapes.h"

#define GEOM(H, W, C, O, KH, KW, S, PH, PW, G)                                                                         \
    {                                                                                                                  \
        .h = H, .w = W, .c = C, .o = O, .kh = KH, .kw = KW, .sh = S, .sw = S, .dh = 1, .dw = 1, .pt = PH, .pb = PH,    \
        .pl = PW, .pr = PW, .groups = G, .oh = (H + 2 * PH - KH) / S + 1, .ow = (W + 2 * PW - KW) / S + 1              \
    }
#define CONV(H, W, C, O, K, S) GEOM(H, W, C, O, K, K, S, (K / 2), (K / 2), 1)
#define DEPTHWISE(H, W, C, S) GEOM(H, W, C, C, 3, 3, S, 1, 1, C)
#define DENSE(I, O) GEOM(1, 1, I, O, 1, 1, 1, 0, 0, 1)

const BenchShape bench_shapes[] = {
    {"28x28x1 to 6, 5x5", CONV(28, 28, 1, 6, 5, 1), false},
    {"14x14x6 to 16, 5x5", GEOM(14, 14, 6, 16, 5, 5, 1, 0, 0, 1), false},
    {"32x32x3 to 16, 3x3", CONV(32, 32, 3, 16, 3, 1), false},
    {"96x96x3 to 8, 3x3, /2", CONV(96, 96, 3, 8, 3, 2), false},
    {"49x10x1 to 64, 10x4, /2", GEOM(49, 10, 1, 64, 10, 4, 2, 5, 1, 1), false},
    {"32x32x16 to 16, 3x3", CONV(32, 32, 16, 16, 3, 1), false},
    {"32x32x16 to 32, 3x3, /2", CONV(32, 32, 16, 32, 3, 2), false},
    {"16x16x32 to 32, 3x3", CONV(16, 16, 32, 32, 3, 1), false},
    {"16x16x32 to 64, 3x3, /2", CONV(16, 16, 32, 64, 3, 2), false},
    {"8x8x64 to 64, 3x3", CONV(8, 8, 64, 64, 3, 1), false},
    {"4x4x512 to 512, 3x3", CONV(4, 4, 512, 512, 3, 1), false},
    {"32x32x16 to 32, 1x1, /2", CONV(32, 32, 16, 32, 1, 2), false},
    {"16x16x32 to 64, 1x1, /2", CONV(16, 16, 32, 64, 1, 2), false},
    {"48x48x8 to 16, 1x1", CONV(48, 48, 8, 16, 1, 1), false},
    {"24x24x32 to 32, 1x1", CONV(24, 24, 32, 32, 1, 1), false},
    {"12x12x64 to 64, 1x1", CONV(12, 12, 64, 64, 1, 1), false},
    {"12x12x64 to 128, 1x1", CONV(12, 12, 64, 128, 1, 1), false},
    {"6x6x128 to 128, 1x1", CONV(6, 6, 128, 128, 1, 1), false},
    {"6x6x128 to 256, 1x1", CONV(6, 6, 128, 256, 1, 1), false},
    {"3x3x256 to 256, 1x1", CONV(3, 3, 256, 256, 1, 1), false},
    {"25x5x64 to 64, 1x1", CONV(25, 5, 64, 64, 1, 1), false},
    {"dense 64 to 10", DENSE(64, 10), false},
    {"dense 120 to 84", DENSE(120, 84), false},
    {"dense 400 to 120", DENSE(400, 120), false},
    {"dense 1024 to 1024", DENSE(1024, 1024), false},
    {"depthwise 48x48x8", DEPTHWISE(48, 48, 8, 1), true},
    {"depthwise 48x48x16, /2", DEPTHWISE(48, 48, 16, 2), true},
    {"depthwise 24x24x32", DEPTHWISE(24, 24, 32, 1), true},
    {"depthwise 12x12x64", DEPTHWISE(12, 12, 64, 1), true},
    {"depthwise 6x6x128", DEPTHWISE(6, 6, 128, 1), true},
    {"depthwise 25x5x64", DEPTHWISE(25, 5, 64, 1), true},
};
const int bench_shape_count = sizeof bench_shapes / sizeof bench_shapes[0];
