#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/align.h"
#include "base/buffers.h"
#include "base/poison.h"
#include "base/status.h"

enum { FIRST_CHUNK = 64 * 1024 };

typedef struct Chunk {
    struct Chunk *next;
    unsigned char *data; /* ALIGN_BYTES-aligned */
    size_t size, used;
} Chunk;

struct Arena {
    Chunk *head;               /* the chunk in use; older, full ones follow */
    size_t used, system_calls; /* of the chunks */
    size_t peak_used, peak;    /* of the chunks alone; of chunks and buffers together */
    Buffers buffers;
};

static void note_peak(Arena *arena)
{
    if (arena->used > arena->peak_used) arena->peak_used = arena->used;
    if (arena_used_bytes(arena) > arena->peak) arena->peak = arena_used_bytes(arena);
}

static Chunk *chunk_create(size_t size)
{
    Chunk *chunk = malloc(sizeof *chunk);
    void *data = aligned_alloc(ALIGN_BYTES, size);
    if (chunk == NULL || data == NULL) {
        free(chunk);
        free(data);
        return NULL;
    }
    *chunk = (Chunk){.data = data, .size = size};
    POISON(data, size);
    return chunk;
}

static void chunks_free(Chunk *chunk)
{
    while (chunk != NULL) {
        Chunk *next = chunk->next;
        UNPOISON(chunk->data, chunk->size);
        free(chunk->data);
        free(chunk);
        chunk = next;
    }
}

static _Noreturn void out_of_memory(size_t bytes)
{
    fprintf(stderr, "bitfold: out of memory: %zu bytes more were needed\n", bytes);
    exit(1);
}

Arena *arena_create(void)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL) out_of_memory(sizeof *arena);
    return arena;
}

void arena_destroy(Arena *arena)
{
    if (arena == NULL) return;
    chunks_free(arena->head);
    buffers_destroy(&arena->buffers);
    free(arena);
}

void *arena_try_alloc(Arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        status_fail(STATUS_NOMEM, "memory: %zu bytes asked for; more than this machine can address", bytes);
        return NULL;
    }
    const size_t block = align_up(bytes == 0 ? 1 : bytes) + POISON_GAP;
    if (arena->head == NULL || arena->head->size - arena->head->used < block) {
        size_t size = arena->head == NULL ? FIRST_CHUNK : 2 * arena->head->size;
        const size_t cap = (size_t)64 << 20; /* past this, grow by what is asked, not by doubling */
        if (size > cap) size = cap;
        if (size < block) size = block;
        Chunk *chunk = chunk_create(size);
        if (chunk == NULL) {
            status_fail(STATUS_NOMEM, "memory: %zu bytes asked for; the system has no more", bytes);
            return NULL;
        }
        chunk->next = arena->head;
        arena->head = chunk;
        arena->system_calls++;
    }
    Chunk *chunk = arena->head;
    unsigned char *p = chunk->data + chunk->used;
    chunk->used += block;
    arena->used += block;
    note_peak(arena);
    UNPOISON(p, bytes == 0 ? 1 : bytes);
    return p;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    void *p = arena_try_alloc(arena, bytes);
    if (p == NULL) out_of_memory(bytes);
    return p;
}

void *alloc_or_exit(size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL) out_of_memory(bytes);
    return p;
}

void *arena_zalloc(Arena *arena, size_t bytes) { return memset(arena_alloc(arena, bytes), 0, bytes); }

char *arena_strdup(Arena *arena, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    return memcpy(arena_alloc(arena, bytes), text, bytes);
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void arena_reset(Arena *arena)
{
    if (arena->head != NULL && arena->head->next != NULL) {
        chunks_free(arena->head);
        arena->head = chunk_create(align_up(arena->peak_used));
        if (arena->head == NULL) out_of_memory(arena->peak_used);
        arena->system_calls++;
    }
    if (arena->head != NULL) {
        arena->head->used = 0;
        POISON(arena->head->data, arena->head->size);
    }
    arena->used = 0;
    buffers_reset(&arena->buffers);
}

void *arena_buffer(Arena *arena, size_t bytes)
{
    void *data = buffers_take(&arena->buffers, bytes);
    if (data == NULL) out_of_memory(bytes);
    note_peak(arena);
    return data;
}

void arena_share(Arena *arena, void *buffer) { buffers_share(&arena->buffers, buffer); }

void arena_release(Arena *arena, void *buffer)
{
    if (buffer != NULL) buffers_release(&arena->buffers, buffer);
}

int arena_owners(const Arena *arena, const void *buffer) { return buffers_owners(&arena->buffers, buffer); }

size_t arena_used_bytes(const Arena *arena) { return arena->used + arena->buffers.live; }
size_t arena_peak_bytes(const Arena *arena) { return arena->peak; }
size_t arena_system_calls(const Arena *arena) { return arena->system_calls + arena->buffers.system_calls; }
