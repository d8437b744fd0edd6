#include "kernels/amx_ready.h"

#include "kernels/gemm_s8.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool system_saves_tiles(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0) return false;
    enum { TILE_CONFIG = 1 << 17, TILE_DATA = 1 << 18 }; /* of XCR0 */
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & (TILE_CONFIG | TILE_DATA)) == (TILE_CONFIG | TILE_DATA);
}

bool amx_present(void)
{
    enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 }; /* leaf 7, EDX */
    enum { TILE_LEAF = 0x1d };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (AMX_TILE | AMX_INT8)) != (AMX_TILE | AMX_INT8)) return false;
    if (!system_saves_tiles()) return false;
    if (!__get_cpuid_count(TILE_LEAF, 1, &a, &b, &c, &d)) return false;
    return (b & 0xffff) == 64 && b >> 16 == 8 && (c & 0xffff) == 16; /* bytes a row, tiles, rows */
}

bool amx_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}
#else
bool amx_present(void) { return false; }
bool amx_permitted(void) { return false; }
#endif

/* Two runs of 68 codes: 64 and a rest; rows and columns past a tile; extremes among pseudo-random codes. */
bool amx_exact(void (*gemm_runs_s8)(const GemmS8 *g))
{
    enum { M = 37, N = 20, RUNS = 2, K = 68, AM = 9, ARUN = 80, COLUMNS = 32, PANEL = RUNS * K * S8_PANEL };
    int8_t a[(M - 1) * AM + ARUN + 128], b[COLUMNS * RUNS * K];
    int32_t start[COLUMNS], c[M * N];
    unsigned random = 1;
    for (size_t i = 0; i < sizeof a; i++, random = random * 1664525u + 1013904223u)
        a[i] = (int8_t)(i % 5 == 0 ? -128 : i % 7 == 0 ? 127 : (int)(random >> 24) - 128);
    for (size_t i = 0; i < sizeof b; i++, random = random * 1664525u + 1013904223u)
        b[i] = (int8_t)(i % 3 == 0 ? 127 : i % 5 == 0 ? -128 : (int)(random >> 24) - 128);
    for (int j = 0; j < COLUMNS; j++) start[j] = 1000 * j - 7;
    gemm_runs_s8(&(GemmS8){.m = M,
                           .n = N,
                           .rows = 1,
                           .runs = RUNS,
                           .k = K,
                           .a = a,
                           .am = AM,
                           .arun = ARUN,
                           .b = b,
                           .start = start,
                           .c = c,
                           .ldc = N});
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = start[j];
            for (int run = 0; run < RUNS; run++)
                for (int k = 0; k < K; k++) {
                    const int8_t *quad = b + j / S8_PANEL * PANEL + (run * K + k / S8_QUAD * S8_QUAD) * S8_PANEL;
                    sum += a[i * AM + run * ARUN + k] * quad[j % S8_PANEL * S8_QUAD + k % S8_QUAD];
                }
            if (c[i * N + j] != sum) return false;
        }
    return true;
}
