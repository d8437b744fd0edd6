/* Batch norm over N,H,W; see ops.h. */
#include "autograd/norm.h"
#include "base/parallel.h"

typedef struct {
    Norm *norm;
    ChannelSums sums;
    const float *x, *dy;
    float *y, *dx;
    long images, rows; /* rows: of an image */
    int c, chunks;
} BatchNorm;

typedef void GroupFn(const BatchNorm *b, int chunk, size_t at, long rows);

/* fn for the groups of a chunk, in order. */
static void for_groups(const BatchNorm *b, int chunk, GroupFn *fn)
{
    long first, last;
    parallel_range(b->images, b->chunks, chunk, &first, &last);
    const size_t image = (size_t)b->rows * (size_t)b->c;
    const int groups = image_groups(last - first, sizeof(float) * image);
    for (int k = 0; k < groups; k++) {
        long from, to;
        parallel_range(last - first, groups, k, &from, &to);
        fn(b, chunk, (size_t)(first + from) * image, (to - from) * b->rows);
    }
}

static void add_moments(const BatchNorm *b, int chunk, size_t at, long rows)
{
    channel_moments_add(&b->sums, chunk, b->x + at, rows);
}

static void moments_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_groups(context, chunk, add_moments);
}

static void normalize(const BatchNorm *b, int chunk, size_t at, long rows)
{
    (void)chunk;
    const PassNorm *p = &b->norm->pass;
    kernels()->pass_affine((size_t)rows * (size_t)b->c, pass_period(b->c), p->scale, p->shift, b->x + at, b->y + at);
}

static void normalize_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_groups(context, chunk, normalize);
}

static void add_sums(const BatchNorm *b, int chunk, size_t at, long rows)
{
    norm_sums_add(b->norm, chunk, b->x + at, b->dy + at, rows);
}

static void backward_sums_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_groups(context, chunk, add_sums);
}

static void backward_data(const BatchNorm *b, int chunk, size_t at, long rows)
{
    (void)chunk;
    norm_backward(b->norm, b->x + at, b->dy + at, rows, b->dx + at);
}

static void backward_data_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    for_groups(context, chunk, backward_data);
}

static void batchnorm_backward(Tape *t, Node *node)
{
    BatchNorm *b = node->saved;
    b->dy = node->out->dx;
    norm_sums_begin(t, b->norm, b->chunks);
    parallel_for(b->chunks, backward_sums_chunk, b);
    norm_sums_end(t, b->norm, node->in[1], node->in[2]);
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    if (dx == NULL) return;
    b->dx = fresh ? dx : tape_buffer(t, sizeof(float) * (size_t)tensor_elements(node->out));
    parallel_for(b->chunks, backward_data_chunk, b);
    if (fresh) return;
    add_gradient(t, node->in[0], b->dx);
    tape_release(t, b->dx);
}

static const OpType batchnorm_type = {"batchnorm", "x[N,H,W,C] gamma[C] beta[C] -> y[N,H,W,C]", batchnorm_backward};

Tensor *op_batchnorm(Tape *t, Tensor *x, Tensor *gamma, Tensor *beta, BatchNormState *state, bool batch_statistics)
{
    Tensor *in[] = {x, gamma, beta};
    if (!tape_contract(t, &batchnorm_type, 3, in)) return NULL;
    const Shape s = x->shape;
    BatchNorm *b = arena_zalloc(t->arena, sizeof *b);
    Tensor *y = tape_tensor(t, "batchnorm", s);
    *b = (BatchNorm){.x = tensor_values(t, x),
                     .y = y->x,
                     .images = s.dim[0],
                     .rows = (long)s.dim[1] * s.dim[2],
                     .c = s.dim[3],
                     .chunks = parallel_chunks(s.dim[0])};
    if (batch_statistics) {
        b->sums = channel_sums_make(t->arena, b->c, b->chunks);
        parallel_for(b->chunks, moments_chunk, b);
    }
    b->norm = norm_make(t, gamma, beta, state, batch_statistics ? &b->sums : NULL, b->images * b->rows);
    parallel_for(b->chunks, normalize_chunk, b);
    Node *node = tape_record(t, &batchnorm_type, 3, in, y);
    if (x->x == NULL) node_keep(t, node, (void *)b->x);
    if (node != NULL) node->saved = b;
    return y;
}
