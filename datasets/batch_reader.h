/* Images of a split for all code but training, which has the loader: in order or picked, without augmentation. */
#ifndef BITFOLD_DATASETS_BATCH_READER_H
#define BITFOLD_DATASETS_BATCH_READER_H

#include "datasets/dataset.h"

/* Bytes of one image. */
size_t dataset_image_bytes(const Dataset *data);

/* Images first .. first + n - 1 of the split, [n,H,W,C]: *pixels is where they lie in memory, or else `buffer`, which
 * has room for them and into which they were read.  What must be read is read by up to parallel_threads() threads, with
 * the same result for any number.  The failure is that of the first image that cannot be read. */
Status dataset_read(const Dataset *data, int first, int n, uint8_t *buffer, const uint8_t **pixels);

/* A split in batches, in order:
 *     DatasetBatches b = dataset_batches(arena, data, 64);
 *     while (dataset_next(&b, &status)) status = use(b.pixels, b.n, data->targets.label + b.first);
 * The buffer is the arena's. */
typedef struct {
    const Dataset *data;
    int batch;
    uint8_t *buffer;
    int first, n; /* the batch: images first .. first + n - 1 */
    const uint8_t *pixels;
} DatasetBatches;
DatasetBatches dataset_batches(Arena *arena, const Dataset *data, int batch);
/* The next batch; false at the end, after a failure, which is left in *status, and where *status is one already. */
bool dataset_next(DatasetBatches *batches, Status *status);

/* The images which[0 .. n-1] of the split into pixels[n,H,W,C]. */
Status dataset_pick(const Dataset *data, const uint32_t *which, int n, uint8_t *pixels);

#endif
