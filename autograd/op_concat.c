/* y = the inputs side by side along the channels. */
#include "autograd/ops.h"

#include <string.h>

static void concat_backward(Tape *t, Node *node)
{
    const int total = node->out->shape.dim[3];
    const long rows = tensor_elements(node->out) / total;
    int at = 0;
    for (int i = 0; i < node->inputs; i++) {
        const int c = node->in[i]->shape.dim[3];
        float *dx = tensor_grad(t, node->in[i]);
        for (long r = 0; dx != NULL && r < rows; r++)
            for (int k = 0; k < c; k++) dx[r * c + k] += node->out->dx[r * total + at + k];
        at += c;
    }
}

static const OpType concat_type = {"concat", "x*[N,H,W,...] -> y[N,H,W,C]", concat_backward};

/* The lengths before the channels must agree; a contract's letters cannot say "all but the last". */
static bool concat_fits(Tape *t, int inputs, Tensor *const *x)
{
    if (tape_failed(t)) return false;
    for (int i = 0; i < inputs; i++) {
        if (x[i]->shape.rank == 4 && memcmp(x[i]->shape.dim, x[0]->shape.dim, 3 * sizeof(int)) == 0) continue;
        tape_fail(t, status_fail(STATUS_SHAPE, "concat \"%s\": %s beside %s; all lengths but the last must agree",
                                 t->where != NULL ? t->where : "", shape_text(x[0]->shape).text,
                                 shape_text(x[i]->shape).text));
        return false;
    }
    return true;
}

Tensor *op_concat(Tape *t, int inputs, Tensor *const *x)
{
    if (!concat_fits(t, inputs, x)) return NULL;
    Shape shape = x[0]->shape;
    shape.dim[3] = 0;
    for (int i = 0; i < inputs; i++) shape.dim[3] += x[i]->shape.dim[3];
    Tensor *y = tape_tensor(t, "concat", shape);
    const long rows = tensor_elements(y) / shape.dim[3];
    float *to = y->x;
    const float *from[NODE_MAX_INPUTS];
    for (int i = 0; i < inputs; i++) from[i] = tensor_values(t, x[i]);
    for (long r = 0; r < rows; r++)
        for (int i = 0; i < inputs; i++) {
            const int c = x[i]->shape.dim[3];
            memcpy(to, from[i] + r * c, sizeof(float) * (size_t)c);
            to += c;
        }
    tape_record(t, &concat_type, inputs, x, y);
    return y;
}
