#include "autograd/tape.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/requant_s16.h"

Tape *tape_create(Arena *owner, Arena *step)
{
    Tape *t = ARENA_ARRAY(owner, Tape, 1);
    t->arena = step;
    return t;
}

void tape_reset(Tape *t, bool grad)
{
    arena_reset(t->arena);
    *t = (Tape){.arena = t->arena, .grad = grad};
}

Status tape_fail(Tape *t, Status status)
{
    if (t->status == STATUS_OK) {
        t->status = status;
        snprintf(t->message, sizeof t->message, "%s", status_message());
    }
    return status;
}

void *tape_buffer(Tape *t, size_t bytes) { return arena_buffer(t->arena, bytes); }

void tape_share(Tape *t, void *buffer) { arena_share(t->arena, buffer); }

void tape_release(Tape *t, void *buffer) { arena_release(t->arena, buffer); }

static Tensor *tensor_header(Tape *t, const char *name, Shape shape)
{
    Tensor *y = arena_zalloc(t->arena, sizeof *y);
    y->name = name;
    y->shape = shape;
    return y;
}

static Tensor *owned_tensor(Tape *t, const char *name, Shape shape)
{
    Tensor *y = tensor_header(t, name, shape);
    y->owned = true;
    y->before = t->made;
    t->made = y;
    return y;
}

Tensor *tape_tensor(Tape *t, const char *name, Shape shape)
{
    Tensor *y = owned_tensor(t, name, shape);
    y->x = tape_buffer(t, sizeof(float) * (size_t)shape_elements(shape));
    return y;
}

Tensor *tape_codes(Tape *t, const char *name, Shape shape, const QuantParams *qp)
{
    Tensor *y = owned_tensor(t, name, shape);
    y->codes = tape_buffer(t, (size_t)shape_elements(shape));
    y->qp = qp;
    return y;
}

Tensor *tape_wide(Tape *t, const char *name, Shape shape, const QuantParams *qp)
{
    Tensor *y = tape_tensor(t, name, shape);
    y->wide = tape_buffer(t, sizeof *y->wide * (size_t)shape_elements(shape));
    y->qp = qp;
    return y;
}

Tensor *tape_alias(Tape *t, const char *name, Shape shape, const Tensor *x)
{
    ASSERT(x->deferred_norm == NULL);
    Tensor *y = x->owned ? owned_tensor(t, name, shape) : tensor_header(t, name, shape);
    y->x = x->x, y->codes = x->codes, y->wide = x->wide, y->sums = x->sums, y->qp = x->qp, y->sign = x->sign;
    if (y->owned && y->x != NULL) tape_share(t, y->x);
    if (y->owned && y->codes != NULL) tape_share(t, y->codes);
    if (y->owned && y->wide != NULL) tape_share(t, y->wide);
    if (y->owned && y->sums != NULL) tape_share(t, y->sums);
    return y;
}

void tensor_release(Tape *t, Tensor *x)
{
    if (!x->owned) return;
    tape_release(t, x->x);
    tape_release(t, x->codes);
    tape_release(t, x->wide);
    tape_release(t, x->sums);
    tape_release(t, x->dx);
    x->x = x->dx = NULL;
    x->codes = NULL;
    x->wide = NULL;
    x->sums = NULL;
}

void tape_release_since(Tape *t, const Tensor *made_before, const Tensor *keep)
{
    for (Tensor *x = t->made; x != made_before; x = x->before)
        if (x != keep) tensor_release(t, x);
}

Tensor *tape_leaf(Tape *t, const char *name, Shape shape, float *x, float *dx)
{
    Tensor *y = tensor_header(t, name, shape);
    y->x = x;
    y->dx = dx;
    y->needs_grad = dx != NULL;
    return y;
}

TapeNode *tape_record(Tape *t, const OpType *type, int inputs, Tensor *const *in, Tensor *out)
{
    ASSERT(inputs <= TAPE_NODE_MAX_INPUTS);
    bool needed = false;
    for (int i = 0; i < inputs; i++) needed |= in[i] != NULL && in[i]->needs_grad;
    if (!t->grad || !needed) return NULL;
    TapeNode *node = arena_zalloc(t->arena, sizeof *node);
    node->type = type;
    node->inputs = inputs;
    memcpy(node->in, in, sizeof *in * (size_t)inputs);
    node->out = out;
    node->previous = t->last;
    t->last = node;
    out->needs_grad = true;
    return node;
}

void node_keep(Tape *t, TapeNode *node, void *buffer)
{
    if (node == NULL) {
        tape_release(t, buffer);
    } else if (buffer != NULL) {
        ASSERT(node->kept < NODE_MAX_KEPT);
        node->keep[node->kept++] = buffer;
    }
}

