/* Buffers: blocks of one growing stretch of memory that come and go in any order, for base/arena.c.
 *
 * Best fit, the lowest address among equals, neighbours joined when they are given back: the same sequence of calls
 * gives the same addresses.  The stretch is reserved once, as addresses that have no memory yet; the system gives
 * memory for what is really used, so the first step costs what the later ones do.  Every block is preceded by its
 * header, which is poisoned under AddressSanitizer, as is whatever is free.
 */
#ifndef BITFOLD_BASE_BUFFERS_H
#define BITFOLD_BASE_BUFFERS_H

#include <stddef.h>

struct Block;

typedef struct {
    unsigned char *base;       /* NULL: nothing reserved yet */
    size_t reserved, writable; /* addresses; how many of them may be used */
    size_t top;                /* end of the last block */
    struct Block *last, *free; /* the last block, which is never free; a list of the free ones */
    size_t live;               /* bytes in use, headers included */
    size_t system_calls;
} Buffers;

/* Memory of `bytes`, 64-byte aligned, with one owner; NULL when the system has no more. */
void *buffers_take(Buffers *b, size_t bytes);
/* One owner more, one less; the last one gives the memory back. */
void buffers_share(Buffers *b, void *data);
void buffers_release(Buffers *b, void *data);
int buffers_owners(const Buffers *b, const void *data);

void buffers_reset(Buffers *b);   /* takes back all blocks, keeps the memory */
void buffers_destroy(Buffers *b); /* returns it to the system */

#endif
