#include "graph/plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "graph/node.h"

/* A run of bytes shared by a tensor and the reshapes of it. */
typedef struct {
    int tensor, first, last;
    size_t bytes, offset;
} Block;

static int largest_first(const void *a, const void *b)
{
    const Block *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->tensor - y->tensor;
}

static int lowest_first(const void *a, const void *b)
{
    const Block *x = *(const Block *const *)a, *y = *(const Block *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->tensor - y->tensor;
}

static size_t best_gap(const Block *placed, int n, const Block *b, const Block **alive)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (placed[i].first <= b->last && b->first <= placed[i].last) alive[count++] = &placed[i];
    qsort(alive, (size_t)count, sizeof alive[0], lowest_first);
    size_t end = 0, best = 0, best_size = SIZE_MAX;
    for (int i = 0; i < count; i++) {
        if (alive[i]->offset > end) {
            const size_t gap = alive[i]->offset - end;
            if (gap >= b->bytes && gap < best_size) best = end, best_size = gap;
        }
        const size_t stop = alive[i]->offset + alive[i]->bytes;
        if (stop > end) end = stop;
    }
    return best_size == SIZE_MAX ? end : best;
}

Plan plan_make(Arena *arena, const Graph *g)
{
    const int n = g->tensors;
    int *root = ARENA_ARRAY(arena, int, n), *first = ARENA_ARRAY(arena, int, n), *last = ARENA_ARRAY(arena, int, n);
    size_t *offset = ARENA_ARRAY(arena, size_t, n);
    for (int t = 0; t < n; t++) root[t] = t;
    first[0] = -1, last[0] = -1;
    for (int i = 0; i < g->nodes; i++) {
        const Node *node = &g->node[i];
        if (node_type(node)->shows_input) root[node->output] = root[node->input[0]];
        first[node->output] = last[node->output] = i;
        for (int k = 0; k < node->inputs; k++) last[node->input[k]] = i;
    }
    last[g->output] = g->nodes;

    Block *block = ARENA_ARRAY(arena, Block, n);
    const Block **alive = ARENA_ARRAY(arena, const Block *, n);
    int blocks = 0;
    for (int t = 0; t < n; t++) {
        if (root[t] != t) continue;
        const size_t bytes = (size_t)graph_tensor_elements(&g->tensor[t]);
        Block b = {.tensor = t, .first = first[t], .last = last[t]};
        b.bytes = (bytes + PLAN_ALIGN_BYTES - 1) / PLAN_ALIGN_BYTES * PLAN_ALIGN_BYTES;
        for (int s = 0; s < n; s++)
            if (root[s] == t && last[s] > b.last) b.last = last[s];
        block[blocks++] = b;
    }
    qsort(block, (size_t)blocks, sizeof block[0], largest_first);

    Plan plan = {.offset = offset, .first = first, .last = last};
    for (int i = 0; i < blocks; i++) {
        block[i].offset = best_gap(block, i, &block[i], alive);
        offset[block[i].tensor] = block[i].offset;
        if (block[i].offset + block[i].bytes > plan.bytes) plan.bytes = block[i].offset + block[i].bytes;
    }
    for (int t = 0; t < n; t++) offset[t] = offset[root[t]];
    return plan;
}

size_t plan_alive_bytes(Arena *arena, const Graph *g, const Plan *plan, int node)
{
    size_t bytes = 0;
    bool *counted = ARENA_ARRAY(arena, bool, g->tensors);
    for (int t = 0; t < g->tensors; t++) {
        if (plan->first[t] > node || plan->last[t] < node) continue;
        bool again = false; /* a reshape and what it was made of are the same bytes */
        for (int s = 0; s < t; s++) again |= counted[s] && plan->offset[s] == plan->offset[t];
        counted[t] = true;
        const size_t n = (size_t)graph_tensor_elements(&g->tensor[t]);
        if (!again) bytes += (n + PLAN_ALIGN_BYTES - 1) / PLAN_ALIGN_BYTES * PLAN_ALIGN_BYTES;
    }
    return bytes;
}

size_t graph_arena_bytes(const Graph *g)
{
    Arena *arena = arena_create();
    const size_t bytes = plan_make(arena, g).bytes;
    arena_destroy(arena);
    return bytes;
}
