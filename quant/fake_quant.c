#include "quant/fake_quant.h"

#include "base/parallel.h"
#include "quant/epilogue.h"

typedef struct {
    const float *x, *dy;
    float *dx;
    Epilogue *epilogue;
    long n, images;
} FakeQuant;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const FakeQuant *f = context;
    epilogue_values(f->epilogue, rows->chunk, (size_t)rows->first, (size_t)rows->n, f->x + rows->first);
}

static void backward_chunk(void *context, const ParallelRows *rows)
{
    const FakeQuant *f = context;
    for (long at = rows->first; at < rows->last; at += EPILOGUE_BLOCK) {
        const size_t n = (size_t)(rows->last - at < EPILOGUE_BLOCK ? rows->last - at : EPILOGUE_BLOCK);
        if (epilogue_learns(f->epilogue)) epilogue_params_add(f->epilogue, rows->chunk, n, f->x + at, f->dy + at);
        if (f->dx != NULL) epilogue_backward(f->epilogue, n, f->x + at, f->dy + at, f->dx + at);
    }
}

static void fake_quant_backward(Tape *t, TapeNode *node)
{
    FakeQuant *f = node->saved;
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    f->dy = node->out->dx;
    f->dx = dx == NULL || fresh ? dx : tape_buffer(t, sizeof(float) * (size_t)f->n);
    parallel_images(f->images, f->n / f->images, backward_chunk, f);
    if (epilogue_learns(f->epilogue)) epilogue_params_end(f->epilogue);
    if (dx == NULL || fresh) return;
    add_gradient(t, node->in[0], f->dx);
    tape_release(t, f->dx);
}

static const OpType fake_quant_type = {"fake_quant", "x[...] learned[A]? -> y[...]", fake_quant_backward};

Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn)
{
    Tensor *in[] = {x, learned_leaf(t, q)};
    if (!tape_contract(t, &fake_quant_type, 2, in)) return NULL;
    if (!grid_ready(t, q)) return NULL;
    FakeQuant *f = arena_zalloc(t->arena, sizeof *f);
    *f = (FakeQuant){.x = tensor_values(t, x),
                     .epilogue =
                         epilogue_make(t, q->name, x->shape, &(EpilogueConfig){.act = a, .q = q, .learn = learn}),
                     .n = tensor_elements(x),
                     .images = x->shape.dim[0]};
    parallel_images(f->images, f->n / f->images, forward_chunk, f);
    if (!epilogue_done(t, f->epilogue)) return NULL;
    TapeNode *node = tape_record(t, &fake_quant_type, 2, in, f->epilogue->y);
    tensor_values_keep(t, node, x, f->x);
    if (node != NULL) node->saved = f;
    return f->epilogue->y;
}
