/* Residual add with its activation and quantizer; see fused_ops.h. */
#include "quant/fake_quant.h"
#include "quant/fused_ops.h"

#include <math.h>

typedef struct {
    const Tensor *a, *b;
    Epilogue *epilogue;
    float *dy;
    size_t n;
} Add;

/* x[at .. at + n), in `block` when x exists as codes only or is still to be normalized. */
static const float *values(const Tensor *x, size_t at, size_t n, float *block)
{
    if (x->deferred_norm != NULL) {
        const DeferredNorm *a = x->deferred_norm;
        const size_t channel = at % (size_t)x->shape.dim[3];
        kernels()->scale_shift(n, a->period, a->scale + channel, a->shift + channel, x->x + at, block);
        return block;
    }
    if (x->codes == NULL) return x->x + at;
    kernels()->dequantize(n, x->codes + at, x->qp->scale[0], x->qp->zero_point, block);
    return block;
}

static void sum(const Add *d, size_t at, size_t n, float *z)
{
    float spare[EPILOGUE_BLOCK];
    const float *a = values(d->a, at, n, z), *b = values(d->b, at, n, spare);
    kernels()->add_f32(n, a, b, z);
}

typedef void PieceFn(const Add *d, int chunk, size_t at, size_t n);

static void for_pieces(const Add *d, const ParallelRows *rows, PieceFn *fn)
{
    const size_t C = (size_t)d->a->shape.dim[3], last = (size_t)rows->last;
    for (size_t at = (size_t)rows->first, n; at < last; at += n) {
        n = epilogue_piece(C, at, last);
        fn(d, rows->chunk, at, n);
    }
}

static void for_images(Add *d, ParallelRowsFn *fn)
{
    const long images = d->a->shape.dim[0];
    parallel_images(images, (long)d->n / images, fn, d);
}

static void forward_piece(const Add *d, int chunk, size_t at, size_t n)
{
    float block[EPILOGUE_BLOCK], *y = d->epilogue->y->x, *z = y != NULL ? y + at : block;
    sum(d, at, n, z);
    epilogue_values(d->epilogue, chunk, at, n, z);
}

static void forward_chunk(void *context, const ParallelRows *rows) { for_pieces(context, rows, forward_piece); }

static void backward_piece(const Add *d, int chunk, size_t at, size_t n)
{
    float block[EPILOGUE_BLOCK];
    const float *z = d->epilogue->y->x; /* floats are gated by y, which is inside the activation where z is */
    if (z == NULL)
        sum(d, at, n, block), z = block;
    else
        z += at;
    if (epilogue_learns(d->epilogue)) epilogue_params_add(d->epilogue, chunk, n, z, d->dy + at);
    epilogue_gate(d->epilogue, n, z, d->dy + at, d->dy + at);
}

static void backward_chunk(void *context, const ParallelRows *rows) { for_pieces(context, rows, backward_piece); }

/* The gated gradient takes the place of y's, which nobody reads any more, and both operands share it. */
static void add_backward(Tape *t, TapeNode *node)
{
    Add *d = node->saved;
    if (d->epilogue->q != NULL || d->epilogue->act.relu) {
        d->dy = tensor_grad(t, node->out);
        for_images(d, backward_chunk);
        if (epilogue_learns(d->epilogue)) epilogue_params_end(d->epilogue);
    }
    tensor_grad_pass(t, node->in[0], node->out);
    tensor_grad_pass(t, node->in[1], node->out);
}

static const OpType add_type = {"add", "a[N,H,W,C] b[N,H,W,C] learned[A]? -> y[N,H,W,C]", add_backward};

Tensor *op_add_block(Tape *t, Tensor *a, Tensor *b, const EpilogueConfig *config)
{
    if (!epilogue_is_fused(config)) {
        Tensor *z = op_add_block(t, a, b, &(EpilogueConfig){.act = {.limit = INFINITY}});
        return z == NULL ? NULL : op_fake_quant(t, z, config->q, config->act, config->learn);
    }
    if (config->q != NULL && !grid_ready(t, config->q)) return NULL;
    Tensor *in[] = {a, b, config->q == NULL ? NULL : learned_leaf(t, config->q)};
    if (!tape_contract(t, &add_type, 3, in)) return NULL;
    Add *d = arena_zalloc(t->arena, sizeof *d);
    *d = (Add){.a = a, .b = b, .epilogue = epilogue_make(t, "add", a->shape, config), .n = (size_t)tensor_elements(a)};
    for_images(d, forward_chunk);
    if (!epilogue_done(t, d->epilogue)) return NULL;
    TapeNode *node = tape_record(t, &add_type, 3, in, d->epilogue->y);
    if (node != NULL) node->saved = d;
    return d->epilogue->y;
}
