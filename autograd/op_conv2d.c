/* y = conv(x, w) + b, in float or, when both operands are codes, in exact integers. */
#include "autograd/ops.h"

#include <string.h>

#include "base/parallel.h"

typedef struct {
    ConvGeom g;
    ConvInput x;
    bool depthwise;
    float *packed;             /* conv_f32_pack of w                     */
    void *packed8;             /* conv_s8_pack of w's codes              */
    const float *w;            /* real weights                           */
    const int8_t *w8;          /* their codes; NULL: float forward       */
    const float *scale, *bias; /* s_x * s_w[o] for the integer forward; bias or NULL */
    float *y;
    const float *dy;
    float *dx, *dw; /* dw: [chunks][weights] partial sums */
    long weights;
    unsigned char *scratch;
    size_t scratch_bytes; /* per thread */
    int chunks;
} Conv;

static ConvInput input_at(ConvInput x, const ConvGeom *g, long image)
{
    const size_t offset = (size_t)image * (size_t)g->h * (size_t)g->w * (size_t)g->c;
    if (x.x != NULL) x.x += offset;
    if (x.codes != NULL) x.codes += offset;
    return x;
}

static ConvInput conv_input(const Tensor *x)
{
    ConvInput in = {.x = x->x};
    if (x->codes != NULL) {
        in = (ConvInput){.codes = x->codes, .scale = x->qp->scale[0], .zero_point = x->qp->zero_point};
    }
    return in;
}

static size_t out_image(const ConvGeom *g) { return (size_t)g->oh * (size_t)g->ow * (size_t)g->o; }

static void forward_chunk(void *context, int chunk, int thread)
{
    const Conv *c = context;
    const ConvGeom *g = &c->g;
    long first, last;
    parallel_range(g->n, c->chunks, chunk, &first, &last);
    void *scratch = c->scratch + (size_t)thread * c->scratch_bytes;
    const ConvInput x = input_at(c->x, g, first);
    float *y = c->y + (size_t)first * out_image(g);
    const int images = (int)(last - first);
    const size_t rows = (size_t)images * (size_t)g->oh * (size_t)g->ow;
    const size_t O = (size_t)g->o;
    if (c->w8 != NULL) {
        int32_t *acc = (void *)y; /* same size; turned into floats in place below */
        if (c->depthwise)
            kernels()->dwconv_s8_forward(g, images, x.codes, x.zero_point, c->w8, acc);
        else
            conv_s8_forward(g, images, x.codes, x.zero_point, c->packed8, acc, scratch);
        for (size_t r = 0; r < rows; r++) {
            const int32_t *a = acc + r * O;
            float *out = y + r * O;
#pragma omp simd
            for (size_t o = 0; o < O; o++) {
                int32_t v;
                memcpy(&v, a + o, sizeof v); /* the same memory as out[o], read as what was written */
                out[o] = c->scale[o] * (float)v;
            }
        }
    } else if (c->depthwise) {
        kernels()->dwconv_f32_forward(g, images, x, c->w, y);
    } else {
        conv_f32_forward(g, images, x, c->packed, y, scratch);
    }
    if (c->bias != NULL)
        for (size_t r = 0; r < rows; r++)
#pragma omp simd
            for (size_t o = 0; o < O; o++) y[r * O + o] += c->bias[o];
}

static void backward_data_chunk(void *context, int chunk, int thread)
{
    const Conv *c = context;
    const ConvGeom *g = &c->g;
    long first, last;
    parallel_range(g->n, c->chunks, chunk, &first, &last);
    const float *dy = c->dy + (size_t)first * out_image(g);
    float *dx = c->dx + (size_t)first * (size_t)g->h * (size_t)g->w * (size_t)g->c;
    if (c->depthwise)
        kernels()->dwconv_f32_backward_data(g, (int)(last - first), dy, c->w, dx);
    else
        conv_f32_backward_data(g, (int)(last - first), dy, c->w, dx, c->scratch + (size_t)thread * c->scratch_bytes);
}

static void backward_weights_chunk(void *context, int chunk, int thread)
{
    const Conv *c = context;
    const ConvGeom *g = &c->g;
    long first, last;
    parallel_range(g->n, c->chunks, chunk, &first, &last);
    const float *dy = c->dy + (size_t)first * out_image(g);
    float *dw = c->dw + (size_t)chunk * (size_t)c->weights;
    memset(dw, 0, sizeof(float) * (size_t)c->weights);
    const ConvInput x = input_at(c->x, g, first);
    if (c->depthwise)
        kernels()->dwconv_f32_backward_weights(g, (int)(last - first), x, dy, dw);
    else
        conv_f32_backward_weights(g, (int)(last - first), x, dy, dw, c->scratch + (size_t)thread * c->scratch_bytes);
}

static void scratch_alloc(Tape *t, Conv *c)
{
    const size_t floats = conv_scratch_bytes(&c->g), codes = conv_s8_scratch_bytes(&c->g);
    c->scratch_bytes = ((floats > codes ? floats : codes) + 127) & ~(size_t)63;
    c->scratch = arena_alloc(t->arena, c->scratch_bytes * (size_t)parallel_threads());
}

