/* zero_point: weights become affine.  Their codes then span what the weights of each scale span, from the smallest to the
 * largest, and real 0 is one of them. */
#include "compress/ptq_step.h"
#include "quant/split_weights.h"

static Status run(Model *m, const PtqContext *c)
{
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->weight_q == NULL || l->weight_q->qp.zero != NULL) continue;
        if (quantizer_make_affine(m->arena, l->weight_q) != STATUS_OK)
            ptq_tell(c, "\"%s\" stays symmetric: %s", l->name, status_message());
    }
    return STATUS_OK;
}

const PtqStep ptq_step_zero_point = {
    .name = "zero_point",
    .doc = "gives weights a zero point for each scale (affine weights), where they have bits for it",
    .moves_weights = true,
    .keeps_function = true,
    .run = run};
