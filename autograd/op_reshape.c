/* The same elements under another shape; values and codes are shared, not copied. */
#include "autograd/ops.h"

static void reshape_backward(Tape *t, Node *node) { add_gradient(t, node->in[0], node->out->dx); }

static const OpType reshape_type = {"reshape", "x[...] -> y[...]", reshape_backward};

Tensor *op_reshape(Tape *t, Tensor *x, Shape shape)
{
    if (!tape_contract(t, &reshape_type, 1, &x)) return NULL;
    if (shape_elements(shape) != tensor_elements(x)) {
        tape_fail(t, status_fail(STATUS_SHAPE, "reshape \"%s\": %s to %s; the element counts must agree",
                                 t->where != NULL ? t->where : "", shape_text(x->shape).text, shape_text(shape).text));
        return NULL;
    }
    Tensor *y = arena_zalloc(t->arena, sizeof *y);
    *y = (Tensor){.name = "reshape", .shape = shape, .x = x->x, .codes = x->codes, .qp = x->qp};
    tape_record(t, &reshape_type, 1, &x, y);
    return y;
}
