/* The tiles of kernels/tiles.h in plain C, by Intel's definition of the instructions; what they answer with a fault is
 * an assertion here.  For tests: the registers belong to the file that includes this. */
#ifndef BITFOLD_KERNELS_TILES_EMULATED_H
#define BITFOLD_KERNELS_TILES_EMULATED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
    TileConfig config;
    int8_t cell[TILE_COUNT][TILE_ROWS][TILE_BYTES];
} tiles;

static inline void tile_configure(const TileConfig *config)
{
    assert(config->palette == 1 && config->start_row == 0);
    for (size_t i = 0; i < sizeof config->reserved; i++) assert(config->reserved[i] == 0);
    for (int t = 0; t < 16; t++) {
        assert(config->rows[t] <= (t < TILE_COUNT ? TILE_ROWS : 0));
        assert(config->row_bytes[t] <= (t < TILE_COUNT ? TILE_BYTES : 0));
        assert((config->rows[t] == 0) == (config->row_bytes[t] == 0));
    }
    if (memcmp(&tiles.config, config, sizeof *config) == 0) return;
    tiles.config = *config;
    memset(tiles.cell, 0, sizeof tiles.cell);
}

static inline void tile_load(int t, const void *p, ptrdiff_t stride)
{
    assert(tiles.config.palette == 1 && tiles.config.rows[t] > 0);
    memset(tiles.cell[t], 0, sizeof tiles.cell[t]);
    for (int r = 0; r < tiles.config.rows[t]; r++)
        memcpy(tiles.cell[t][r], (const char *)p + r * stride, tiles.config.row_bytes[t]);
}

static inline void tile_store(int t, void *p, ptrdiff_t stride)
{
    assert(tiles.config.palette == 1 && tiles.config.rows[t] > 0);
    for (int r = 0; r < tiles.config.rows[t]; r++)
        memcpy((char *)p + r * stride, tiles.cell[t][r], tiles.config.row_bytes[t]);
}

static inline void tile_dot(int d, int a, int b)
{
    const uint8_t *rows = tiles.config.rows;
    const uint16_t *row_bytes = tiles.config.row_bytes;
    assert(tiles.config.palette == 1 && d != a && d != b && a != b);
    assert(rows[d] > 0 && rows[d] == rows[a] && row_bytes[d] == row_bytes[b] && row_bytes[a] == 4 * rows[b]);
    assert(row_bytes[d] % 4 == 0);
    for (int r = 0; r < rows[d]; r++)
        for (int i = 0; i < rows[b]; i++)
            for (int c = 0; c < row_bytes[d] / 4; c++) {
                uint32_t sum;
                memcpy(&sum, &tiles.cell[d][r][4 * c], sizeof sum);
                for (int j = 0; j < 4; j++)
                    sum += (uint32_t)(tiles.cell[a][r][4 * i + j] * tiles.cell[b][i][4 * c + j]);
                memcpy(&tiles.cell[d][r][4 * c], &sum, sizeof sum);
            }
}

#endif
