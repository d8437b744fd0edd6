/* What TFLite models are built of: tensors, constants, operators. */
#include <string.h>

#include "deploy/tflite/export_tflite.h"

int32_t *tflite_words(Arena *arena, int n, const int32_t *from)
{
    return memcpy(ARENA_ARRAY(arena, int32_t, n), from, sizeof *from * (size_t)n);
}

/* One scale and zero point. */
static void set_grid(TfliteBuild *b, TfliteTensor *t, const GraphTensor *grid)
{
    float *scale = ARENA_ARRAY(b->arena, float, 1);
    int64_t *zero_point = ARENA_ARRAY(b->arena, int64_t, 1);
    *scale = grid->scale, *zero_point = grid->zero_point;
    t->scales = t->zero_points = 1;
    t->scale = scale, t->zero_point = zero_point;
}

static TfliteTensor *add_tensor(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape)
{
    ASSERT(b->m->tensors < b->most);
    TfliteTensor *t = &b->m->tensor[b->m->tensors++];
    *t = (TfliteTensor){.name = name, .type = type, .rank = rank, .shape = tflite_words(b->arena, rank, shape)};
    return t;
}

/* Computed for each image: the number of images is left open. */
static TfliteTensor *add_computed(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape)
{
    TfliteTensor *t = add_tensor(b, name, type, rank, shape);
    int32_t *signature = tflite_words(b->arena, rank, shape);
    signature[0] = -1;
    t->signature_rank = rank, t->signature = signature;
    return t;
}

int tflite_add_activation(TfliteBuild *b, const char *name, int rank, const int32_t *shape, int like)
{
    const GraphTensor *t = &b->g->tensor[like];
    if (graph_tensor_is_float(t))
        add_computed(b, name, TFLITE_FLOAT32, rank, shape);
    else
        set_grid(b, add_computed(b, name, graph_tensor_is_wide(t) ? TFLITE_INT16 : TFLITE_INT8, rank, shape), t);
    return b->m->tensors - 1;
}

int tflite_add_plain(TfliteBuild *b, const char *name, TfliteType type, int like)
{
    const TfliteTensor *t = &b->m->tensor[like];
    add_computed(b, name, type, t->rank, t->shape);
    return b->m->tensors - 1;
}

int tflite_add_fixed(TfliteBuild *b, const char *name, int rank, const int32_t *shape)
{
    add_tensor(b, name, TFLITE_FLOAT32, rank, shape);
    return b->m->tensors - 1;
}

void tflite_add_reshape(TfliteBuild *b, int x, int y)
{
    const TfliteTensor *t = &b->m->tensor[y];
    const int32_t input[2] = {x, b->m->tensors};
    tflite_add_constant(b, arena_printf(b->arena, "%s/shape", t->name), TFLITE_INT32, 1, (const int32_t[]){t->rank},
                        t->signature);
    tflite_add_operator(b, TFLITE_RESHAPE, 2, input, y);
}

TfliteTensor *tflite_add_constant(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape,
                                  const void *data)
{
    TfliteTensor *t = add_tensor(b, name, type, rank, shape);
    t->data = data;
    size_t count = 1;
    for (int i = 0; i < rank; i++) count *= (size_t)shape[i];
    t->data_bytes = tflite_bytes(type, count);
    return t;
}

/* The version that the TFLite converter writes for int16 codes; 0: that of int8. */
static int wide_version(TfliteOpIndex op)
{
    static const int versions[TFLITE_OPS] = {[TFLITE_ADD] = 3,
                                             [TFLITE_AVERAGE_POOL_2D] = 3,
                                             [TFLITE_CONCATENATION] = 3,
                                             [TFLITE_CONV_2D] = 4,
                                             [TFLITE_DEPTHWISE_CONV_2D] = 5,
                                             [TFLITE_DEQUANTIZE] = 3,
                                             [TFLITE_FULLY_CONNECTED] = 7,
                                             [TFLITE_MAX_POOL_2D] = 3,
                                             [TFLITE_MUL] = 4,
                                             [TFLITE_RELU_OP] = 3,
                                             [TFLITE_RELU6_OP] = 3,
                                             [TFLITE_PAD] = 3,
                                             [TFLITE_PADV2] = 3,
                                             [TFLITE_MAXIMUM] = 4,
                                             [TFLITE_MINIMUM] = 4,
                                             [TFLITE_QUANTIZE] = 2};
    return versions[op];
}

TfliteOperator *tflite_add_operator(TfliteBuild *b, TfliteOpIndex op, int inputs, const int32_t *input, int output)
{
    ASSERT(b->m->operators < b->most);
    TfliteOperator *o = &b->m->node[b->m->operators++];
    *o = (TfliteOperator){.op = &tflite_ops[op],
                          .version = tflite_ops[op].version,
                          .inputs = inputs,
                          .input = tflite_words(b->arena, inputs, input),
                          .outputs = 1,
                          .output = tflite_words(b->arena, 1, (const int32_t[]){output})};
    for (int i = 0; i < TFLITE_MAX_OPTIONS; i++) o->option[i] = o->op->option[i].absent;
    const bool wide = b->m->tensor[input[0]].type == TFLITE_INT16 || b->m->tensor[output].type == TFLITE_INT16;
    if (wide && wide_version(op) > 0) o->version = wide_version(op);
    return o;
}

int tflite_form(TfliteBuild *b, int t, int form)
{
    if (b->form[t][form] >= 0) return b->form[t][form];
    const GraphTensor *x = &b->g->tensor[t];
    const int32_t image[4] = {1, x->h, x->w, x->c}, flat[2] = {1, (int32_t)graph_tensor_elements(x)};
    const int rank = form == FORM_FLAT ? 2 : 4;
    const int32_t *shape = form == FORM_FLAT ? flat : image;
    const char *name = arena_printf(b->arena, "%s/%s", x->name, form == FORM_FLAT ? "flat" : "image");
    const int y = tflite_add_activation(b, name, rank, shape, t);
    tflite_add_reshape(b, b->form[t][1 - form], y);
    return b->form[t][form] = y;
}
