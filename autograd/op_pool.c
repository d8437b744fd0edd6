/* Maximum and average pooling, on floats or on codes. */
#include "autograd/ops.h"

#include <string.h>

#include "base/parallel.h"
#include "kernels/requant.h"

typedef struct {
    ConvGeom g;
    const float *x, *dy;
    const int8_t *codes;
    float *y, *dx;
    int8_t *y_codes;
    bool fresh;          /* dx is not initialised */
    AverageRule average; /* codes */
} Pool;

static void max_forward_chunk(void *context, const ParallelRows *rows)
{
    const Pool *p = context;
    const size_t in = (size_t)rows->first * in_image(&p->g), out = (size_t)rows->first * out_image(&p->g);
    if (p->codes != NULL)
        kernels()->maxpool_s8_forward(&p->g, (int)rows->n, p->codes + in, p->y_codes + out);
    else
        kernels()->maxpool_f32_forward(&p->g, (int)rows->n, p->x + in, p->y + out);
}

static void max_backward_chunk(void *context, const ParallelRows *rows)
{
    const Pool *p = context;
    const size_t in = (size_t)rows->first * in_image(&p->g), out = (size_t)rows->first * out_image(&p->g);
    const int images = (int)rows->n;
    if (p->codes != NULL)
        kernels()->maxpool_s8_backward(&p->g, images, p->codes + in, p->y_codes + out, p->dy + out, p->fresh,
                                       p->dx + in);
    else
        kernels()->maxpool_f32_backward(&p->g, images, p->x + in, p->y + out, p->dy + out, p->fresh, p->dx + in);
}

static void avg_forward_chunk(void *context, const ParallelRows *rows)
{
    const Pool *p = context;
    const size_t in = (size_t)rows->first * in_image(&p->g), out = (size_t)rows->first * out_image(&p->g);
    if (p->codes != NULL)
        kernels()->avgpool_s8_forward(&p->g, (int)rows->n, p->codes + in, &p->average, p->y_codes + out);
    else
        avgpool_f32_forward(&p->g, (int)rows->n, p->x + in, p->y + out);
}

static void avg_backward_chunk(void *context, const ParallelRows *rows)
{
    const Pool *p = context;
    avgpool_backward(&p->g, (int)rows->n, p->dy + (size_t)rows->first * out_image(&p->g), p->fresh,
                     p->dx + (size_t)rows->first * in_image(&p->g));
}

static void max_backward(Tape *t, TapeNode *node)
{
    Pool *p = node->saved;
    p->dy = node->out->dx;
    p->dx = tensor_grad_fresh(t, node->in[0], &p->fresh);
    parallel_rows(p->g.n, parallel_chunks(p->g.n), max_backward_chunk, p);
}

static void avg_backward(Tape *t, TapeNode *node)
{
    Pool *p = node->saved;
    p->dy = node->out->dx;
    p->dx = tensor_grad_fresh(t, node->in[0], &p->fresh);
    parallel_rows(p->g.n, parallel_chunks(p->g.n), avg_backward_chunk, p);
}

static const OpType maxpool_type = {"maxpool", "x[N,H,W,C] -> y[N,P,Q,C]", max_backward};
static const OpType avgpool_type = {"avgpool", "x[N,H,W,C] -> y[N,P,Q,C]", avg_backward};

static Tensor *pool(Tape *t, const OpType *type, Tensor *x, const ConvGeom *geom, Rounding rounding,
                    ParallelRowsFn *forward)
{
    if (!tape_contract(t, type, 1, &x)) return NULL;
    ConvGeom g = *geom;
    g.groups = x->shape.dim[3];
    const Status status = conv_geom_fill(&g, x->shape, x->shape.dim[3]);
    if (status != STATUS_OK) return tape_fail(t, status), NULL;
    const Shape shape = shape_4(g.n, g.oh, g.ow, g.o);
    Tensor *y = x->codes != NULL ? tape_codes(t, type->name, shape, x->qp) : tape_tensor(t, type->name, shape);
    Pool *p = arena_zalloc(t->arena, sizeof *p);
    *p = (Pool){.g = g, .x = x->x, .codes = x->codes, .y = y->x, .y_codes = y->codes};
    const QuantParams *q = x->qp;
    if (x->codes != NULL) p->average = average_rule(rounding, &g, q->scale[0], q->zero_point, q->qmin, q->qmax);
    TapeNode *node = tape_record(t, type, 1, &x, y);
    if (node != NULL) node->saved = p;
    parallel_rows(g.n, parallel_chunks(g.n), forward, p);
    return y;
}

Tensor *op_maxpool(Tape *t, Tensor *x, const ConvGeom *g)
{
    return pool(t, &maxpool_type, x, g, ROUNDING_XNNPACK, max_forward_chunk);
}

Tensor *op_avgpool(Tape *t, Tensor *x, const ConvGeom *g, Rounding rounding)
{
    return pool(t, &avgpool_type, x, g, rounding, avg_forward_chunk);
}
