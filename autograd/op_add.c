/* y = a + b. */
#include "autograd/ops.h"

static void add_backward(Tape *t, TapeNode *node)
{
    tensor_grad_pass(t, node->in[0], node->out);
    tensor_grad_pass(t, node->in[1], node->out);
}

static const OpType add_type = {"add", "a[N,H,W,C] b[N,H,W,C] -> y[N,H,W,C]", add_backward};

Tensor *op_add(Tape *t, Tensor *a, Tensor *b)
{
    Tensor *in[] = {a, b};
    if (!tape_contract(t, &add_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "add", a->shape);
    const float *a_values = tensor_values(t, a), *b_values = tensor_values(t, b);
    add_values(a_values, b_values, y->x, tensor_elements(y));
    tensor_values_release(t, a, a_values);
    tensor_values_release(t, b, b_values);
    tape_record(t, &add_type, 2, in, y);
    return y;
}
