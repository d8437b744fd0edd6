#include "tests/support/kernel_cases.h"

#define SIZE(H, W, C, O) .h = (H), .w = (W), .c = (C), .o = (O)
#define KERNEL(KH, KW, S, D) .kh = (KH), .kw = (KW), .sh = (S), .sw = (S), .dh = (D), .dw = (D)
#define PAD(T, B, L, R) .pt = (T), .pb = (B), .pl = (L), .pr = (R)

const KernelCase kernel_cases[] = {
    {"32x32x3 to 16, 3x3", 1, false, {SIZE(32, 32, 3, 16), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},
    {"8x8x64 to 64, 3x3", 1, false, {SIZE(8, 8, 64, 64), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},
    {"11x13x16 to 15", 2, false, {SIZE(11, 13, 16, 15), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},
    {"7x12x5 to 17, stride 2, SAME", 3, false, {SIZE(7, 12, 5, 17), KERNEL(3, 3, 2, 1), PAD(1, 1, 0, 1), .groups = 1}},
    {"9x10x7 to 33, no padding", 2, false, {SIZE(9, 10, 7, 33), KERNEL(3, 3, 1, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"13x11x4 to 31, 5x5, asymmetric",
     2,
     false,
     {SIZE(13, 11, 4, 31), KERNEL(5, 5, 1, 1), PAD(2, 0, 1, 3), .groups = 1}},
    {"14x9x3 to 8, stride 3, unused edge",
     3,
     false,
     {SIZE(14, 9, 3, 8), KERNEL(2, 2, 3, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"12x12x6 to 10, dilation 2", 2, false, {SIZE(12, 12, 6, 10), KERNEL(3, 3, 1, 2), PAD(2, 2, 2, 2), .groups = 1}},
    {"12x11x6 to 10, dilation 2, stride 2",
     2,
     false,
     {SIZE(12, 11, 6, 10), KERNEL(3, 2, 2, 2), PAD(1, 0, 2, 1), .groups = 1}},
    {"10x10x8 to 12, 2 groups", 3, false, {SIZE(10, 10, 8, 12), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 2}},
    {"6x5x4 to 70, 2 groups", 2, false, {SIZE(6, 5, 4, 70), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 2}},
    {"10x9x6 to 12, groups of 1", 2, false, {SIZE(10, 9, 6, 12), KERNEL(3, 3, 2, 1), PAD(1, 1, 1, 1), .groups = 6}},
    {"6x7x10 to 14, 1x1", 3, false, {SIZE(6, 7, 10, 14), KERNEL(1, 1, 1, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"11x11x16 to 32, 1x1", 3, false, {SIZE(11, 11, 16, 32), KERNEL(1, 1, 1, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"5x5x6 to 4, 1x1, 2 groups", 2, false, {SIZE(5, 5, 6, 4), KERNEL(1, 1, 1, 1), PAD(0, 0, 0, 0), .groups = 2}},
    {"9x9x16 to 32, 1x1, stride 2", 2, false, {SIZE(9, 9, 16, 32), KERNEL(1, 1, 2, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"6x6x3 to 5, 1x1, padded", 2, false, {SIZE(6, 6, 3, 5), KERNEL(1, 1, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},
    {"dense 577 to 10", 3, false, {SIZE(1, 1, 577, 10), KERNEL(1, 1, 1, 1), PAD(0, 0, 0, 0), .groups = 1}},
    {"window larger than the image", 2, false, {SIZE(2, 3, 3, 4), KERNEL(5, 5, 1, 1), PAD(2, 2, 2, 2), .groups = 1}},
    {"padding beyond the window", 2, false, {SIZE(3, 3, 2, 3), KERNEL(2, 2, 1, 1), PAD(4, 4, 4, 4), .groups = 1}},
    {"1x70 row, 1x7, stride 2", 2, false, {SIZE(1, 70, 3, 9), KERNEL(1, 7, 2, 1), PAD(0, 0, 3, 3), .groups = 1}},
    {"40x41x37, strips", 1, false, {SIZE(40, 41, 37, 13), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},
    {"36x30x70, strips, stride 2", 1, false, {SIZE(36, 30, 70, 6), KERNEL(5, 5, 2, 1), PAD(2, 1, 2, 2), .groups = 1}},
    {"3x200x130, one row a strip", 1, false, {SIZE(3, 200, 130, 3), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 1}},

    {"depthwise 11x12x16", 3, true, {SIZE(11, 12, 16, 16), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 16}},
    {"depthwise 9x8x37, stride 2, SAME",
     2,
     true,
     {SIZE(9, 8, 37, 37), KERNEL(3, 3, 2, 1), PAD(1, 1, 0, 1), .groups = 37}},
    {"depthwise 7x7x8, 5x5", 2, true, {SIZE(7, 7, 8, 8), KERNEL(5, 5, 1, 1), PAD(2, 2, 2, 2), .groups = 8}},
    {"depthwise 10x9x5, dilation 2", 2, true, {SIZE(10, 9, 5, 5), KERNEL(3, 3, 1, 2), PAD(2, 1, 0, 2), .groups = 5}},
    {"depthwise 8x9x3, multiplier 2", 3, true, {SIZE(8, 9, 3, 6), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 3}},
    {"depthwise 8x9x1, multiplier 8, stride 3",
     2,
     true,
     {SIZE(8, 9, 1, 8), KERNEL(3, 2, 3, 1), PAD(0, 0, 1, 1), .groups = 1}},
    {"depthwise 5x5x130, no padding",
     1,
     true,
     {SIZE(5, 5, 130, 130), KERNEL(3, 3, 1, 1), PAD(0, 0, 0, 0), .groups = 130}},
    {"depthwise 7x5x15, no padding", 2, true, {SIZE(7, 5, 15, 15), KERNEL(3, 3, 1, 1), PAD(0, 0, 0, 0), .groups = 15}},
    {"depthwise 6x7x17, padding 2", 3, true, {SIZE(6, 7, 17, 17), KERNEL(3, 3, 1, 1), PAD(2, 2, 2, 2), .groups = 17}},
    {"depthwise 25x5x64", 2, true, {SIZE(25, 5, 64, 64), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 64}},
    {"depthwise 3x3x48", 3, true, {SIZE(3, 3, 48, 48), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 48}},
    {"depthwise 1x1x8", 3, true, {SIZE(1, 1, 8, 8), KERNEL(3, 3, 1, 1), PAD(1, 1, 1, 1), .groups = 8}},
    {"depthwise 2x1x20, asymmetric", 2, true, {SIZE(2, 1, 20, 20), KERNEL(3, 3, 1, 1), PAD(2, 1, 2, 0), .groups = 20}},
    {"depthwise 4x6x24, asymmetric", 2, true, {SIZE(4, 6, 24, 24), KERNEL(3, 3, 1, 1), PAD(0, 2, 0, 2), .groups = 24}},
    {"depthwise 8x8x16, stride 2, SAME",
     2,
     true,
     {SIZE(8, 8, 16, 16), KERNEL(3, 3, 2, 1), PAD(0, 1, 0, 1), .groups = 16}},
    {"depthwise 9x7x12, stride 2, padding 1",
     2,
     true,
     {SIZE(9, 7, 12, 12), KERNEL(3, 3, 2, 1), PAD(1, 1, 1, 1), .groups = 12}},
    {"depthwise 8x10x9, stride 2, unused edge",
     2,
     true,
     {SIZE(8, 10, 9, 9), KERNEL(3, 3, 2, 1), PAD(0, 0, 0, 0), .groups = 9}},
    {"depthwise 5x5x16, stride 2, rows padded by 2",
     2,
     true,
     {SIZE(5, 5, 16, 16), KERNEL(3, 3, 2, 1), PAD(2, 2, 1, 2), .groups = 16}},
    {"depthwise 1x2x33, stride 2", 2, true, {SIZE(1, 2, 33, 33), KERNEL(3, 3, 2, 1), PAD(1, 1, 1, 1), .groups = 33}},
    {"depthwise 6x6x8, stride 3", 2, true, {SIZE(6, 6, 8, 8), KERNEL(3, 3, 3, 1), PAD(1, 1, 1, 1), .groups = 8}},
    {"depthwise, window larger than the image",
     1,
     true,
     {SIZE(2, 2, 9, 9), KERNEL(5, 5, 1, 1), PAD(2, 2, 2, 2), .groups = 9}},
};
const int kernel_case_count = sizeof kernel_cases / sizeof kernel_cases[0];

bool kernel_variant(int i)
{
    static const char *const names[] = {"ref", "avx2", "avx512", "vnni", "amx"};
    const char *error;
    if (i < (int)(sizeof names / sizeof names[0]) && kernels_select(names[i], &error)) return true;
    kernels_select(NULL, &error);
    return false;
}
