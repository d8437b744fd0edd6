/* Pools of int16 codes. */
#include "kernels/requant_s16.h"
#include "kernels/window.h"

void maxpool_s16_forward(const ConvGeom *g, int images, const int16_t *x, int16_t *y)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const bool empty = rows.to == rows.from || columns.to == columns.from;
                for (int c = 0; c < g->c; c++) {
                    int16_t most = (int16_t)(empty ? 0 : S16_MIN);
                    FOR_EACH_CELL(g, rows, columns, cell) most = x[cell + c] > most ? x[cell + c] : most;
                    y[c] = most;
                }
            }
}

/* The sum of `count` codes, divided, half away from zero. */
static int average(int64_t sum, int64_t count) { return (int)((sum > 0 ? sum + count / 2 : sum - count / 2) / count); }

void avgpool_s16_forward(const ConvGeom *g, int images, const int16_t *x, int lo, int hi, int16_t *y)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const int count = (rows.to - rows.from) * (columns.to - columns.from);
                for (int c = 0; c < g->c; c++) {
                    int64_t sum = 0;
                    FOR_EACH_CELL(g, rows, columns, cell) sum += x[cell + c];
                    y[c] = (int16_t)(count == 0 ? 0 : clamp_int(average(sum, count), lo, hi));
                }
            }
}
