#include "autograd/ops.h"

#include <string.h>

#include "base/parallel.h"

enum { BLOCK_ROWS = 64 }; /* summed in float before they join the chunk's double */

typedef struct {
    const float *x;
    long rows;
    int c, chunks;
    double *partial; /* [chunks][c] */
    float *block;    /* [chunks][c] */
} Columns;

static void sums_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Columns *s = context;
    const int C = s->c;
    long first, last;
    parallel_range(s->rows, s->chunks, chunk, &first, &last);
    double *sum = s->partial + (size_t)chunk * (size_t)C;
    float *block = s->block + (size_t)chunk * (size_t)C;
    memset(sum, 0, sizeof(double) * (size_t)C);
    for (long r0 = first; r0 < last; r0 += BLOCK_ROWS) {
        const long r1 = r0 + BLOCK_ROWS < last ? r0 + BLOCK_ROWS : last;
        memset(block, 0, sizeof(float) * (size_t)C);
        for (long r = r0; r < r1; r++)
#pragma omp simd
            for (int c = 0; c < C; c++) block[c] += s->x[r * C + c];
        for (int c = 0; c < C; c++) sum[c] += (double)block[c];
    }
}

void column_sums(Tape *t, const float *x, long rows, int c, float *out_add)
{
    Columns s = {.x = x, .rows = rows, .c = c, .chunks = parallel_chunks(rows)};
    s.partial = arena_alloc(t->arena, sizeof(double) * (size_t)c * (size_t)s.chunks);
    s.block = arena_alloc(t->arena, sizeof(float) * (size_t)c * (size_t)s.chunks);
    parallel_for(s.chunks, sums_chunk, &s);
    for (int i = 0; i < c; i++) {
        double sum = 0;
        for (int k = 0; k < s.chunks; k++) sum += s.partial[(size_t)k * (size_t)c + (size_t)i];
        out_add[i] += (float)sum;
    }
}
