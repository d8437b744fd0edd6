#include "graph/plan.h"

#include <stdint.h>
#include <stdlib.h>

#include "graph/node.h"

/* What lies at a block's offset, and when.  Members of one block may be alive at the same time: a node that works in
 * place reads one and writes the other. */
typedef struct {
    int block, first, last;
    size_t bytes;
} Member;

typedef struct {
    int index, first, last;
    size_t bytes, offset; /* of the largest member */
} Block;

typedef struct {
    const Graph *g;
    const PlanOptions *o;
    PlanTensor *tensor;
    PlanNode *node;
    int *time;    /* [nodes] when it runs: one that gives rows together with its reader */
    int *root;    /* [tensors] the tensor whose bytes it shows */
    int *readers; /* [tensors] how many inputs of running nodes it is */
    int *last;    /* [tensors] of a root: when it is read for the last time */
    int *home;    /* [tensors] of a root: its block */
    Block *block;
    Member *member;
    int blocks, members;
    bool thrifty; /* nodes work in place also at the price of copies */
} Build;

static void find_running(Build *b)
{
    const Graph *g = b->g;
    b->readers[g->output] = 1;
    for (int i = g->nodes - 1; i >= 0; i--) {
        const Node *n = &g->node[i];
        b->node[i].runs = !b->o->caller_owns || b->readers[n->output] > 0;
        if (!b->node[i].runs) continue;
        for (int k = 0; k < n->inputs; k++) b->readers[n->input[k]]++;
    }
}

/* Some nodes show their input's bytes, but for an output that would be the caller's image itself. */
static void find_roots(Build *b)
{
    const Graph *g = b->g;
    for (int t = 0; t < g->tensors; t++) b->root[t] = t, b->last[t] = -1;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        if (!node_type(n)->shows_input) continue;
        const int root = b->root[n->input[0]];
        b->node[i].copies = b->o->caller_owns && b->node[i].runs && root == 0 && n->output == g->output;
        if (!b->node[i].copies) b->root[n->output] = root;
    }
}

/* The node that takes the rows of node i as they come, or NULL: the next to run, the only reader, which reads something
 * else besides. */
static const Node *row_reader(const Build *b, int i)
{
    const Graph *g = b->g;
    const Node *n = &g->node[i];
    if (b->o->gives_rows == NULL || !node_type(n)->gives_rows || !b->o->gives_rows(n)) return NULL;
    if (n->output == g->output || b->readers[n->output] != 1 || g->tensor[n->output].h < 2) return NULL;
    int next = i + 1;
    while (next < g->nodes && !b->node[next].runs) next++;
    const Node *reader = next < g->nodes ? &g->node[next] : NULL;
    if (reader == NULL || !node_type(reader)->takes_rows || !b->o->takes_rows(reader)) return NULL;
    for (int k = 0; k < reader->inputs; k++)
        if (reader->input[k] == n->output) return reader;
    return NULL;
}

static void read_until(Build *b, int tensor, int time)
{
    int *last = &b->last[b->root[tensor]];
    if (time > *last) *last = time;
}

static void describe_nodes(Build *b)
{
    const Graph *g = b->g;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        PlanNode *to = &b->node[i];
        b->time[i] = i;
        if (!to->runs) continue;
        const Node *reader = row_reader(b, i);
        if (reader != NULL) {
            const GraphTensor *y = &g->tensor[n->output];
            to->by_rows = true;
            to->row_bytes = graph_tensor_bytes(y) / (size_t)y->h;
            b->time[i] = (int)(reader - g->node);
        }
        for (int k = 0; k < n->inputs; k++) read_until(b, n->input[k], b->time[i]);
        read_until(b, n->output, b->time[i]);
    }
    read_until(b, g->output, g->nodes);
}

static bool can_overwrite(const Build *b, const Node *n, int input)
{
    if (!b->o->in_place || node_type(n)->overwrites == NULL) return false;
    const NodeOverwrites can = node_type(n)->overwrites(b->g, n, input);
    return can == OVERWRITES || (can == OVERWRITES_COPIED && b->thrifty && b->o->copies(n));
}

