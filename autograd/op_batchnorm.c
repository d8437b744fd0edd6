/* Batch norm over N,H,W; see ops.h. */
#include "autograd/images.h"
#include "autograd/norm.h"
#include "base/batch_share.h"
#include "base/parallel.h"

typedef struct {
    Norm *norm;
    ChannelSums sums;
    const float *x, *dy;
    float *y, *dx;
    long images, rows; /* rows: of an image */
    int c, chunks;
} BatchNorm;

/* The values of so many images: where the next one begins. */
static size_t offset(const BatchNorm *b, long image) { return (size_t)image * (size_t)b->rows * (size_t)b->c; }

static void add_moments(void *context, int chunk, int thread, long first, long images)
{
    (void)thread;
    const BatchNorm *b = context;
    channel_moments_add(&b->sums, chunk, b->x + offset(b, first), images * b->rows);
}

static void normalize(void *context, int chunk, int thread, long first, long images)
{
    (void)chunk, (void)thread;
    const BatchNorm *b = context;
    const NormTables *p = &b->norm->pass;
    const size_t at = offset(b, first);
    kernels()->scale_shift(offset(b, images), tile_period(b->c), p->scale, p->shift, b->x + at, b->y + at);
}

static void add_sums(void *context, int chunk, int thread, long first, long images)
{
    (void)thread;
    const BatchNorm *b = context;
    const size_t at = offset(b, first);
    norm_sums_add(b->norm, chunk, b->x + at, b->dy + at, images * b->rows);
}

static void backward_data(void *context, int chunk, int thread, long first, long images)
{
    (void)chunk, (void)thread;
    const BatchNorm *b = context;
    const size_t at = offset(b, first);
    norm_backward(b->norm, b->x + at, b->dy + at, images * b->rows, b->dx + at);
}

static void for_groups(BatchNorm *b, ImagesFn *fn)
{
    parallel_image_groups(b->images, sizeof(float) * offset(b, 1), fn, b);
}

static void batchnorm_backward(Tape *t, TapeNode *node)
{
    BatchNorm *b = node->saved;
    b->dy = node->out->dx;
    norm_sums_begin(t, b->norm, b->chunks);
    for_groups(b, add_sums);
    norm_sums_end(t, b->norm, node->in[1], node->in[2]);
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    if (dx == NULL) return;
    b->dx = fresh ? dx : tape_buffer(t, sizeof(float) * (size_t)tensor_elements(node->out));
    for_groups(b, backward_data);
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
                     .chunks = batch_chunks(s.dim[0])};
    if (batch_statistics) {
        b->sums = channel_sums_make(t->arena, b->c, b->chunks);
        for_groups(b, add_moments);
    }
    b->norm = norm_make(t, gamma, beta, state, batch_statistics ? &b->sums : NULL, b->images * b->rows);
    for_groups(b, normalize);
    TapeNode *node = tape_record(t, &batchnorm_type, 3, in, y);
    tensor_values_keep(t, node, x, b->x);
    if (node != NULL) node->saved = b;
    return y;
}
