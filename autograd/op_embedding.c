/* y = the row of w that each number of x names. */
#include "autograd/ops.h"

#include <math.h>
#include <string.h>

int embedding_token(float x) { return x > 0.0f ? (int)lrintf(fminf(255.0f * x, 255.0f)) : 0; }

void embedding_tokens(const QuantParams *x, uint8_t token[EMBEDDING_TOKENS])
{
    for (int i = 0; i < EMBEDDING_TOKENS; i++)
        token[i] = (uint8_t)embedding_token(x->scale[0] * (float)(i - 128 - x->zero_point));
}

static void read_tokens(const Tensor *x, long n, uint8_t *token)
{
    if (x->codes == NULL) {
        for (long i = 0; i < n; i++) token[i] = (uint8_t)embedding_token(x->x[i]);
        return;
    }
    uint8_t of_code[EMBEDDING_TOKENS];
    embedding_tokens(x->qp, of_code);
    for (long i = 0; i < n; i++) token[i] = of_code[x->codes[i] + 128];
}

/* Rows are added in the order of the numbers, so that threads change nothing. */
static void embedding_backward(Tape *t, TapeNode *node)
{
    const uint8_t *token = node->saved;
    const Tensor *y = node->out;
    const long n = tensor_elements(node->in[1]);
    const int D = y->shape.dim[3];
    float *dw = tensor_grad(t, node->in[0]);
    for (long i = 0; dw != NULL && i < n; i++) {
        float *row = dw + (long)token[i] * D;
        const float *dy = y->dx + i * D;
#pragma omp simd
        for (int k = 0; k < D; k++) row[k] += dy[k];
    }
}

static const OpType embedding_type = {"embedding", "w[V,D] x[N,H,W,A] -> y[N,H,W,D]", embedding_backward};

/* The grid of a table with one scale, as an activation's. */
static const QuantParams *output_grid(Tape *t, const QuantParams *of)
{
    QuantParams *qp = arena_alloc(t->arena, sizeof *qp);
    *qp = *of;
    qp->axis = -1;
    if (of->zero != NULL) qp->zero_point = of->zero[0];
    qp->zero = NULL;
    return qp;
}

Tensor *op_embedding(Tape *t, Tensor *w, Tensor *x)
{
    Tensor *in[] = {w, x};
    if (!tape_contract(t, &embedding_type, 2, in)) return NULL;
    ASSERT(w->shape.dim[0] == EMBEDDING_TOKENS && x->shape.dim[3] == 1 && (w->codes == NULL || w->qp->n == 1));
    const long n = tensor_elements(x);
    const size_t D = (size_t)w->shape.dim[1];
    const Shape shape = shape_4(x->shape.dim[0], x->shape.dim[1], x->shape.dim[2], (int)D);
    uint8_t *token = tape_buffer(t, (size_t)n);
    read_tokens(x, n, token);
    Tensor *y = w->codes == NULL ? tape_tensor(t, "embedding", shape)
                                 : tape_codes(t, "embedding", shape, output_grid(t, w->qp));
    for (long i = 0; i < n; i++) {
        if (w->codes == NULL)
            memcpy(y->x + (size_t)i * D, w->x + token[i] * D, sizeof(float) * D);
        else
            memcpy(y->codes + (size_t)i * D, w->codes + token[i] * D, D);
    }
    TapeNode *node = tape_record(t, &embedding_type, 2, in, y);
    if (node != NULL) node->saved = token;
    node_keep(t, node, token);
    return y;
}