/* The input whose bytes node i may overwrite, -1: none.  rows: the node that feeds it by rows, or NULL. */
static int overwritten_input(const Build *b, int i, const Node *rows)
{
    const Node *n = &b->g->node[i];
    for (int k = 0; k < n->inputs; k++) {
        const int root = b->root[n->input[k]];
        const bool read_elsewhere = rows != NULL && b->root[rows->input[0]] == root;
        if (!read_elsewhere && b->tensor[root].place == PLAN_ARENA && b->last[root] == i && can_overwrite(b, n, k))
            return root;
    }
    return -1;
}

static void add_member(Build *b, int block, size_t bytes, int first, int last)
{
    const size_t align = b->o->align_bytes;
    bytes = (bytes + align - 1) / align * align;
    if (block == b->blocks) b->block[b->blocks++] = (Block){.index = block, .first = first, .last = last};
    if (first < b->block[block].first) b->block[block].first = first;
    if (last > b->block[block].last) b->block[block].last = last;
    if (bytes > b->block[block].bytes) b->block[block].bytes = bytes;
    b->member[b->members++] = (Member){block, first, last, bytes};
}

static void add_tensor(Build *b, int t, int block, int time)
{
    b->tensor[t].place = PLAN_ARENA;
    b->home[t] = block;
    add_member(b, block, graph_tensor_bytes(&b->g->tensor[t]), time, b->last[t]);
}

/* Until they have an offset, row and scratch hold their block. */
static void add_blocks(Build *b)
{
    const Graph *g = b->g;
    const Node *rows = NULL;
    if (!b->o->caller_owns) add_tensor(b, 0, 0, -1);
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        PlanNode *node = &b->node[i];
        const int t = n->output, time = b->time[i];
        if (!node->runs) continue;
        if (node->by_rows) {
            node->row = (size_t)b->blocks;
            add_member(b, b->blocks, node->row_bytes, time, time);
        } else if (b->root[t] == t && !(b->o->caller_owns && t == b->root[g->output])) {
            const int over = overwritten_input(b, i, rows);
            add_tensor(b, t, over < 0 ? b->blocks : b->home[over], time);
            node->in_place = over >= 0 && node_has_weights(n);
        }
        rows = node->by_rows ? n : NULL;
        if (b->o->scratch_bytes != NULL) node->scratch_bytes = b->o->scratch_bytes(n, node->in_place);
        if (node->scratch_bytes == 0) continue;
        node->scratch = (size_t)b->blocks;
        add_member(b, b->blocks, node->scratch_bytes, time, time);
    }
}

static int largest_first(const void *a, const void *b)
{
    const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->index - y->index;
}

/* The first byte after all placed members that a block at `offset` would collide with; offset itself if none. */
static size_t collision(const Build *b, const bool *placed, int block, size_t offset)
{
    size_t end = offset;
    for (int i = 0; i < b->members; i++) {
        const Member *m = &b->member[i];
        if (m->block != block) continue;
        for (int k = 0; k < b->members; k++) {
            const Member *o = &b->member[k];
            if (!placed[o->block] || o->last < m->first || m->last < o->first) continue;
            const size_t at = b->block[o->block].offset;
            if (at < offset + m->bytes && offset < at + o->bytes && at + o->bytes > end) end = at + o->bytes;
        }
    }
    return end;
}

static size_t lowest_free(const Build *b, const bool *placed, const Block *k)
{
    size_t offset = 0;
    for (size_t next; (next = collision(b, placed, k->index, offset)) != offset;) offset = next;
    return offset;
}

static int lowest_first(const void *a, const void *b)
{
    const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->index - y->index;
}

/* The smallest gap among the blocks that live at the same time, or the end of them. */
static size_t best_gap(Block *const *placed, int n, const Block *b, Block **alive)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (placed[i]->first <= b->last && b->first <= placed[i]->last) alive[count++] = placed[i];
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

