/* Memory: the only place that calls malloc.  Not thread-safe: between parallel regions only.
 *
 * An arena hands out 64-byte-aligned blocks that live until the arena is reset or destroyed.  There are three
 * owners: a model arena (parameters, layer and quantizer state), a step arena (activations, gradients, rewound
 * by tape_reset) and scratch that a caller passes in.  After a reset all chunks are merged into one that holds
 * the largest use seen, so that from the second step on nothing allocates.  Under AddressSanitizer the gaps between
 * blocks, the rewound part and what was released are poisoned.
 *
 * Beside them an arena has buffers: large blocks with owners, whose memory serves the next one as soon as the last
 * owner has released it (base/buffers.h).  What is not released ends with the reset, too.
 */
#ifndef BITFOLD_BASE_ARENA_H
#define BITFOLD_BASE_ARENA_H

#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena); /* NULL is allowed */

/* A block of `bytes` (0 gives a valid, unique pointer); its content is unspecified.  When the system has no memory
 * left the program ends with one line on stderr: use it for sizes the program itself decides. */
void *arena_alloc(Arena *arena, size_t bytes);

/* arena_alloc, then all bytes 0. */
void *arena_zalloc(Arena *arena, size_t bytes);

/* For sizes that come from a file or a config: NULL and STATUS_NOMEM's sentence instead of ending the program. */
void *arena_try_alloc(Arena *arena, size_t bytes);

/* malloc that ends the program as arena_alloc does: for a library that cannot be trusted to look at what it gets. */
void *alloc_or_exit(size_t bytes);

/* Copies into the arena. */
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A buffer with one owner; its content is unspecified.  Ends the program as arena_alloc does.  The same sequence of
 * calls after a reset gives the same addresses. */
void *arena_buffer(Arena *arena, size_t bytes);
void arena_share(Arena *arena, void *buffer);   /* one more owner */
void arena_release(Arena *arena, void *buffer); /* one owner less; NULL is allowed */
int arena_owners(const Arena *arena, const void *buffer);

/* Takes back everything; memory is kept for the next use. */
void arena_reset(Arena *arena);

/* Bytes handed out now, the most ever handed out, and how often the arena had to ask the system for memory. */
size_t arena_used_bytes(const Arena *arena);
size_t arena_peak_bytes(const Arena *arena);
size_t arena_system_calls(const Arena *arena);

#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc((arena), sizeof(type) * (size_t)(count)))

#endif