/* dx += corr(dy, w), dw += corr(x, dy), db += sum dy: shared by every op that convolves (also the integer ones). */
void conv_backward(Tape *t, const ConvGeom *g, bool depthwise, Tensor *x, Tensor *w, const float *dy)
{
    Conv c = {.g = *g,
              .x = conv_input(x),
              .depthwise = depthwise,
              .w = tensor_values(t, w),
              .dy = dy,
              .weights = tensor_elements(w),
              .chunks = parallel_chunks(g->n)};
    scratch_alloc(t, &c);
    c.dx = tensor_grad(t, x);
    if (c.dx != NULL) parallel_for(c.chunks, backward_data_chunk, &c);
    float *dw = tensor_grad(t, w);
    if (dw != NULL) {
        c.dw = arena_alloc(t->arena, sizeof(float) * (size_t)c.weights * (size_t)c.chunks);
        parallel_for(c.chunks, backward_weights_chunk, &c);
        for (int k = 0; k < c.chunks; k++) {
            const float *part = c.dw + (size_t)k * (size_t)c.weights;
#pragma omp simd
            for (long i = 0; i < c.weights; i++) dw[i] += part[i];
        }
    }
}

static void conv_node_backward(Tape *t, Node *node)
{
    const Conv *c = node->saved;
    const long rows = (long)c->g.n * c->g.oh * c->g.ow;
    float *db = tensor_grad(t, node->in[2]);
    if (db != NULL) column_sums(t, node->out->dx, rows, c->g.o, db);
    conv_backward(t, &c->g, c->depthwise, node->in[0], node->in[1], node->out->dx);
}

static const OpType conv2d_type = {"conv2d", "x[N,H,W,C] w[O,K,L,D] b[O]? -> y[N,P,Q,O]", conv_node_backward};
static const OpType depthwise_type = {"depthwise_conv2d", "x[N,H,W,C] w[A,K,L,O] b[O]? -> y[N,P,Q,O]",
                                      conv_node_backward};
static const OpType dense_type = {"dense", "x[N,I] w[O,I] b[O]? -> y[N,O]", conv_node_backward};

static Tensor *conv_forward(Tape *t, const OpType *type, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g, Shape out)
{
    Conv *c = arena_zalloc(t->arena, sizeof *c);
    *c = (Conv){.g = *g, .x = conv_input(x), .depthwise = type == &depthwise_type, .chunks = parallel_chunks(g->n)};
    scratch_alloc(t, c);
    Tensor *y = tape_tensor(t, type->name, out);
    c->y = y->x;
    c->bias = b != NULL ? b->x : NULL;
    if (x->codes != NULL && w->codes != NULL) {
        float *scale = arena_alloc(t->arena, sizeof(float) * (size_t)g->o);
        for (int o = 0; o < g->o; o++)
            scale[o] = x->qp->scale[0] * w->qp->scale[w->qp->n == 1 ? 0 : o] * (w->sign == NULL ? 1.0f : w->sign[o]);
        c->scale = scale;
        c->w8 = w->codes;
        if (!c->depthwise) {
            c->packed8 = arena_alloc(t->arena, conv_s8_packed_bytes(g));
            conv_s8_pack(g, w->codes, c->packed8);
        }
    } else {
        c->w = tensor_values(t, w);
        if (!c->depthwise) {
            c->packed = arena_alloc(t->arena, sizeof(float) * conv_f32_packed_count(g));
            conv_f32_pack(g, c->w, c->packed);
        }
    }
    parallel_for(c->chunks, forward_chunk, c);
    Node *node = tape_record(t, type, 3, (Tensor *[]){x, w, b}, y);
    if (node != NULL) node->saved = c;
    return y;
}

Tensor *op_conv2d(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *geom)
{
    if (!tape_contract(t, &conv2d_type, 3, (Tensor *[]){x, w, b})) return NULL;
    ConvGeom g = *geom;
    g.kh = w->shape.dim[1], g.kw = w->shape.dim[2];
    const Status status = conv_geom_fill(&g, x->shape, w->shape.dim[0]);
    if (status != STATUS_OK) return tape_fail(t, status), NULL;
    if (w->shape.dim[3] * g.groups != g.c) {
        tape_fail(t, status_fail(STATUS_SHAPE, "conv2d \"%s\": %d channels in x, %d groups of %d in w; they must agree",
                                 t->where != NULL ? t->where : "", g.c, g.groups, w->shape.dim[3]));
        return NULL;
    }
    return conv_forward(t, &conv2d_type, x, w, b, &g, shape_4(g.n, g.oh, g.ow, g.o));
}

Tensor *op_depthwise(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *geom)
{
    if (!tape_contract(t, &depthwise_type, 3, (Tensor *[]){x, w, b})) return NULL;
    ConvGeom g = *geom;
    g.kh = w->shape.dim[1], g.kw = w->shape.dim[2];
    g.groups = x->shape.dim[3];
    const Status status = conv_geom_fill(&g, x->shape, w->shape.dim[3]);
    if (status != STATUS_OK) return tape_fail(t, status), NULL;
    return conv_forward(t, &depthwise_type, x, w, b, &g, shape_4(g.n, g.oh, g.ow, g.o));
}

ConvGeom dense_geom(int n, int inputs, int outputs)
{
    return (ConvGeom){.n = n,
                      .h = 1,
                      .w = 1,
                      .c = inputs,
                      .o = outputs,
                      .oh = 1,
                      .ow = 1,
                      .kh = 1,
                      .kw = 1,
                      .sh = 1,
                      .sw = 1,
                      .dh = 1,
                      .dw = 1,
                      .groups = 1};
}

Tensor *op_dense(Tape *t, Tensor *x, Tensor *w, Tensor *b)
{
    if (!tape_contract(t, &dense_type, 3, (Tensor *[]){x, w, b})) return NULL;
    const ConvGeom g = dense_geom(x->shape.dim[0], x->shape.dim[1], w->shape.dim[0]);
    return conv_forward(t, &dense_type, x, w, b, &g, shape_2(g.n, g.o));
}
