/* Residual add with its activation and quantizer; see fused_ops.h. */
#include "quant/fused_ops.h"

typedef struct {
    const Tensor *a, *b;
    Tail *tail;
    float *dy;
    size_t n;
} Add;

/* x[at .. at + n), in `block` when x exists as codes only or is still to be normalized. */
static const float *values(const Tensor *x, size_t at, size_t n, float *block)
{
    if (x->affine != NULL) {
        const Affine *a = x->affine;
        const size_t channel = at % (size_t)x->shape.dim[3];
        kernels()->pass_affine(n, a->period, a->scale + channel, a->shift + channel, x->x + at, block);
        return block;
    }
    if (x->codes == NULL) return x->x + at;
    kernels()->dequantize(n, x->codes + at, x->qp->scale[0], x->qp->zero_point, block);
    return block;
}

static void sum(const Add *d, size_t at, size_t n, float *z)
{
    float spare[TAIL_BLOCK];
    const float *a = values(d->a, at, n, z), *b = values(d->b, at, n, spare);
    kernels()->pass_add(n, a, b, z);
}

typedef void PieceFn(const Add *d, int chunk, size_t at, size_t n);

static void for_pieces(const Add *d, int chunk, PieceFn *fn)
{
    long first, last;
    const size_t C = (size_t)d->a->shape.dim[3];
    parallel_range((long)(d->n / C), PARALLEL_CHUNKS, chunk, &first, &last);
    for (size_t at = (size_t)first * C, n; at < (size_t)last * C; at += n) {
        n = tail_piece(C, at, (size_t)last * C);
        fn(d, chunk, at, n);
    }
}

static void forward_piece(const Add *d, int chunk, size_t at, size_t n)
{
    float block[TAIL_BLOCK], *y = d->tail->y->x, *z = y != NULL ? y + at : block;
    sum(d, at, n, z);
    tail_values(d->tail, chunk, at, n, z);
}

static void forward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_pieces(context, chunk, forward_piece);
}

static void backward_piece(const Add *d, int chunk, size_t at, size_t n)
{
    float block[TAIL_BLOCK];
    const float *z = d->tail->y->x; /* floats are gated by y, which is inside the activation where z is */
    if (z == NULL)
        sum(d, at, n, block), z = block;
    else
        z += at;
    if (tail_learns(d->tail)) tail_step_add(d->tail, chunk, n, z, d->dy + at);
    tail_gate(d->tail, n, z, d->dy + at, d->dy + at);
}

static void backward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_pieces(context, chunk, backward_piece);
}

/* The gated gradient takes the place of y's, which nobody reads any more, and both operands share it. */
static void add_backward(Tape *t, Node *node)
{
    Add *d = node->saved;
    if (d->tail->q != NULL || d->tail->act.relu) {
        d->dy = tensor_grad(t, node->out);
        parallel_for(PARALLEL_CHUNKS, backward_chunk, d);
        if (tail_learns(d->tail)) tail_step_end(d->tail);
    }
    tensor_grad_pass(t, node->in[0], node->out);
    tensor_grad_pass(t, node->in[1], node->out);
}

static const OpType add_type = {"add", "a[N,H,W,C] b[N,H,W,C] step[A]? -> y[N,H,W,C]", add_backward};

Tensor *op_add_block(Tape *t, Tensor *a, Tensor *b, const TailConfig *config)
{
    if (config->q != NULL && !grid_ready(t, config->q)) return NULL;
    Tensor *in[] = {a, b, config->q == NULL ? NULL : step_leaf(t, config->q)};
    if (!tape_contract(t, &add_type, 3, in)) return NULL;
    Add *d = arena_zalloc(t->arena, sizeof *d);
    *d = (Add){.a = a, .b = b, .tail = tail_make(t, "add", a->shape, config), .n = (size_t)tensor_elements(a)};
    parallel_for(PARALLEL_CHUNKS, forward_chunk, d);
    if (!tail_done(t, d->tail)) return NULL;
    Node *node = tape_record(t, &add_type, 3, in, d->tail->y);
    if (node != NULL) node->saved = d;
    return d->tail->y;
}
