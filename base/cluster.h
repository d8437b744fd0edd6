/* The processes of one run, its ranks, on one machine or on many.  `make MPI=1` builds base/cluster_mpi.c, over MPI; else
 * base/cluster.c is built, of which there is one rank.  Every rank runs the same program; all calls are the main thread's.
 *
 * Messages carry no names: each rank makes the same calls in the same order.  What a rank alone knows (a signal, a time,
 * a failure) decides nothing before it was told to all. */
#ifndef BITFOLD_BASE_CLUSTER_H
#define BITFOLD_BASE_CLUSTER_H

#include <stddef.h>

/* First and last in main.  A program that never begins has one rank. */
void cluster_begin(void);
void cluster_end(void);

int cluster_rank(void);  /* 0 .. ranks - 1; rank 0 prints and writes */
int cluster_ranks(void); /* 1 where the program was started by itself */

/* Each of two ranks gets what the other one sends, `bytes` of both. */
void cluster_exchange(int partner, const void *send, void *receive, size_t bytes);
void cluster_send(int to, const void *data, size_t bytes);
void cluster_receive(int from, void *data, size_t bytes);
/* What `from` has, all have. */
void cluster_broadcast(int from, void *data, size_t bytes);

#endif
