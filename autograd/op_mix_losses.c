/* Two losses as one; see ops.h.   da = (1 - share) dy, db = share dy. */
#include "autograd/ops.h"

static void mix_backward(Tape *t, TapeNode *node)
{
    const float share = *(const float *)node->saved, dy = node->out->dx[0];
    const float factor[2] = {1.0f - share, share};
    for (int i = 0; i < 2; i++) {
        float *dx = tensor_grad(t, node->in[i]);
        if (dx != NULL) dx[0] += factor[i] * dy;
    }
}

static const OpType mix_type = {"mix_losses", "a[A] b[A] -> y[A]", mix_backward};

Tensor *op_mix_losses(Tape *t, Tensor *a, Tensor *b, float share)
{
    Tensor *in[] = {a, b};
    if (!tape_contract(t, &mix_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "loss", a->shape);
    y->x[0] = (1.0f - share) * a->x[0] + share * b->x[0];
    TapeNode *node = tape_record(t, &mix_type, 2, in, y);
    if (node == NULL) return y;
    float *kept = arena_alloc(t->arena, sizeof *kept);
    *kept = share;
    node->saved = kept;
    return y;
}
