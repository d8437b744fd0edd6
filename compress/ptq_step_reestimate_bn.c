/* reestimate_bn: the statistics of batch norm as the quantized network has them: plain averages over batches, with weights and
 * activations on their grids (whitepaper 1806.08342; Nagel 2022, 2203.11086, section 4). */
#include "compress/ptq_step.h"

typedef struct {
    int batch;
} NormKeys;

const Field ptq_step_reestimate_bn_fields[] = {
    {"batch", FIELD_INT, offsetof(NormKeys, batch), .min = 2, .max = 65536, .def = "64", .unit = "images",
     .doc = "images whose statistics are taken at once; what is left of ptq.images is not used"},
    FIELD_END};

/* With momentum 1 / (k + 1) the running statistics are the average of the first k + 1 batches. */
static Status average(Model *m, Tape *t, const PtqImages *images, int batch)
{
    const ForwardMode mode = {
        .arithmetic = ARITHMETIC_FAKE, .batch_statistics = true, .rounding = (Rounding)m->quant->rounding};
    for (int k = 0; (k + 1) * batch <= images->n; k++) {
        for (int i = 0; i < m->layers; i++)
            if (m->layer[i].norm != NULL) m->layer[i].norm->momentum = 1.0f / (float)(k + 1);
        const PtqImages part = ptq_images_part(images, k * batch, batch);
        tape_reset(t, false);
        if (model_forward(m, t, &mode, part.pixels, part.n) == NULL) return status_fail(t->status, "%s", t->message);
    }
    return STATUS_OK;
}

/* On one scale per tensor codes that were chosen hold for the batch norm that they were chosen with. */
static bool is_bound(const Layer *l) { return l->weight_q != NULL && l->weight_q->fixed && l->weight_q->qp.n == 1; }

static Status reestimate(Arena *arena, Model *m, const PtqContext *c, int batch)
{
    PtqImages images;
    TRY(ptq_images_pick(arena, c->train, c->seed, 0, c->images, &images));
    if (images.n < batch) batch = images.n;
    float *momentum = ARENA_ARRAY(arena, float, m->layers);
    bool *frozen = ARENA_ARRAY(arena, bool, m->layers);
    int norms = 0;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        frozen[i] = l->frozen;
        if (l->norm == NULL) continue;
        momentum[i] = l->norm->momentum;
        norms += !is_bound(l);
        l->frozen = is_bound(l);
        if (is_bound(l)) ptq_tell(c, "\"%s\" is left: its codes were chosen on one scale for all channels", l->name);
    }
    Arena *step = arena_create();
    const Status status = norms == 0 ? STATUS_OK : average(m, tape_create(arena, step), &images, batch);
    arena_destroy(step);
    for (int i = 0; i < m->layers; i++) {
        m->layer[i].frozen = frozen[i];
        if (m->layer[i].norm != NULL) m->layer[i].norm->momentum = momentum[i];
    }
    if (norms == 0) ptq_tell(c, "the network has no batch norm to estimate");
    return status;
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const NormKeys *keys = ptq_keys(arena, &ptq_step_reestimate_bn, c);
    const Status status = reestimate(arena, m, c, keys->batch);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_reestimate_bn = {.name = "reestimate_bn",
                                        .doc = "takes batch norm's statistics again, from the quantized network",
                                        .needs_ranges = true,
                                        .fields = ptq_step_reestimate_bn_fields,
                                        .config_bytes = sizeof(NormKeys),
                                        .run = run};