/* Largest block first. */
static size_t place(Arena *arena, Build *b)
{
    Block **order = ARENA_ARRAY(arena, Block *, b->blocks), **alive = ARENA_ARRAY(arena, Block *, b->blocks);
    bool *placed = ARENA_ARRAY(arena, bool, b->blocks);
    for (int i = 0; i < b->blocks; i++) order[i] = &b->block[i];
    qsort(order, (size_t)b->blocks, sizeof order[0], largest_first);
    size_t total = 0;
    for (int i = 0; i < b->blocks; i++) {
        Block *k = order[i];
        k->offset = b->o->best_fit ? best_gap(order, i, k, alive) : lowest_free(b, placed, k);
        placed[k->index] = true;
        if (k->offset + k->bytes > total) total = k->offset + k->bytes;
    }
    return total;
}

/* Bytes in use at a time: of each block its largest member. */
static size_t alive_bytes(const Build *b, size_t *most, int time)
{
    size_t sum = 0;
    for (int i = 0; i < b->blocks; i++) most[i] = 0;
    for (int i = 0; i < b->members; i++) {
        const Member *m = &b->member[i];
        if (m->first > time || m->last < time || m->bytes <= most[m->block]) continue;
        sum += m->bytes - most[m->block];
        most[m->block] = m->bytes;
    }
    return sum;
}

static void write_offsets(Arena *arena, Build *b)
{
    const Graph *g = b->g;
    size_t *most = ARENA_ARRAY(arena, size_t, b->blocks);
    for (int i = 0; i < g->nodes; i++) {
        PlanNode *node = &b->node[i];
        if (!node->runs) continue;
        if (node->scratch_bytes > 0) node->scratch = b->block[node->scratch].offset;
        if (node->by_rows) node->row = b->block[node->row].offset;
        node->alive_bytes = alive_bytes(b, most, b->time[i]);
    }
    for (int t = 0; t < g->tensors; t++) {
        const int root = b->root[t];
        if (b->tensor[root].place == PLAN_ARENA) b->tensor[root].offset = b->block[b->home[root]].offset;
        b->tensor[root].last = b->last[root];
        b->tensor[t] = b->tensor[root];
    }
}

static Plan make(Arena *arena, const Graph *g, const PlanOptions *options, bool thrifty)
{
    const int n = g->tensors;
    Build b = {.g = g,
               .o = options,
               .thrifty = thrifty,
               .tensor = ARENA_ARRAY(arena, PlanTensor, n),
               .node = ARENA_ARRAY(arena, PlanNode, g->nodes),
               .time = ARENA_ARRAY(arena, int, g->nodes),
               .root = ARENA_ARRAY(arena, int, n),
               .readers = ARENA_ARRAY(arena, int, n),
               .last = ARENA_ARRAY(arena, int, n),
               .home = ARENA_ARRAY(arena, int, n),
               .block = ARENA_ARRAY(arena, Block, 3 * n),
               .member = ARENA_ARRAY(arena, Member, 3 * n)};
    find_running(&b);
    find_roots(&b);
    describe_nodes(&b);
    b.tensor[0].first = -1;
    for (int i = 0; i < g->nodes; i++) b.tensor[g->node[i].output].first = b.time[i];
    if (options->caller_owns) {
        b.tensor[0].place = PLAN_INPUT;
        b.tensor[b.root[g->output]].place = PLAN_OUTPUT;
    }
    add_blocks(&b);
    const size_t bytes = place(arena, &b);
    write_offsets(arena, &b);
    return (Plan){bytes, b.tensor, b.node};
}

Plan plan_make(Arena *arena, const Graph *g, const PlanOptions *options)
{
    const Plan plain = make(arena, g, options, false);
    if (!options->in_place || options->copies == NULL) return plain;
    const Plan thrifty = make(arena, g, options, true);
    return thrifty.bytes < plain.bytes ? thrifty : plain;
}

const PlanOptions plan_of_engine = {.align_bytes = PLAN_ALIGN_BYTES, .best_fit = true};

size_t graph_arena_bytes(const Graph *g)
{
    Arena *arena = arena_create();
    const size_t bytes = plan_make(arena, g, &plan_of_engine).bytes;
    arena_destroy(arena);
    return bytes;
}
