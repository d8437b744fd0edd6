/* embedding: y = the row of a table that each byte of the image names.  The table is quantized with one scale, and its
 * codes are the outputs: nothing is rescaled. */
#include "layers/layer.h"
#include "quant/split_weights.h"

#include <string.h>

typedef struct {
    LayerCommon common;
    int dim;
} EmbeddingConfig;

static const Field embedding_fields[] = {LAYER_FIELDS,
                                         {"dim", FIELD_INT, offsetof(EmbeddingConfig, dim), .min = 1, .max = 65536,
                                          .required = true, .doc = "numbers in the vector of a byte: output channels"},
                                         FIELD_END};

static int dim_of(const Layer *l) { return ((const EmbeddingConfig *)l->config)->dim; }

static Status embedding_shape(Layer *l)
{
    if (l->input[0] >= 0 || l->in[0].c != 1)
        return status_fail(STATUS_SHAPE, "an embedding of %s of %d channels; it must read the image, of 1 channel",
                           l->input[0] >= 0 ? "a layer's output" : "the image", l->in[0].c);
    l->out = (Extent){l->in[0].h, l->in[0].w, dim_of(l)};
    return STATUS_OK;
}

static Status embedding_build(Layer *l, LayerBuilder *b)
{
    l->weight = param_add(b->params, b->arena, arena_printf(b->arena, "%s.weight", l->name), PARAM_WEIGHT,
                          shape_2(EMBEDDING_TOKENS, dim_of(l)));
    if (l->weight == NULL) return STATUS_CONFIG;
    l->out_signed = true;
    if (b->quant == NULL) return STATUS_OK;
    QuantPlace place = b->place;
    place.in_floats = true; /* its codes are multiplied by nothing: zero points may be of 8 bits */
    QuantizerSpec spec = quant_weight_spec(b->quant, place);
    spec.per_channel = false, spec.group = 0;
    l->weight_q = quantizer_create(
        b->arena, b->params, arena_printf(b->arena, "%s.weight", l->name), &spec,
        (QuantizedTensor){
            .is_weight = true, .channels = EMBEDDING_TOKENS, .axis = 0, .inputs = dim_of(l), .in_floats = true});
    if (l->weight_q == NULL) return STATUS_CONFIG;
    if (l->weight_q->qp.levels == 0 && l->weight_q->qp.bits >= QUANT_MIN_BITS) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "quantizer \"%s\" for a table (embedding); one whose codes are 2 to 8 bits, all in use, is "
                       "required: an override of this layer with \"weight_quantizer\"",
                       spec.type->name);
}

/* Normal, variance 1 / dim: vectors of length 1 or so. */
static void embedding_init(Layer *l, uint64_t seed) { param_init(l->weight, INIT_HE, 2L * dim_of(l), 1, seed); }

static Tensor *embedding_forward(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x)
{
    Param *p = l->weight;
    Tensor *w = tape_leaf(t, p->name, p->shape, p->x, p->frozen ? NULL : p->dx);
    if (mode->arithmetic != ARITHMETIC_FLOAT) w = op_fake_quant_weights(t, w, l->weight_q, NULL);
    return op_embedding(t, w, x[0]);
}

static Status embedding_lower(Layer *l, Lowering *w)
{
    tape_reset(w->tape, false);
    Param *p = l->weight;
    const Tensor *q =
        op_fake_quant_weights(w->tape, tape_leaf(w->tape, p->name, p->shape, p->x, NULL), l->weight_q, NULL);
    if (tape_failed(w->tape)) return status_fail(w->tape->status, "%s", w->tape->message);
    const QuantParams *grid = q->qp;
    const int y = lower_tensor_on(w, l, l->weight_q);
    w->graph->tensor[y].zero_point = grid_zero(grid, 0);
    Node *n = lower_node(w, l, NODE_EMBEDDING, y);
    const size_t dim = (size_t)dim_of(l);
    uint8_t token[EMBEDDING_TOKENS];
    embedding_tokens(lower_grid(w, n->input[0]), token);
    int8_t *table = arena_alloc(w->arena, EMBEDDING_TOKENS * dim);
    for (size_t i = 0; i < EMBEDDING_TOKENS; i++) memcpy(table + i * dim, q->codes + token[i] * dim, dim);
    n->table = table;
    n->geom = dense_geom(1, 1, (int)dim);
    return STATUS_OK;
}

const LayerType layer_embedding = {.name = "embedding",
                                   .doc = "a vector of a table for each byte of the image, which has one channel",
                                   .fields = embedding_fields,
                                   .config_bytes = sizeof(EmbeddingConfig),
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .has_weights = true,
                                   .looks_up = true,
                                   .shape = embedding_shape,
                                   .build = embedding_build,
                                   .init = embedding_init,
                                   .forward = embedding_forward,
                                   .lower = embedding_lower};
