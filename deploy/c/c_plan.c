#include "deploy/c/c_plan.h"
#include "graph/node.h"

#include <stdlib.h>

#include "deploy/c/c_writer.h"
#include "graph/node_window.h"

/* What lies at a block's offset, and when.  Members of one block may be alive at the same time: a node that works in
 * place reads one and writes the other. */
typedef struct {
    int block, first, last;
    size_t bytes;
} Member;

typedef struct {
    int index;
    size_t bytes, offset; /* of the largest member */
} Block;

typedef struct {
    const Graph *g;
    CTensor *tensor;
    CNode *node;
    int *time;    /* [nodes] when it runs: a convolution by rows together with its add */
    int *root;    /* [tensors] the tensor whose bytes it shows */
    int *readers; /* [tensors] how many inputs of running nodes it is */
    int *last;    /* [tensors] of a root: when it is read for the last time */
    int *home;    /* [tensors] of a root: its block */
    Block *block;
    Member *member;
    int blocks, members;
    bool thrifty; /* convolutions work in place, at the price of copies */
} Build;

enum { BLOCK_ALIGN_BYTES = 4 };

int c_weight_width(const Node *n) { return n->weight_bits > 4 ? 8 : n->weight_bits > 2 ? 4 : 2; }

static void find_running(Build *b)
{
    const Graph *g = b->g;
    b->readers[g->output] = 1;
    for (int i = g->nodes - 1; i >= 0; i--) {
        const Node *n = &g->node[i];
        b->node[i].runs = b->readers[n->output] > 0;
        if (!b->node[i].runs) continue;
        for (int k = 0; k < n->inputs; k++) b->readers[n->input[k]]++;
    }
}

/* Reshapes show their input's bytes, but for an output that would be the caller's image itself. */
static void find_roots(Build *b)
{
    const Graph *g = b->g;
    for (int t = 0; t < g->tensors; t++) b->root[t] = t, b->last[t] = -1;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        if (!node_type(n)->shows_input) continue;
        const int root = b->root[n->input[0]];
        b->node[i].copies = b->node[i].runs && root == 0 && n->output == g->output;
        if (!b->node[i].copies) b->root[n->output] = root;
    }
}

/* The add that takes the rows of node i as they come, or NULL: the next to run, the only reader, with another second
 * input. */
static const Node *row_reader(const Build *b, int i)
{
    const Graph *g = b->g;
    const Node *n = &g->node[i];
    if (!node_type(n)->gives_rows || c_ops[n->op]->rows == NULL || n->geom.oh < 2) return NULL;
    if (n->output == g->output || b->readers[n->output] != 1) return NULL;
    int next = i + 1;
    while (next < g->nodes && !b->node[next].runs) next++;
    const Node *add = next < g->nodes ? &g->node[next] : NULL;
    if (add == NULL || !node_type(add)->takes_rows || !c_ops[add->op]->takes_rows) return NULL;
    return add->input[0] == n->output || add->input[1] == n->output ? add : NULL;
}

bool c_direct(const Node *n)
{
    enum { LEAST_RUN = 16 };
    const ConvGeom *g = &n->geom;
    return g->groups == 1 && g->dw == 1 && (g->kh == 1 || g->kw * g->c >= LEAST_RUN);
}

static void describe_nodes(Build *b)
{
    const Graph *g = b->g;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        const ConvGeom *c = &n->geom;
        CNode *to = &b->node[i];
        b->time[i] = i;
        if (!to->runs) continue;
        const Node *add = row_reader(b, i);
        if (add != NULL) {
            to->by_rows = true;
            to->row_bytes = (size_t)c->ow * (size_t)c->o;
            b->time[i] = (int)(add - g->node);
        }
        to->flat = c_ops[n->op]->flattens && add == NULL && window_is_cell(c) && c->groups == 1;
        for (int k = 0; k < n->inputs; k++) {
            int *last = &b->last[b->root[n->input[k]]];
            if (b->time[i] > *last) *last = b->time[i];
        }
    }
    b->last[b->root[g->output]] = g->nodes;
}

static bool can_overwrite(const Build *b, const Node *n)
{
    const NodeOverwrites can = node_type(n)->overwrites == NULL ? OVERWRITES_NOT : node_type(n)->overwrites(n);
    return can == OVERWRITES || (can == OVERWRITES_COPIED && b->thrifty && c_ops[n->op]->scratch_bytes != NULL);
}

