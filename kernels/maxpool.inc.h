/* Included by pool.c once per element type T: POOL is the largest of each window, the first of equals. */
#define POOL_JOIN_(a, b) a##b
#define POOL_JOIN(a, b) POOL_JOIN_(a, b)
#define CELL POOL_JOIN(POOL, _cell)
#define CELL_INDEX POOL_JOIN(POOL, _cell_index)

static void CELL(int c, const T *restrict x, T *restrict y)
{
#pragma omp simd
    for (int i = 0; i < c; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void CELL_INDEX(int c, const T *restrict x, int32_t at, T *restrict y, int32_t *restrict argmax)
{
#pragma omp simd
    for (int i = 0; i < c; i++) argmax[i] = x[i] > y[i] ? at + i : argmax[i];
    CELL(c, x, y);
}

void POOL(const ConvGeom *g, int images, const T *x, T *y, int32_t *argmax)
{
    for (int n = 0; n < images; n++, x += image_count(g))
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, y += g->c) {
                const Taps rows = rows_inside(g, oy), columns = columns_inside(g, ox);
                const bool any = window_count(rows, columns) > 0;
                const ptrdiff_t first = any ? cell_index(g, rows, columns, rows.from, columns.from) : 0;
                if (any)
                    memcpy(y, x + first, (size_t)g->c * sizeof *y);
                else
                    memset(y, 0, (size_t)g->c * sizeof *y);
                if (argmax == NULL) {
                    FOR_EACH_CELL(g, rows, columns, cell) CELL(g->c, x + cell, y);
                    continue;
                }
                for (int i = 0; i < g->c; i++) argmax[i] = any ? (int32_t)first + i : -1;
                FOR_EACH_CELL(g, rows, columns, cell) CELL_INDEX(g->c, x + cell, (int32_t)cell, y, argmax);
                argmax += g->c;
            }
}

#undef POOL_JOIN_
#undef POOL_JOIN
#undef CELL
#undef CELL_INDEX
#undef POOL
#undef T
