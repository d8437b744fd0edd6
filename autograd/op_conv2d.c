/* y = conv(x, w) + b, in float or, when both operands are codes, in exact integers. */
#include "autograd/conv_run.h"
#include "base/parallel.h"

typedef struct {
    ConvRun *run;
    const float *bias; /* or NULL */
    float *y;
} Conv;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const Conv *c = context;
    const ConvGeom *g = &c->run->g;
    float *y = c->y + (size_t)rows->first * out_image(g);
    conv_run_images(c->run, rows->first, rows->n, rows->thread, y);
    if (c->bias == NULL) return;
    const size_t cells = (size_t)rows->n * (size_t)g->oh * (size_t)g->ow, O = (size_t)g->o;
    for (size_t r = 0; r < cells; r++)
#pragma omp simd
        for (size_t o = 0; o < O; o++) y[r * O + o] += c->bias[o];
}

static void conv_node_backward(Tape *t, TapeNode *node)
{
    const ConvRun *r = node->saved;
    float *db = tensor_grad(t, node->in[2]);
    if (db != NULL) column_sums(t, node->out->dx, r->g.n, (long)r->g.oh * r->g.ow, r->g.o, db);
    conv_backward(t, &r->g, r->depthwise, node->in[0], node->in[1], &(ConvGradient){.dy = node->out->dx});
}

static const OpType conv2d_type = {"conv2d", "x[N,H,W,C] w[O,K,L,D] b[O]? -> y[N,P,Q,O]", conv_node_backward};
static const OpType depthwise_type = {"depthwise_conv2d", "x[N,H,W,C] w[A,K,L,O] b[O]? -> y[N,P,Q,O]",
                                      conv_node_backward};
static const OpType dense_type = {"dense", "x[N,I] w[O,I] b[O]? -> y[N,O]", conv_node_backward};

static Tensor *conv_forward(Tape *t, const OpType *type, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g, Shape out)
{
    Tensor *y = tape_tensor(t, type->name, out);
    Conv c = {.run = conv_run_make(t, x, w, g, type == &depthwise_type), .bias = b != NULL ? b->x : NULL, .y = y->x};
    parallel_rows(c.run->g.n, c.run->chunks, forward_chunk, &c);
    conv_run_done(t, c.run, w);
    TapeNode *node = tape_record(t, type, 3, (Tensor *[]){x, w, b}, y);
    if (node != NULL) node->saved = c.run;
    return y;
}

static Tensor *conv_op(Tape *t, const OpType *type, ConvKind kind, Tensor *x, Tensor *w, Tensor *b,
                       const ConvGeom *geom)
{
    if (!tape_contract(t, type, 3, (Tensor *[]){x, w, b})) return NULL;
    ConvGeom g;
    Shape y;
    if (!conv_geom_make(t, kind, x, w, geom, &g, &y)) return NULL;
    return conv_forward(t, type, x, w, b, &g, y);
}

Tensor *op_conv2d(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g)
{
    return conv_op(t, &conv2d_type, CONV_FULL, x, w, b, g);
}

Tensor *op_depthwise(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g)
{
    return conv_op(t, &depthwise_type, CONV_DEPTHWISE, x, w, b, g);
}

Tensor *op_dense(Tape *t, Tensor *x, Tensor *w, Tensor *b)
{
    return conv_op(t, &dense_type, CONV_DENSE, x, w, b, NULL);
}
