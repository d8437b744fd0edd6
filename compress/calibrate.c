#include "compress/calibrate.h"

#include "base/rng.h"
#include "datasets/batch_reader.h"

enum { BATCH = 128 };

static Status observe_images(Model *m, Tape *t, const Dataset *train, const uint32_t *order, int images)
{
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .observe = true};
    for (int i = 0; i < images; i += BATCH) {
        const int n = images - i < BATCH ? images - i : BATCH;
        tape_reset(t, false);
        uint8_t *pixels = arena_alloc(t->arena, (size_t)n * dataset_image_bytes(train));
        TRY(dataset_pick(train, order + i, n, pixels));
        if (model_forward(m, t, &mode, pixels, n) == NULL) return status_fail(t->status, "%s", t->message);
    }
    for (int i = 0; i < m->quantizers; i++)
        if (!m->quantizer[i]->is_weight) TRY(quantizer_calibrated(m->quantizer[i]));
    return STATUS_OK;
}

/* Something has a range that images must show. */
static bool has_ranges(const Model *m)
{
    for (int i = 0; i < m->quantizers; i++)
        if (!m->quantizer[i]->is_weight) return true;
    return false;
}

Status calibrate(Model *m, const Dataset *train, int images, uint64_t seed)
{
    if (!has_ranges(m)) return STATUS_OK;
    Arena *own = arena_create(), *step = arena_create();
    uint32_t *order = arena_alloc(own, sizeof *order * (size_t)train->n);
    Rng rng = rng_make(seed, RNG_CALIBRATE, 0);
    rng_permutation(&rng, (uint32_t)train->n, order);
    const Status status =
        observe_images(m, tape_create(own, step), train, order, images < train->n ? images : train->n);
    arena_destroy(step);
    arena_destroy(own);
    return status;
}
