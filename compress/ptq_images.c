#include "compress/ptq_images.h"

#include "base/rng.h"
#include "datasets/batch_reader.h"

Status ptq_images_pick(Arena *arena, const Dataset *train, uint64_t seed, int first, int n, PtqImages *images)
{
    uint32_t *order = arena_alloc(arena, sizeof *order * (size_t)train->n);
    Rng rng = rng_make(seed, RNG_CALIBRATE, 0);
    rng_permutation(&rng, (uint32_t)train->n, order);
    if (first > train->n) first = train->n;
    if (n > train->n - first) n = train->n - first;
    const size_t bytes = dataset_image_bytes(train);
    uint8_t *pixels = arena_try_alloc(arena, (size_t)n * bytes);
    if (pixels == NULL) return status_prefix(STATUS_NOMEM, "%d training images for post-training quantization", n);
    TRY(dataset_pick(train, order + first, n, pixels));
    const Targets targets =
        targets_in(train->targets, arena_alloc(arena, target_bytes(train->targets) * (size_t)(n + 1)));
    for (int i = 0; i < n; i++) target_copy(train->targets, (int)order[first + i], targets, i);
    *images = (PtqImages){n, bytes, pixels, targets};
    return STATUS_OK;
}

PtqImages ptq_images_part(const PtqImages *images, int first, int n)
{
    if (n > images->n - first) n = images->n - first;
    return (PtqImages){n, images->bytes, images->pixels + (size_t)first * images->bytes,
                       targets_from(images->targets, first)};
}

static Status run_parts(Model *m, Tape *t, const ForwardMode *mode, const PtqImages *images, int batch, PtqLook *look,
                        void *context)
{
    for (int at = 0; at < images->n; at += batch) {
        const PtqImages part = ptq_images_part(images, at, batch);
        tape_reset(t, false);
        const Tensor *y = model_forward(m, t, mode, part.pixels, part.n);
        if (y == NULL) return status_fail(t->status, "%s", t->message);
        TRY(look(context, m, t, y, &part, at));
    }
    return STATUS_OK;
}

Status ptq_images_run(Model *m, const ForwardMode *mode, const PtqImages *images, int batch, PtqLook *look,
                      void *context)
{
    Arena *own = arena_create(), *step = arena_create();
    const Status status = run_parts(m, tape_create(own, step), mode, images, batch, look, context);
    arena_destroy(step);
    arena_destroy(own);
    return status;
}
