/* Values on grids that are found for each image; see dynamic_ops.h. */
#include "base/align.h"
#include "base/parallel.h"
#include "kernels/requant_dynamic.h"
#include "quant/dynamic_ops.h"

typedef struct {
    const float *x;
    float *y;
    size_t image; /* values of one */
    int8_t *codes;
    const DynamicConv *conv; /* of dynamic_conv_over */
    size_t out_image;
    Activation act;
    unsigned char *scratch;
    size_t scratch_bytes; /* for each thread */
} Images;

static size_t image_values(const Tensor *x) { return (size_t)(tensor_elements(x) / x->shape.dim[0]); }

static void quantize_images(void *context, const ParallelRows *rows)
{
    const Images *r = context;
    int8_t *codes = (int8_t *)r->scratch + (size_t)rows->thread * r->scratch_bytes;
    for (long i = rows->first; i < rows->last; i++) {
        const size_t at = (size_t)i * r->image;
        const QuantizeGrid grid = dynamic_quantize(r->image, r->x + at, codes);
        kernels()->dequantize(r->image, codes, grid.scale, grid.zero_point, r->y + at);
    }
}

static void dynamic_backward(Tape *t, TapeNode *node) { tensor_grad_pass(t, node->in[0], node->out); }

static const OpType dynamic_type = {"dynamic", "x[...] -> y[...]", dynamic_backward};

Tensor *op_dynamic(Tape *t, Tensor *x)
{
    if (!tape_contract(t, &dynamic_type, 1, &x)) return NULL;
    const long n = x->shape.dim[0];
    Tensor *y = tape_tensor(t, "dynamic", x->shape);
    Images r = {.x = tensor_values(t, x), .y = y->x, .image = image_values(x)};
    r.scratch_bytes = align_up(r.image);
    r.scratch = tape_buffer(t, r.scratch_bytes * (size_t)parallel_threads());
    parallel_rows(n, parallel_chunks(n), quantize_images, &r);
    tape_release(t, r.scratch);
    tensor_values_release(t, x, r.x);
    tape_record(t, &dynamic_type, 1, &x, y);
    return y;
}

static void convolve_images(void *context, const ParallelRows *rows)
{
    const Images *r = context;
    for (long i = rows->first; i < rows->last; i++) {
        float *y = r->y + (size_t)i * r->out_image;
        dynamic_conv_run(r->conv, r->x + (size_t)i * r->image, y, r->scratch + (size_t)rows->thread * r->scratch_bytes);
        if (r->act.relu) kernels()->relu_f32(r->out_image, r->act.limit, y, y);
    }
}

Tensor *dynamic_conv_over(Tape *t, Tensor *x, const DynamicConvConfig *config, Activation act, Tensor *y)
{
    if (tape_failed(t)) return NULL;
    DynamicConv conv;
    const Status status = dynamic_conv_make(t->arena, config, &conv);
    if (status != STATUS_OK) {
        tape_fail(t, status);
        return NULL;
    }
    const long n = x->shape.dim[0];
    Images r = {.x = tensor_values(t, x),
                .y = y->x,
                .image = image_values(x),
                .conv = &conv,
                .out_image = image_values(y),
                .act = act,
                .scratch_bytes = align_up(dynamic_conv_scratch_bytes(&conv))};
    r.scratch = tape_buffer(t, r.scratch_bytes * (size_t)parallel_threads());
    parallel_rows(n, parallel_chunks(n), convolve_images, &r);
    tape_release(t, r.scratch);
    tensor_values_release(t, x, r.x);
    return y;
}
