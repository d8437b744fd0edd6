#include "base/batch_share.h"

#include "base/cluster.h"
#include "base/parallel.h"
#include "base/tree_sum.h"

static struct {
    int ranks;          /* 0: nothing is shared */
    long images, whole; /* of this process, of the batch */
} share;

bool batch_share_divides(int ranks) { return ranks <= PARALLEL_CHUNKS && PARALLEL_CHUNKS % ranks == 0; }

void batch_share_begin(long images, long *first, long *n)
{
    const int ranks = cluster_ranks(), own = PARALLEL_CHUNKS / ranks;
    *first = 0, *n = images;
    if (ranks == 1 || images < PARALLEL_CHUNKS) return;
    long unused, end;
    parallel_range(images, PARALLEL_CHUNKS, cluster_rank() * own, first, &unused);
    parallel_range(images, PARALLEL_CHUNKS, (cluster_rank() + 1) * own - 1, &unused, &end);
    *n = end - *first;
    share.ranks = ranks, share.images = *n, share.whole = images;
}

void batch_share_end(void) { share.ranks = 0; }

int batch_ranks(void) { return share.ranks == 0 ? 1 : share.ranks; }

int batch_chunks(long images) { return share.ranks == 0 ? parallel_chunks(images) : PARALLEL_CHUNKS / share.ranks; }

long batch_rows(long rows) { return share.ranks == 0 ? rows : rows / share.images * share.whole; }

bool batch_exchange(int step, const void *own, void *other, size_t bytes)
{
    cluster_exchange(cluster_rank() ^ step, own, other, bytes);
    return (cluster_rank() & step) == 0;
}

static int own_chunks(int chunks)
{
    const int own = PARALLEL_CHUNKS / batch_ranks();
    return chunks < own ? chunks : own;
}

enum { BLOCK = 8192 }; /* values at a time, on the stack */

void batch_sum_f32(int chunks, size_t n, float *part)
{
    float other[BLOCK];
    tree_sum_f32(own_chunks(chunks), n, part);
    for (size_t at = 0; batch_ranks() > 1 && at < n; at += BLOCK) {
        const size_t m = n - at < BLOCK ? n - at : BLOCK;
        float *own = part + at;
        for (int step = 1; step < batch_ranks(); step *= 2) {
            const bool lower = batch_exchange(step, own, other, sizeof *own * m);
            for (size_t i = 0; i < m; i++) own[i] = lower ? own[i] + other[i] : other[i] + own[i];
        }
    }
}

void batch_sum_f64(int chunks, size_t n, double *part)
{
    double other[BLOCK];
    tree_sum_f64(own_chunks(chunks), n, part);
    for (size_t at = 0; batch_ranks() > 1 && at < n; at += BLOCK) {
        const size_t m = n - at < BLOCK ? n - at : BLOCK;
        double *own = part + at;
        for (int step = 1; step < batch_ranks(); step *= 2) {
            const bool lower = batch_exchange(step, own, other, sizeof *own * m);
            for (size_t i = 0; i < m; i++) own[i] = lower ? own[i] + other[i] : other[i] + own[i];
        }
    }
}

void batch_in_turn_begin(void *sums, size_t bytes)
{
    if (batch_ranks() > 1 && cluster_rank() > 0) cluster_receive(cluster_rank() - 1, sums, bytes);
}

void batch_in_turn_end(void *sums, size_t bytes)
{
    const int last = batch_ranks() - 1;
    if (last == 0) return;
    if (cluster_rank() < last) cluster_send(cluster_rank() + 1, sums, bytes);
    cluster_broadcast(last, sums, bytes);
}
