/* Batches of images, shuffled and augmented as (seed, epoch, image) alone say, and prepared by threads of the
 * loader. */
#ifndef BITFOLD_DATASETS_LOADER_H
#define BITFOLD_DATASETS_LOADER_H

#include "datasets/dataset.h"

typedef struct {
    int n;                 /* images in this batch: the last one of an epoch may be short */
    const uint8_t *pixels; /* [n,H,W,C] */
    Targets targets;       /* [n] */
} Batch;

typedef struct {
    const Dataset *data;
    int batch;
    uint64_t seed;
    bool shuffle;
    const AugmentConfig *augment; /* NULL: none */
    bool prefetch;                /* other threads prepare the next batch */
} LoaderConfig;

typedef struct Loader Loader;
/* config->data, and what it points to, must outlive the loader; the arena holds its buffers.  STATUS_INVALID: no
 * images, or a batch below 1; STATUS_NOMEM. */
Status loader_create(Arena *arena, const LoaderConfig *config, Loader **loader);
void loader_destroy(Loader *loader); /* stops the threads; NULL is allowed */

int loader_batches(const Loader *loader); /* per epoch: ceil(n / batch) */

/* The batch `index` of `epoch`; calls in order are what the prefetch expects, any other order is only slower.  Valid
 * until the next call.  Images that are in memory are copied by one thread; others are read and decoded by as many as
 * operations use (parallel_threads), 16 at most.  Fails as the source does, with the first image of the batch that
 * cannot be read. */
Status loader_get(Loader *loader, int epoch, int index, const Batch **batch);

#endif