/* The input whose bytes node i may overwrite, -1: none.  rows: the convolution that feeds it by rows, or NULL. */
static int overwritten_input(const Build *b, int i, const Node *rows)
{
    const Node *n = &b->g->node[i];
    if (!can_overwrite(b, n)) return -1;
    for (int k = 0; k < n->inputs; k++) {
        const int root = b->root[n->input[k]];
        const bool read_elsewhere = rows != NULL && b->root[rows->input[0]] == root;
        if (b->tensor[root].place == C_ARENA && b->last[root] == i && !read_elsewhere) return root;
    }
    return -1;
}

static void add_member(Build *b, int block, size_t bytes, int first, int last)
{
    bytes = (bytes + BLOCK_ALIGN_BYTES - 1) / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
    if (block == b->blocks) b->block[b->blocks++] = (Block){.index = block};
    if (bytes > b->block[block].bytes) b->block[block].bytes = bytes;
    b->member[b->members++] = (Member){block, first, last, bytes};
}

/* Until they have an offset, row and scratch hold their block. */
static void add_blocks(Build *b)
{
    const Graph *g = b->g;
    const Node *rows = NULL;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        CNode *node = &b->node[i];
        const int t = n->output, time = b->time[i];
        if (!node->runs) continue;
        if (node->by_rows) {
            node->row = (size_t)b->blocks;
            add_member(b, b->blocks, node->row_bytes, time, time);
        } else if (b->root[t] == t && t != b->root[g->output]) {
            const int over = overwritten_input(b, i, rows);
            b->tensor[t].place = C_ARENA;
            b->home[t] = over < 0 ? b->blocks : b->home[over];
            add_member(b, b->home[t], (size_t)graph_tensor_elements(&g->tensor[t]), time, b->last[t]);
            node->in_place = over >= 0 && node_has_weights(n);
        }
        rows = node->by_rows ? n : NULL;
        if (c_ops[n->op]->scratch_bytes != NULL) node->scratch_bytes = c_ops[n->op]->scratch_bytes(n, node->in_place);
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

/* The first byte behind all placed members that a block at `offset` would collide with; offset itself if none. */
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

/* Largest block first, each at the lowest offset where it collides with nothing. */
static size_t place(Arena *arena, Build *b)
{
    Block **order = ARENA_ARRAY(arena, Block *, b->blocks);
    bool *placed = ARENA_ARRAY(arena, bool, b->blocks);
    for (int i = 0; i < b->blocks; i++) order[i] = &b->block[i];
    qsort(order, (size_t)b->blocks, sizeof order[0], largest_first);
    size_t total = 0;
    for (int i = 0; i < b->blocks; i++) {
        Block *k = order[i];
        for (size_t next; (next = collision(b, placed, k->index, k->offset)) != k->offset;) k->offset = next;
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
        CNode *node = &b->node[i];
        if (!node->runs) continue;
        if (node->scratch_bytes > 0) node->scratch = b->block[node->scratch].offset;
        if (node->by_rows) node->row = b->block[node->row].offset;
        node->alive_bytes = alive_bytes(b, most, b->time[i]);
    }
    for (int t = 0; t < g->tensors; t++) {
        const int root = b->root[t];
        if (b->tensor[root].place == C_ARENA) b->tensor[root].offset = b->block[b->home[root]].offset;
        b->tensor[t] = b->tensor[root];
    }
}

static CPlan make(Arena *arena, const Graph *g, bool thrifty)
{
    const int n = g->tensors;
    Build b = {.g = g,
               .thrifty = thrifty,
               .tensor = ARENA_ARRAY(arena, CTensor, n),
               .node = ARENA_ARRAY(arena, CNode, g->nodes),
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
    b.tensor[0].place = C_INPUT;
    b.tensor[b.root[g->output]].place = C_OUTPUT;
    add_blocks(&b);
    const size_t bytes = place(arena, &b);
    write_offsets(arena, &b);
    return (CPlan){b.tensor, b.node, bytes};
}

CPlan c_plan_make(Arena *arena, const Graph *g)
{
    const CPlan plain = make(arena, g, false), thrifty = make(arena, g, true);
    return thrifty.arena_bytes < plain.arena_bytes ? thrifty : plain;
}
