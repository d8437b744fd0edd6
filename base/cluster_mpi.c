/* Ranks over MPI; the only file that includes mpi.h.  An error of MPI ends all ranks (MPI_ERRORS_ARE_FATAL). */
#include "base/cluster.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdlib.h>

enum { TAG = 1, MOST_BYTES = 1 << 30 }; /* of one message: MPI counts in int */

static int rank, ranks = 1;

/* Without a launcher MPI would start a daemon of its own for a single process. */
static bool was_launched(void)
{
    static const char *const set_by_launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", NULL};
    for (int i = 0; set_by_launchers[i] != NULL; i++)
        if (getenv(set_by_launchers[i]) != NULL) return true;
    return false;
}

void cluster_begin(void)
{
    int threads;
    if (!was_launched()) return;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &threads);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
}

void cluster_end(void)
{
    int begun;
    MPI_Initialized(&begun);
    if (begun) MPI_Finalize();
}

int cluster_rank(void) { return rank; }
int cluster_ranks(void) { return ranks; }

static int part_of(size_t left) { return left < MOST_BYTES ? (int)left : MOST_BYTES; }

void cluster_exchange(int partner, const void *send, void *receive, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += MOST_BYTES) {
        const int n = part_of(bytes - at);
        MPI_Sendrecv((const char *)send + at, n, MPI_BYTE, partner, TAG, (char *)receive + at, n, MPI_BYTE, partner,
                     TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
}

void cluster_send(int to, const void *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += MOST_BYTES)
        MPI_Send((const char *)data + at, part_of(bytes - at), MPI_BYTE, to, TAG, MPI_COMM_WORLD);
}

void cluster_receive(int from, void *data, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += MOST_BYTES)
        MPI_Recv((char *)data + at, part_of(bytes - at), MPI_BYTE, from, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

void cluster_broadcast(int from, void *data, size_t bytes)
{
    for (size_t at = 0; ranks > 1 && at < bytes; at += MOST_BYTES)
        MPI_Bcast((char *)data + at, part_of(bytes - at), MPI_BYTE, from, MPI_COMM_WORLD);
}
