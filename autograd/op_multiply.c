/* y = a b, element by element, or b of one cell against every cell of a. */
#include "autograd/ops.h"

#include "base/parallel.h"

/* Image by image, so that the gradient of a b of one cell is a sum of one thread, in order. */
typedef struct {
    const float *a, *b, *dy;
    float *y, *da, *db;
    int images;
    long each, factors; /* values of an image of a, and of b */
} Multiply;

static void forward_images(void *context, const ParallelRows *images)
{
    const Multiply *m = context;
    for (long n = images->first; n < images->last; n++)
        for (long at = n * m->each; at < (n + 1) * m->each; at += m->factors) {
            const float *a = m->a + at, *b = m->b + n * m->factors;
            float *y = m->y + at;
#pragma omp simd
            for (long i = 0; i < m->factors; i++) y[i] = a[i] * b[i];
        }
}

/* da and db may be one, of a square. */
static void backward_images(void *context, const ParallelRows *images)
{
    const Multiply *m = context;
    for (long n = images->first; n < images->last; n++)
        for (long at = n * m->each; at < (n + 1) * m->each; at += m->factors) {
            const float *a = m->a + at, *b = m->b + n * m->factors, *dy = m->dy + at;
            if (m->da != NULL)
                for (long i = 0; i < m->factors; i++) m->da[at + i] += dy[i] * b[i];
            if (m->db != NULL)
                for (long i = 0; i < m->factors; i++) m->db[n * m->factors + i] += dy[i] * a[i];
        }
}

static Multiply multiply_of(Tape *t, const Tensor *a, const Tensor *b)
{
    const int images = a->shape.dim[0];
    return (Multiply){.a = tensor_values(t, a),
                      .b = tensor_values(t, b),
                      .images = images,
                      .each = tensor_elements(a) / images,
                      .factors = tensor_elements(b) / images};
}

static void multiply_done(Tape *t, const Multiply *m, const Tensor *a, const Tensor *b)
{
    tensor_values_release(t, a, m->a);
    tensor_values_release(t, b, m->b);
}

bool multiply_fits(Tape *t, const Tensor *a, const Tensor *b)
{
    if (tape_failed(t)) return false;
    const int *x = a->shape.dim, *f = b->shape.dim;
    if (a->shape.rank == 4 && b->shape.rank == 4 && x[0] == f[0] && x[3] == f[3] &&
        ((x[1] == f[1] && x[2] == f[2]) || (f[1] == 1 && f[2] == 1)))
        return true;
    tape_fail(t, status_fail(STATUS_SHAPE, "multiply \"%s\": %s by %s; must be one shape, or the second of one cell",
                             t->where != NULL ? t->where : "", shape_text(a->shape).text, shape_text(b->shape).text));
    return false;
}

void multiply_gradients(Tape *t, Tensor *a, Tensor *b, const Tensor *y)
{
    Multiply m = multiply_of(t, a, b);
    m.dy = y->dx, m.da = tensor_grad(t, a), m.db = tensor_grad(t, b);
    parallel_rows(m.images, PARALLEL_CHUNKS, backward_images, &m);
    multiply_done(t, &m, a, b);
}

static void multiply_backward(Tape *t, TapeNode *node) { multiply_gradients(t, node->in[0], node->in[1], node->out); }

static const OpType multiply_type = {"multiply", "a[N,H,W,C] b[N,K,L,C] -> y[N,H,W,C]", multiply_backward};

Tensor *op_multiply(Tape *t, Tensor *a, Tensor *b)
{
    if (!multiply_fits(t, a, b)) return NULL;
    Tensor *in[] = {a, b}, *y = tape_tensor(t, "multiply", a->shape);
    Multiply m = multiply_of(t, a, b);
    m.y = y->x;
    parallel_rows(m.images, PARALLEL_CHUNKS, forward_images, &m);
    multiply_done(t, &m, a, b);
    tape_record(t, &multiply_type, 2, in, y);
    return y;
}
