/* Gradients of tensors: made by the first consumer that runs backward, shared while nobody adds to them. */
#include "autograd/ops.h"

#include <string.h>

#include "base/parallel.h"

typedef struct {
    const float *a, *b; /* b NULL: a copy */
    float *y;
} Sum;

static void sum_chunk(void *context, const ParallelRows *rows)
{
    const Sum *s = context;
    const size_t n = (size_t)rows->n;
    if (s->b == NULL)
        memcpy(s->y + rows->first, s->a + rows->first, sizeof *s->y * n);
    else
        kernels()->add_f32(n, s->a + rows->first, s->b + rows->first, s->y + rows->first);
}

void add_values(const float *a, const float *b, float *y, long n)
{
    Sum s = {a, b, y};
    parallel_rows(n, PARALLEL_CHUNKS, sum_chunk, &s);
}

static float *new_gradient(Tape *t, const Tensor *x)
{
    return tape_buffer(t, sizeof(float) * (size_t)tensor_elements(x));
}

static bool is_shared(const Tape *t, const Tensor *x) { return x->owned && arena_owners(t->arena, x->dx) > 1; }

/* x gets a gradient of its own instead of the shared one: a + b, or a copy of a. */
static void replace_gradient(Tape *t, Tensor *x, const float *a, const float *b)
{
    float *own = new_gradient(t, x);
    add_values(a, b, own, tensor_elements(x));
    tape_release(t, x->dx);
    x->dx = own;
}

float *tensor_grad_fresh(Tape *t, Tensor *x, bool *fresh)
{
    *fresh = false;
    if (x == NULL || !x->needs_grad) return NULL;
    *fresh = x->dx == NULL;
    if (x->dx == NULL)
        x->dx = new_gradient(t, x);
    else if (is_shared(t, x))
        replace_gradient(t, x, x->dx, NULL);
    return x->dx;
}

float *tensor_grad(Tape *t, Tensor *x)
{
    bool fresh;
    float *dx = tensor_grad_fresh(t, x, &fresh);
    if (fresh) parallel_zero(dx, sizeof(float) * (size_t)tensor_elements(x));
    return dx;
}

void add_gradient(Tape *t, Tensor *x, const float *dy)
{
    if (x == NULL || !x->needs_grad) return;
    if (x->dx != NULL && is_shared(t, x)) {
        replace_gradient(t, x, x->dx, dy);
        return;
    }
    bool fresh;
    float *dx = tensor_grad_fresh(t, x, &fresh);
    add_values(dy, fresh ? NULL : dx, dx, tensor_elements(x));
}

void tensor_grad_pass(Tape *t, Tensor *x, const Tensor *from)
{
    if (x != NULL && x->needs_grad && x->dx == NULL && x->owned && from->owned) {
        tape_share(t, from->dx);
        x->dx = from->dx;
    } else {
        add_gradient(t, x, from->dx);
    }
}

Status tape_backward(Tape *t, Tensor *loss)
{
    if (tape_failed(t)) return t->status;
    ASSERT(loss->needs_grad && tensor_elements(loss) == 1);
    tensor_grad(t, loss)[0] = 1.0f;
    for (TapeNode *n = t->last; n != NULL; n = n->previous) {
        if (n->out->dx != NULL) n->type->backward(t, n); /* no dx: the loss does not depend on it */
        if (n->out != loss) tensor_release(t, n->out);
        while (n->kept > 0) tape_release(t, n->keep[--n->kept]);
    }
    return t->status;
}
