#include "datasets/batch_reader.h"

#include <string.h>

#include "base/parallel.h"
#include "datasets/failure.h"

size_t dataset_image_bytes(const Dataset *data) { return sample_bytes(&data->source->input); }

typedef struct {
    const Dataset *data;
    const uint32_t *which; /* NULL: first, first + 1, ... */
    int first;
    uint8_t *pixels;
    Arena **scratch;  /* of each thread */
    Failure *failure; /* of each thread */
} Reading;

static void read_one(void *context, int chunk, int thread)
{
    const Reading *r = context;
    const int place = r->which == NULL ? r->first + chunk : (int)r->which[chunk];
    const int index = dataset_index(r->data, place);
    uint8_t *to = r->pixels + (size_t)chunk * dataset_image_bytes(r->data);
    const Status status = source_read(r->data->source, index, r->scratch[thread], to);
    if (status != STATUS_OK) failure_note(&r->failure[thread], chunk, status);
    arena_reset(r->scratch[thread]);
}

/* Decoding takes threads; copying does not. */
static Status read_images(Reading *r, int n)
{
    const size_t image = dataset_image_bytes(r->data);
    int copied = 0;
    for (; copied < n; copied++) {
        const int place = r->which == NULL ? r->first + copied : (int)r->which[copied];
        const uint8_t *kept = source_kept(r->data->source, dataset_index(r->data, place));
        if (kept == NULL) break;
        memcpy(r->pixels + (size_t)copied * image, kept, image);
    }
    if (copied == n) return STATUS_OK;
    const int threads = parallel_threads();
    Arena *own = arena_create();
    r->scratch = ARENA_ARRAY(own, Arena *, threads);
    r->failure = ARENA_ARRAY(own, Failure, threads);
    for (int i = 0; i < threads; i++) r->scratch[i] = arena_create();
    parallel_for(n, read_one, r);
    Failure first = {0};
    for (int i = 0; i < threads; i++) {
        failure_merge(&first, &r->failure[i]);
        arena_destroy(r->scratch[i]);
    }
    arena_destroy(own);
    return failure_status(&first);
}

static const uint8_t *lies_at(const Dataset *data, int first)
{
    const SampleSource *source = data->source;
    return source->bytes == NULL || data->index != NULL ? NULL : source_kept(source, first);
}

Status dataset_read(const Dataset *data, int first, int n, uint8_t *buffer, const uint8_t **pixels)
{
    *pixels = lies_at(data, first);
    if (*pixels != NULL) return STATUS_OK;
    *pixels = buffer;
    return read_images(&(Reading){.data = data, .first = first, .pixels = buffer}, n);
}

DatasetBatches dataset_batches(Arena *arena, const Dataset *data, int batch)
{
    return (DatasetBatches){
        .data = data, .batch = batch, .buffer = arena_alloc(arena, (size_t)batch * dataset_image_bytes(data))};
}

bool dataset_next(DatasetBatches *b, Status *status)
{
    b->first += b->n;
    const int left = b->data->n - b->first;
    if (*status != STATUS_OK || left <= 0) return false;
    b->n = left < b->batch ? left : b->batch;
    *status = dataset_read(b->data, b->first, b->n, b->buffer, &b->pixels);
    return *status == STATUS_OK;
}

Status dataset_pick(const Dataset *data, const uint32_t *which, int n, uint8_t *pixels)
{
    return read_images(&(Reading){.data = data, .which = which, .pixels = pixels}, n);
}
