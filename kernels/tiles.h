/* AMX: eight registers of up to 16 rows of 64 bytes, and what computes on them.
 *
 *     tile_configure(&config)      every tile's rows and bytes a row; zeroes the tiles where it changes anything
 *     tile_load(t, p, stride)      row r of tile t from p + r * stride (bytes)
 *     tile_dot(d, a, b)            d[r][c] += sum over i, j of a[r][4i + j] * b[i][4c + j]: signed bytes into int32
 *     tile_store(t, p, stride)
 *
 * t, d, a and b are literal numbers.  With TILES_EMULATED the same names are plain C (kernels/tiles_emulated.h): what
 * is tested on a CPU without AMX is a kernel's body on the emulation.
 *
 * The instructions are written out because the intrinsics of gcc 12 name no memory: stores to the configuration or to
 * an operand could be moved after them or dropped.
 */
#ifndef BITFOLD_KERNELS_TILES_H
#define BITFOLD_KERNELS_TILES_H

#include <stdint.h>
#include <string.h>

enum { TILE_COUNT = 8, TILE_ROWS = 16, TILE_BYTES = 64 };

/* The operand of ldtilecfg. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileConfig;
_Static_assert(sizeof(TileConfig) == 64, "the size is architected");

#ifdef TILES_EMULATED
#include "kernels/tiles_emulated.h"
#else
/* Loading a configuration costs as much as a dozen products, and one product after another has the same shape: it stays
 * loaded.  The calling convention leaves tiles to whoever runs. */
static inline void tile_configure(const TileConfig *config)
{
    TileConfig now;
    __asm__ volatile("sttilecfg %0" : "=m"(now));
    if (memcmp(&now, config, sizeof now) != 0) __asm__ volatile("ldtilecfg %0" : : "m"(*config));
}

#define tile_load(t, p, stride)                                                                                        \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define tile_store(t, p, stride)                                                                                       \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define tile_dot(d, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #d : :)
#endif

#endif
