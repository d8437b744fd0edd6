/* Identity whose gradient is quantized; see int_ops.h. */
#include "quant/int_ops.h"

#include <string.h>

static void quantize_backward(Tape *t, TapeNode *node)
{
    const GradientQuant *gradient = node->saved;
    const long n = tensor_elements(node->out), images = node->out->shape.dim[0];
    float *dx = tensor_grad(t, node->in[0]);
    if (dx == NULL) return;
    float *dq = tape_buffer(t, sizeof *dq * (size_t)n); /* others may read dy */
    memcpy(dq, node->out->dx, sizeof *dq * (size_t)n);
    gradient_quantize(gradient, 0, images, (size_t)(n / images), dq);
    for (long i = 0; i < n; i++) dx[i] += dq[i];
    tape_release(t, dq);
}

static const OpType quantize_type = {"quantize_gradient", "x[...] -> y[...]", quantize_backward};

Tensor *op_quantize_gradient(Tape *t, Tensor *x, const GradientQuant *gradient)
{
    if (gradient == NULL || !t->grad) return x;
    if (!tape_contract(t, &quantize_type, 1, &x)) return NULL;
    Tensor *y = tape_alias(t, "quantize_gradient", x->shape, x);
    TapeNode *node = tape_record(t, &quantize_type, 1, &x, y);
    if (node != NULL) node->saved = (void *)gradient;
    return y;
}
