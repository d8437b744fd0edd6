#include "train/shared_job.h"

#include <stdio.h>
#include <string.h>

#include "base/cluster.h"
#include "base/file.h"
#include "base/parallel.h"
#include "kernels/kernels.h"

enum { TEXTS = 4 };

typedef struct {
    int go; /* 0: the end */
    int kind, from_scratch, threads;
    size_t bytes[TEXTS + 1]; /* of the texts with their NUL, of the checkpoint */
} Header;

Status shared_job_send(const TrainJob *job, const char *checkpoint)
{
    Arena *arena = arena_create();
    Header header = {1, (int)job->kind, job->from_scratch, parallel_threads(), {0}};
    unsigned char *bytes = NULL;
    char *config = NULL;
    Status status = config_text(arena, job->config, "", &config); /* seen from nowhere: absolute paths */
    if (status == STATUS_OK) status = file_read(arena, checkpoint, SIZE_MAX / 2, &bytes, &header.bytes[TEXTS]);
    if (status == STATUS_OK) {
        const char *texts[TEXTS] = {config, job->config->path, job->provenance == NULL ? "" : job->provenance->data,
                                    kernels_arithmetic()};
        for (int i = 0; i < TEXTS; i++) header.bytes[i] = strlen(texts[i]) + 1;
        cluster_broadcast(0, &header, sizeof header);
        for (int i = 0; i < TEXTS; i++)
            cluster_broadcast(0, memcpy(arena_alloc(arena, header.bytes[i]), texts[i], header.bytes[i]),
                              header.bytes[i]);
        cluster_broadcast(0, bytes, header.bytes[TEXTS]);
    }
    arena_destroy(arena);
    return status;
}

void shared_job_end(void)
{
    Header header = {0};
    cluster_broadcast(0, &header, sizeof header);
}

bool shared_job_receive(Arena *arena, SharedJob *job)
{
    Header header = {0};
    void *part[TEXTS + 1];
    cluster_broadcast(0, &header, sizeof header);
    if (header.go == 0) return false;
    for (int i = 0; i <= TEXTS; i++) {
        part[i] = arena_alloc(arena, header.bytes[i]);
        cluster_broadcast(0, part[i], header.bytes[i]);
    }
    *job = (SharedJob){.kind = (ModelKind)header.kind,
                       .from_scratch = header.from_scratch != 0,
                       .threads = header.threads,
                       .config = part[0],
                       .path = part[1],
                       .data = part[2],
                       .kernels = part[3],
                       .checkpoint = part[TEXTS],
                       .checkpoint_bytes = header.bytes[TEXTS]};
    return true;
}

typedef struct {
    int rank, status; /* the lowest rank that failed */
} Failure;

Status shared_agree(Status own)
{
    enum { MESSAGE_BYTES = 1024 };
    const int rank = cluster_rank(), ranks = cluster_ranks();
    Failure first = {own == STATUS_OK ? ranks : rank, (int)own}, other;
    for (int step = 1; step < ranks; step *= 2) {
        cluster_exchange(rank ^ step, &first, &other, sizeof first);
        if (other.rank < first.rank) first = other;
    }
    if (first.rank == ranks) return STATUS_OK;
    if (first.rank == 0) return rank == 0 ? own : status_fail((Status)first.status, "rank 0 has failed");
    char message[MESSAGE_BYTES] = "";
    if (rank == first.rank) {
        snprintf(message, sizeof message, "%s", status_message());
        cluster_send(0, message, sizeof message);
        return own;
    }
    if (rank == 0) cluster_receive(first.rank, message, sizeof message);
    return status_fail((Status)first.status, "rank %d: %s", first.rank, message);
}

void shared_values(double *a, double *b)
{
    double both[2] = {*a, *b};
    cluster_broadcast(0, both, sizeof both);
    *a = both[0], *b = both[1];
}