typedef struct {
    const Tensor *t;
    float *x;
} Dequantize;

static void dequantize_chunk(void *context, const ParallelRows *rows)
{
    const Dequantize *d = context;
    const QuantParams *qp = d->t->qp;
    if (d->t->wide != NULL) {
        dequantize_s16((size_t)rows->n, d->t->wide + rows->first, qp->scale[0], d->x + rows->first);
        return;
    }
    if (qp->n == 1 && d->t->sign == NULL) {
        kernels()->dequantize((size_t)rows->n, d->t->codes + rows->first, qp->scale[0], qp->zero_point,
                              d->x + rows->first);
        return;
    }
    const ChannelView v = channel_view(d->t->shape, qp->axis <= 0);
    for (long i = rows->first; i < rows->last; i++) {
        const long c = channel_at(&v, i);
        const float scale = qp->scale[qp->n == 1 ? 0 : c] * (d->t->sign == NULL ? 1.0f : d->t->sign[c]);
        d->x[i] = scale * (float)(d->t->codes[i] - qp->zero_point);
    }
}

void tensor_dequantize(const Tensor *x, float *values)
{
    Dequantize d = {x, values};
    parallel_rows(tensor_elements(x), PARALLEL_CHUNKS, dequantize_chunk, &d);
}

const float *tensor_values(Tape *t, const Tensor *x)
{
    ASSERT(x->deferred_norm == NULL);
    if (x->x != NULL) return x->x;
    float *values = tape_buffer(t, sizeof(float) * (size_t)tensor_elements(x));
    tensor_dequantize(x, values);
    return values;
}

void tensor_values_release(Tape *t, const Tensor *x, const float *values)
{
    if (values != x->x) tape_release(t, (void *)(uintptr_t)values);
}

void tensor_values_keep(Tape *t, TapeNode *node, const Tensor *x, const float *values)
{
    if (values != x->x) node_keep(t, node, (void *)(uintptr_t)values);
}

/* ---- contracts --------------------------------------------------------------------------------------------------- */

typedef struct {
    int length[26];         /* bound to the letter; -1: free */
    const char *binder[26]; /* the input that bound it       */
    size_t binder_length[26];
} Bindings;

/* Matches one "name[A,B,C]" against a shape. */
static bool contract_input(Tape *t, const OpType *type, const char *name, size_t name_length, const char *dims,
                           const Tensor *x, Bindings *b)
{
    const char *where = t->where != NULL ? t->where : "";
    int rank = 0;
    for (const char *p = dims; *p != ']'; p++) rank += isupper((unsigned char)*p) != 0;
    if (x->shape.rank != rank) {
        tape_fail(t, status_fail(STATUS_SHAPE, "%s \"%s\": %.*s has shape %s; rank %d is required by %s", type->name,
                                 where, (int)name_length, name, shape_text(x->shape).text, rank, type->contract));
        return false;
    }
    int i = 0;
    for (const char *p = dims; *p != ']'; p++) {
        if (!isupper((unsigned char)*p)) continue;
        const int letter = *p - 'A', length = x->shape.dim[i++];
        if (b->length[letter] < 0) {
            b->length[letter] = length;
            b->binder[letter] = name;
            b->binder_length[letter] = name_length;
        } else if (b->length[letter] != length) {
            tape_fail(t, status_fail(STATUS_SHAPE, "%s \"%s\": %c is %d in %.*s but %d in %.*s; contract %s",
                                     type->name, where, *p, b->length[letter], (int)b->binder_length[letter],
                                     b->binder[letter], length, (int)name_length, name, type->contract));
            return false;
        }
    }
    return true;
}

bool tape_contract(Tape *t, const OpType *type, int inputs, Tensor *const *in)
{
    if (tape_failed(t)) return false;
    Bindings b;
    for (int i = 0; i < 26; i++) b.length[i] = -1;
    const char *p = type->contract;
    for (int i = 0; i < inputs; i++) {
        const char *name = p, *open = p + strcspn(p, "[");
        ASSERT(*open == '[');
        const bool many = open[-1] == '*', any = strncmp(open, "[...]", 5) == 0;
        const char *close = strchr(open, ']');
        const bool optional = close[1] == '?';
        if (in[i] == NULL) {
            ASSERT(optional); /* NULL without a kept failure is our bug */
        } else if (!any &&
                   !contract_input(t, type, name, (size_t)(open - name) - (many ? 1 : 0), open + 1, in[i], &b)) {
            return false;
        }
        if (many) continue;
        p = close + 1 + (optional ? 1 : 0);
        while (*p == ' ') p++;
    }
    return true;
}
