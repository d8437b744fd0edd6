/* How memory is aligned: to a line of the cache, which is the widest vector, too. */
#ifndef BITFOLD_BASE_ALIGN_H
#define BITFOLD_BASE_ALIGN_H

#include <stddef.h>

enum { ALIGN_BYTES = 64 };

static inline size_t align_up(size_t bytes) { return (bytes + (ALIGN_BYTES - 1)) & ~(size_t)(ALIGN_BYTES - 1); }

#endif
