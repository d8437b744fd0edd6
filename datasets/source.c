#include "datasets/source.h"

#include <stdatomic.h>
#include <string.h>

/* An image that is asked for goes from absent to kept by the one thread that gets it to busy; a thread that finds it
 * busy reads for itself. */
enum { ABSENT, BUSY, KEPT };
struct SourceCache {
    uint8_t *bytes;         /* [count,H,W,C]; pages that nobody has written to take no memory */
    _Atomic uint8_t *state; /* [count] */
};

size_t sample_bytes(const SampleShape *shape)
{
    static const size_t element_bytes[] = {[SAMPLE_U8] = sizeof(uint8_t)};
    return element_bytes[shape->type] * (size_t)shape->dim[0] * (size_t)shape->dim[1] * (size_t)shape->dim[2];
}

static SampleSource *source_new(Arena *arena, int n, const int hwc[3], Targets targets)
{
    SampleSource *source = ARENA_ARRAY(arena, SampleSource, 1);
    *source = (SampleSource){.count = n, .input = {SAMPLE_U8, {hwc[0], hwc[1], hwc[2]}}, .targets = targets};
    return source;
}

SampleSource *source_of_bytes(Arena *arena, int n, const int hwc[3], const uint8_t *images, Targets targets)
{
    SampleSource *source = source_new(arena, n, hwc, targets);
    source->bytes = images;
    return source;
}

Status source_of_files(Arena *arena, int n, const int hwc[3], Targets targets, SourceRead *read, const void *context,
                       bool keep, SampleSource **out)
{
    SampleSource *source = source_new(arena, n, hwc, targets);
    source->read = read;
    source->context = context;
    *out = source;
    if (!keep) return STATUS_OK;
    source->cache = ARENA_ARRAY(arena, SourceCache, 1);
    source->cache->bytes = arena_try_alloc(arena, (size_t)n * sample_bytes(&source->input));
    source->cache->state = arena_try_alloc(arena, (size_t)n * sizeof *source->cache->state);
    if (source->cache->bytes == NULL || source->cache->state == NULL)
        return status_prefix(STATUS_NOMEM, "data: %d images", n);
    for (int i = 0; i < n; i++) atomic_init(&source->cache->state[i], ABSENT);
    return STATUS_OK;
}

static uint8_t *place(const SampleSource *source, int index)
{
    return source->cache->bytes + (size_t)index * sample_bytes(&source->input);
}

const uint8_t *source_kept(const SampleSource *source, int index)
{
    if (source->bytes != NULL) return source->bytes + (size_t)index * sample_bytes(&source->input);
    if (source->cache == NULL || atomic_load(&source->cache->state[index]) != KEPT) return NULL;
    return place(source, index);
}

Status source_read(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    const uint8_t *kept = source_kept(source, index);
    if (kept == NULL && source->cache != NULL) {
        _Atomic uint8_t *state = &source->cache->state[index];
        uint8_t absent = ABSENT;
        if (atomic_compare_exchange_strong(state, &absent, BUSY)) {
            const Status status = source->read(source, index, scratch, place(source, index));
            atomic_store(state, status == STATUS_OK ? KEPT : ABSENT);
            TRY(status);
        }
        kept = source_kept(source, index);
    }
    if (kept == NULL) return source->read(source, index, scratch, input);
    memcpy(input, kept, sample_bytes(&source->input));
    return STATUS_OK;
}
