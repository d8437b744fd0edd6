/* y = the inputs side by side along the channels. */
#include "autograd/ops.h"

#include <string.h>

#include "base/parallel.h"

/* One input's columns [at, at + c) of the rows of `total` channels. */
typedef struct {
    const float *from;
    float *to;
    int c, from_row, to_row;
    bool add;
} Columns;

typedef struct {
    Columns part[TAPE_NODE_MAX_INPUTS];
    int parts;
    long rows;
} Concat;

static void columns_chunk(void *context, const ParallelRows *rows)
{
    const Concat *d = context;
    for (int i = 0; i < d->parts; i++) {
        const Columns *p = &d->part[i];
        for (long r = rows->first; r < rows->last; r++) {
            const float *from = p->from + r * p->from_row;
            float *to = p->to + r * p->to_row;
            if (!p->add) {
                memcpy(to, from, sizeof *to * (size_t)p->c);
                continue;
            }
#pragma omp simd
            for (int k = 0; k < p->c; k++) to[k] += from[k];
        }
    }
}

void concat_gradients(Tape *t, int inputs, Tensor *const *x, const Tensor *y)
{
    const int total = y->shape.dim[3];
    Concat d = {.rows = tensor_elements(y) / total};
    int at = 0;
    for (int i = 0; i < inputs; i++) {
        const int c = x[i]->shape.dim[3];
        bool fresh;
        float *dx = tensor_grad_fresh(t, x[i], &fresh);
        if (dx != NULL)
            d.part[d.parts++] =
                (Columns){.from = y->dx + at, .to = dx, .c = c, .from_row = total, .to_row = c, .add = !fresh};
        at += c;
    }
    parallel_rows(d.rows, PARALLEL_CHUNKS, columns_chunk, &d);
}

static void concat_backward(Tape *t, TapeNode *node) { concat_gradients(t, node->inputs, node->in, node->out); }

static const OpType concat_type = {"concat", "x*[N,H,W,...] -> y[N,H,W,C]", concat_backward};

/* A contract's letters cannot say "all but the last". */
bool concat_fits(Tape *t, int inputs, Tensor *const *x)
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
    Concat d = {.parts = inputs, .rows = tensor_elements(y) / shape.dim[3]};
    int at = 0;
    for (int i = 0; i < inputs; i++) {
        const int c = x[i]->shape.dim[3];
        d.part[i] =
            (Columns){.from = tensor_values(t, x[i]), .to = y->x + at, .c = c, .from_row = c, .to_row = shape.dim[3]};
        at += c;
    }
    parallel_rows(d.rows, PARALLEL_CHUNKS, columns_chunk, &d);
    for (int i = 0; i < inputs; i++) tensor_values_release(t, x[i], d.part[i].from);
    tape_record(t, &concat_type, inputs, x, y);
    return y;
}
