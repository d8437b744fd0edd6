/* The same elements under another shape; values and codes are shared, not copied. */
#include "autograd/ops.h"

static void reshape_backward(Tape *t, TapeNode *node) { tensor_grad_pass(t, node->in[0], node->out); }

static const OpType reshape_type = {"reshape", "x[...] -> y[...]", reshape_backward};

Tensor *op_reshape(Tape *t, Tensor *x, Shape shape)
{
    if (!tape_contract(t, &reshape_type, 1, &x)) return NULL;
    if (shape_elements(shape) != tensor_elements(x)) {
        tape_fail(t, status_fail(STATUS_SHAPE, "reshape \"%s\": %s to %s; the element counts must agree",
                                 t->where != NULL ? t->where : "", shape_text(x->shape).text, shape_text(shape).text));
        return NULL;
    }
    Tensor *y = tape_alias(t, "reshape", shape, x);
    tape_record(t, &reshape_type, 1, &x, y);
    return y;
}
