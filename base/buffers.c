#include "base/buffers.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/align.h"
#include "base/poison.h"
#include "base/status.h"

/* Blocks of a page and more begin at different places of their pages: streams that march through several of them in
 * step would else meet in the same cache sets, and loads wait for stores with the same low 12 bits. */
enum { PAGE = 4096, STAGGER = 39 * ALIGN_BYTES };
static const size_t SMALLEST_RESERVE = (size_t)1 << 20, SMALLEST_GROWTH = (size_t)2 << 20;

typedef struct Block {
    _Alignas(ALIGN_BYTES) size_t size; /* of the data after this header */
    struct Block *before;              /* the neighbour at the lower address; NULL: the first block */
    struct Block *next, **link;        /* in the list of free blocks: the next one, and what points here */
    int owners;                        /* 0: free */
} Block;
_Static_assert(sizeof(Block) == ALIGN_BYTES, "data follow the header at once");

static size_t round_up(size_t bytes, size_t unit) { return (bytes + (unit - 1)) / unit * unit; }

static unsigned char *data_of(Block *k) { return (unsigned char *)(k + 1); }

MAY_TOUCH_POISON static Block *after(Block *k) { return (Block *)(void *)(data_of(k) + k->size); }

static Block *block_of(const Buffers *b, const void *data)
{
    ASSERT((const unsigned char *)data > b->base && (const unsigned char *)data < b->base + b->top);
    return (Block *)(uintptr_t)data - 1;
}

static size_t system_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* As many addresses as the machine has memory.  Where fewer are allowed (ulimit -v), most of what is. */
static void reserve(Buffers *b)
{
    const size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t size = round_up(all, SMALLEST_GROWTH);
    bool whole = true;
    for (; size >= SMALLEST_RESERVE; size = size / 8 * 7, whole = false) {
        size = round_up(size, system_page());
        void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) continue;
        b->system_calls++;
        b->base = p;
        b->reserved = size;
        if (!whole) {
            b->reserved = round_up(size / 4 * 3, system_page());
            munmap(b->base + b->reserved, size - b->reserved);
        }
        return;
    }
}

/* Makes the first `bytes` usable, in steps that grow with what there is. */
static bool grow(Buffers *b, size_t bytes)
{
    if (b->base == NULL) reserve(b);
    if (bytes <= b->writable) return true;
    if (bytes > b->reserved) return false;
    size_t to = round_up(bytes + b->writable / 2, SMALLEST_GROWTH);
    if (to > b->reserved) to = b->reserved;
    if (mprotect(b->base + b->writable, to - b->writable, PROT_READ | PROT_WRITE) != 0) {
        to = round_up(bytes, system_page());
        if (mprotect(b->base + b->writable, to - b->writable, PROT_READ | PROT_WRITE) != 0) return false;
    }
    b->system_calls++;
    POISON(b->base + b->writable, to - b->writable);
    b->writable = to;
    return true;
}

MAY_TOUCH_POISON static void list_insert(Buffers *b, Block *k)
{
    k->owners = 0;
    k->next = b->free;
    k->link = &b->free;
    if (k->next != NULL) k->next->link = &k->next;
    b->free = k;
}

MAY_TOUCH_POISON static void list_remove(Block *k)
{
    *k->link = k->next;
    if (k->next != NULL) k->next->link = k->link;
}

MAY_TOUCH_POISON static Block *best_fit(const Buffers *b, size_t size)
{
    Block *best = NULL;
    for (Block *k = b->free; k != NULL; k = k->next)
        if (k->size >= size && (best == NULL || k->size < best->size || (k->size == best->size && k < best))) best = k;
    return best;
}

/* Cuts what is beyond `size` off the free block `k`, which is in no list. */
MAY_TOUCH_POISON static void split(Buffers *b, Block *k, size_t size)
{
    if (k->size < size + sizeof(Block) + ALIGN_BYTES) return;
    const size_t rest = k->size - size - sizeof(Block);
    k->size = size;
    Block *other = after(k);
    other->size = rest;
    other->before = k;
    after(other)->before = other; /* a free block is never the last */
    list_insert(b, other);
}

MAY_TOUCH_POISON void *buffers_take(Buffers *b, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) return NULL;
    size_t size = align_up(bytes == 0 ? 1 : bytes) + POISON_GAP;
    if (size >= PAGE) size = round_up(size - STAGGER, PAGE) + STAGGER;
    Block *k = best_fit(b, size);
    if (k != NULL) {
        list_remove(k);
        split(b, k, size);
    } else {
        if (!grow(b, b->top + sizeof *k + size)) return NULL;
        k = (Block *)(void *)(b->base + b->top);
        k->size = size;
        k->before = b->last;
        b->last = k;
        b->top += sizeof *k + size;
    }
    k->owners = 1;
    b->live += sizeof *k + k->size;
    UNPOISON(data_of(k), bytes == 0 ? 1 : bytes);
    return data_of(k);
}

MAY_TOUCH_POISON void buffers_share(Buffers *b, void *data)
{
    Block *k = block_of(b, data);
    ASSERT(k->owners > 0);
    k->owners++;
}

MAY_TOUCH_POISON int buffers_owners(const Buffers *b, const void *data) { return block_of(b, data)->owners; }

MAY_TOUCH_POISON void buffers_release(Buffers *b, void *data)
{
    Block *k = block_of(b, data);
    ASSERT(k->owners > 0);
    if (--k->owners > 0) return;
    b->live -= sizeof *k + k->size;
    POISON(data_of(k), k->size);
    Block *low = k->before;
    const bool is_last = k == b->last;
    if (!is_last && after(k)->owners == 0) {
        list_remove(after(k));
        k->size += sizeof *k + after(k)->size;
    }
    if (low != NULL && low->owners == 0) {
        list_remove(low);
        low->size += sizeof *k + k->size;
        k = low;
    }
    if (is_last) {
        b->last = k->before;
        b->top = (size_t)((unsigned char *)k - b->base);
    } else {
        after(k)->before = k;
        list_insert(b, k);
    }
}

void buffers_reset(Buffers *b)
{
    if (b->base != NULL) POISON(b->base, b->writable);
    b->top = 0;
    b->last = b->free = NULL;
    b->live = 0;
}

void buffers_destroy(Buffers *b)
{
    if (b->base == NULL) return;
    UNPOISON(b->base, b->writable);
    munmap(b->base, b->reserved);
    *b = (Buffers){0};
}
