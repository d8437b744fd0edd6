/* One process. */
#include "base/cluster.h"

#include <stdbool.h>

#include "base/status.h"

void cluster_begin(void) {}
void cluster_end(void) {}

int cluster_rank(void) { return 0; }
int cluster_ranks(void) { return 1; }

/* There is nobody to call these for. */
void cluster_exchange(int partner, const void *send, void *receive, size_t bytes)
{
    (void)partner, (void)send, (void)receive, (void)bytes;
    assert_failed("a cluster of one rank", __FILE__, __LINE__);
}

void cluster_send(int to, const void *data, size_t bytes)
{
    (void)to, (void)data, (void)bytes;
    assert_failed("a cluster of one rank", __FILE__, __LINE__);
}

void cluster_receive(int from, void *data, size_t bytes)
{
    (void)from, (void)data, (void)bytes;
    assert_failed("a cluster of one rank", __FILE__, __LINE__);
}

void cluster_broadcast(int from, void *data, size_t bytes) { (void)from, (void)data, (void)bytes; }
